package listing

import (
	"strconv"
	"time"

	"github.com/sysvipc/sysvipc/internal/cli/arg"
	"github.com/sysvipc/sysvipc/internal/cli/terminal"
)

// value is what a column says of an object. Text is in s; everything else is in n:
// numbers, times and ages in seconds, and 1 for true.
type value struct {
	State state
	N     int64
	S     string
}

// state keeps apart what must never look alike.
type state uint8

const (
	Known   state = iota
	none          // the kernel says that there is none: never attached, no process
	unknown       // not known here
	Absent        // objects of this kind have none
)

func number64(n int64) value { return value{N: n} }
func text(s string) value    { return value{S: s} }
func stateIf(c bool, s state, v value) value {
	if c {
		return value{State: s}
	}
	return v
}

func boolean(b bool) value {
	if b {
		return value{N: 1}
	}
	return value{}
}

// valueType says how the values of a column are written and read.
type valueType uint8

const (
	typeText   valueType = iota
	typeNumber           // a count, a pid, a uid
	TypeSize             // bytes
	TypeTime
	typeAge
	typeBool
	typeMode // octal
	typeKey
)

// ForEyes writes a value for a table. With exact, sizes are in bytes.
func (t valueType) ForEyes(v value, exact bool) string { return string(t.appendForEyes(nil, v, exact)) }

func (t valueType) appendForEyes(dst []byte, v value, exact bool) []byte {
	switch v.State {
	case none, Absent:
		return append(dst, '-')
	case unknown:
		return append(dst, '?')
	}
	switch t {
	case typeText:
		return append(dst, terminal.Escape(v.S)...)
	case TypeSize:
		if !exact {
			return append(dst, arg.FormatSize(v.N)...)
		}
	case TypeTime:
		return time.Unix(v.N, 0).AppendFormat(dst, "2006-01-02 15:04:05")
	case typeAge:
		return append(dst, arg.FormatAge(v.N)...)
	case typeBool:
		if v.N != 0 {
			return append(dst, "yes"...)
		}
		return append(dst, "no"...)
	case typeMode:
		return appendPadded(append(dst, '0'), uint64(v.N), 8, 3)
	case typeKey:
		return appendPadded(append(dst, "0x"...), uint64(uint32(v.N)), 16, 8)
	}
	return strconv.AppendInt(dst, v.N, 10)
}

// appendPadded appends a number of at least so many digits.
func appendPadded(dst []byte, n uint64, base, digits int) []byte {
	var room [24]byte
	text := strconv.AppendUint(room[:0], n, base)
	for range digits - len(text) {
		dst = append(dst, '0')
	}
	return append(dst, text...)
}

// forPrograms is what JSON and CSV show: exact, and nil for what is not known.
func (t valueType) forPrograms(v value) any {
	if v.State != Known {
		return nil
	}
	switch t {
	case typeText:
		return v.S
	case TypeTime:
		return time.Unix(v.N, 0)
	case typeBool:
		return v.N != 0
	}
	return v.N
}
