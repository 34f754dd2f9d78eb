package sysvipc

import (
	"fmt"
	"syscall"

	"github.com/sysvipc/sysvipc/internal/sysv"
)

// Selector says which message to receive: the type argument and the flags of
// msgrcv(2). Its zero value is [Any].
type Selector struct {
	choice choice
	typ    int64
	cut    bool
}

type choice uint8

const (
	anyType choice = iota
	ofType
	upTo
	except
)

// Any selects the first message of the queue.
var Any Selector

// OfType selects the first message of this type, which is at least 1.
func OfType(typ int64) Selector { return Selector{choice: ofType, typ: typ} }

// UpTo selects the first message of the lowest type that is at most typ (a negative
// type in C). With types as priorities, 1 is the most urgent.
func UpTo(typ int64) Selector { return Selector{choice: upTo, typ: typ} }

// Except selects the first message of any other type (MSG_EXCEPT).
func Except(typ int64) Selector { return Selector{choice: except, typ: typ} }

// Truncated returns the same selector, with which [Queue.ReceiveInto] cuts a message that
// is too big for its buffer (MSG_NOERROR). The rest is lost, without a word. The other
// receivers have room for any message, and cut none.
func (s Selector) Truncated() Selector {
	s.cut = true
	return s
}

// whole returns the same selector without Truncated.
func (s Selector) whole() Selector {
	s.cut = false
	return s
}

// String describes the selector.
func (s Selector) String() string {
	switch s.choice {
	case ofType:
		return fmt.Sprintf("type %d", s.typ)
	case upTo:
		return fmt.Sprintf("lowest type up to %d", s.typ)
	case except:
		return fmt.Sprintf("any type but %d", s.typ)
	}
	return "any type"
}

// kernel returns the selector as msgrcv wants it.
func (s Selector) kernel(o object) (typ int64, flags int, err error) {
	if s.choice != anyType && (s.typ < 1 || s.typ > sysv.MaxMtype) {
		// The kernel would take 0 for any type, and a negative one for UpTo.
		return 0, 0, o.refuse("receive from", syscall.EINVAL, "type %d: a message has a type from 1 to %d", s.typ, int64(sysv.MaxMtype))
	}
	if s.cut {
		flags = sysv.MSG_NOERROR
	}
	switch s.choice {
	case upTo:
		return -s.typ, flags, nil
	case except:
		return s.typ, flags | sysv.MSG_EXCEPT, nil
	}
	return s.typ, flags, nil
}
