package inspect

import (
	"fmt"
	"strings"
	"time"

	"github.com/sysvipc/sysvipc"
	"github.com/sysvipc/sysvipc/internal/plural"
)

// Wait is a thread that is blocked on a semaphore set or a queue.
type Wait struct {
	PID, TID  int
	Process   *Process // nil if it ended meanwhile
	Kind      sysvipc.Kind
	ID        int
	Operation Operation

	// Of a wait on a set: the operations, which are done together or not at all, nil if this user
	// may not read them, and the index of the semaphore at which they are stuck, -1 if not known.
	Ops       []SemaphoreOp
	Semaphore int

	// Of a receiver: the type argument of msgrcv(2): 0 for any message, N for that type, -N for
	// types up to N; with Except any but that type. Of a sender: the type of its message, 0 if not
	// known.
	Type   int64
	Except bool
	Size   int // bytes of the message, or of the receiver's buffer

	Since   time.Time     // about; zero if not known
	Timeout time.Duration // after Since; 0 for none, or if none can be seen
	Holders []Holder      // the processes that are probably waited for
	Cycle   int           // the number of the probable deadlock that it is part of; 0 for none
	Queued  map[int64]int // of a receiver: how many messages of each type are on the queue; nil if not known

	elsewhere uint64 // as of [Object]
}

// Holder is a process that a wait is probably waiting for. The kernel does not know the holder of a
// semaphore: it notes the last operator. A trace may have seen who took: see [Options.Taken].
type Holder struct {
	PID     int
	Process *Process // nil if it has ended
	Self    bool     // the waiting process itself: then it may be waiting for itself
	Ended   bool     // it has ended, and what it took without undo stays taken
	Certain bool     // a trace has seen that it holds what is waited for
	Why     string   // "operated on semaphore 0 last"
}

// Comm is the name of the holder's program, or "" if it has ended.
func (h *Holder) Comm() string {
	if h.Process == nil {
		return ""
	}
	return h.Process.Comm
}

// probably is what is said of one that is not certain.
func (h *Holder) probably() string {
	if h.Certain {
		return ""
	}
	return "probably "
}

// String returns "process 17 (postgres)".
func (h *Holder) String() string {
	if h.Process == nil {
		return fmt.Sprintf("process %d", h.PID)
	}
	return h.Process.String()
}

// Ref names the object as the command does: "sem:3".
func (w *Wait) Ref() string { return refText(w.elsewhere, kindWord(w.Kind), w.ID) }

// What says in words what the thread waits for: "acquire semaphore 1 (1-1)".
func (w *Wait) What() string {
	switch w.Operation {
	case Send:
		text := fmt.Sprintf("send %s", plural.Of(w.Size, "byte"))
		if w.Type != 0 {
			text += fmt.Sprintf(" of type %d", w.Type)
		}
		return text
	case Receive:
		return "receive " + WaitedOn(w.Type, w.Except)
	}
	if len(w.Ops) == 0 {
		return "operate"
	}
	words := make([]string, 0, min(len(w.Ops), shownOps)+1)
	for i, op := range w.Ops {
		if i == shownOps {
			words = append(words, fmt.Sprintf("and %d more", len(w.Ops)-i))
			break
		}
		words = append(words, op.String())
	}
	list := strings.Join(words, " ")
	switch {
	case w.Semaphore < 0:
		return "operate " + list
	case w.stuckAt().Delta == 0:
		return fmt.Sprintf("semaphore %d to become zero (%s)", w.Semaphore, list)
	}
	return fmt.Sprintf("acquire %d of semaphore %d (%s)", -w.stuckAt().Delta, w.Semaphore, list)
}

// shownOps is how many operations are shown.
const shownOps = 8

// stuckAt is the operation at which the wait is stuck.
func (w *Wait) stuckAt() SemaphoreOp {
	for _, op := range w.Ops {
		if op.Index == w.Semaphore && op.Delta <= 0 {
			return op
		}
	}
	return SemaphoreOp{}
}

// WaitedOn says in words what a receiver takes.
func WaitedOn(typ int64, except bool) string {
	switch {
	case typ == 0:
		return "any type"
	case typ < 0:
		return fmt.Sprintf("the lowest type up to %d", -typ)
	case except:
		return fmt.Sprintf("any type but %d", typ)
	}
	return fmt.Sprintf("type %d", typ)
}

// takes reports whether a receiver takes messages of a type.
func (w *Wait) takes(typ int64) bool {
	switch {
	case w.Type == 0:
		return true
	case w.Type < 0:
		return typ <= -w.Type
	case w.Except:
		return typ != w.Type
	}
	return typ == w.Type
}

// Stuck reports whether the wait cannot end by itself: a receiver beside messages of which it takes
// none. Another receiver must take them, or another message must come.
func (w *Wait) Stuck() bool {
	if w.Operation != Receive || len(w.Queued) == 0 {
		return false
	}
	for typ := range w.Queued {
		if w.takes(typ) {
			return false
		}
	}
	return true
}

// ForDead reports whether the wait is for processes that have ended, and for no others: they operated on the semaphore
// last, received from the full queue last, or answered on the empty queue and left requests on another one. The wait ends
// when another process gives back what a dead one took without undo, or serves in its place. A consumer of a semaphore
// whose predecessor has died looks the same, and waits for a producer.
func (w *Wait) ForDead() bool {
	for i := range w.Holders {
		if !w.Holders[i].Ended {
			return false
		}
	}
	return len(w.Holders) > 0
}

// flagExcept is MSG_EXCEPT of linux/msg.h. It counts for positive types only.
const flagExcept = 0o20000

// stuckSemaphore finds the operation that cannot be done, as semop(2) tries them: one after the
// other, each on what the earlier ones leave. It is -1 if all could be done now: then the values
// changed meanwhile.
func stuckSemaphore(ops []SemaphoreOp, semaphores []Semaphore) int {
	values := map[int]int{}
	for _, op := range ops {
		if op.Index >= len(semaphores) {
			return -1
		}
		value, ok := values[op.Index]
		if !ok {
			value = semaphores[op.Index].Value
		}
		if op.Delta == 0 && value != 0 || value+op.Delta < 0 {
			return op.Index
		}
		values[op.Index] = value + op.Delta
	}
	return -1
}
