package trace

import (
	"fmt"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/sysvipc/sysvipc"
)

// Event is one call that has ended.
type Event struct {
	Object
	Process
	TID     int // in the initial PID namespace
	Op      Op
	Command int           // of the …ctl calls, such as IPC_RMID; 0 otherwise
	Args    [6]uint64     // as the call had them; those of ipc(2) are in the order of the call that it makes
	Result  int64         // what it returned; the negated errno if it failed
	Time    time.Time     // when it ended
	Took    time.Duration // -1: it is not known, see [Call.Untimed]

	Ops     []SemOp       // the first operations of semop(2), at most 16
	Timeout time.Duration // of semtimedop(2); -1: none
	Type    int64         // of the message of msgsnd(2), and of that which msgrcv(2) received
	known   bool          // the timeout or type could be read
}

// SemOp is one operation of semop(2).
type SemOp struct {
	Index int
	Delta int
	Flags int // IPC_NOWAIT, SEM_UNDO
}

// The flags of the calls.
const (
	flagNowait = 0o4000
	flagUndo   = 0o10000
)

// String writes the operation as "sysvipc sem op" takes it: 0-1:undo.
func (o SemOp) String() string {
	s := fmt.Sprintf("%d%+d", o.Index, o.Delta)
	if o.Delta == 0 {
		s = fmt.Sprintf("%d=0", o.Index)
	}
	if o.Flags&flagUndo != 0 {
		s += ":undo"
	}
	if o.Flags&flagNowait != 0 {
		s += ":nowait"
	}
	return s
}

// Errno is the error of the call, or 0. One that a signal interrupted, before it is known whether the call is made again,
// is ERESTARTNOHAND, which programs never see.
func (e *Event) Errno() syscall.Errno {
	if e.Result < 0 && e.Result >= -4095 {
		return syscall.Errno(-e.Result)
	}
	return 0
}

// String writes the call as strace(1) does.
func (e *Event) String() string { return e.Text("") }

// Text is String with a name for the object, such as "jobs".
func (e *Event) Text(name string) string {
	return e.Op.String() + "(" + strings.Join(e.arguments(name), ", ") + ") = " + e.result()
}

func (e *Event) result() string {
	var s string
	switch errno := e.Errno(); {
	case errno == 514:
		s = "? ERESTARTNOHAND (interrupted)"
	case errno != 0:
		s = "-1 " + ErrnoName(errno)
	case e.Op == Shmat:
		s = fmt.Sprintf("0x%x", uint64(e.Result))
	default:
		s = strconv.FormatInt(e.Result, 10)
	}
	if e.Took < 0 {
		return s + " <unknown>"
	}
	return s + " <" + e.Took.String() + ">"
}

// arguments are those of the manual, decoded.
func (e *Event) arguments(name string) []string {
	object := kindWord(e.Kind) + ":" + strconv.Itoa(int(int32(e.Args[0])))
	if name != "" {
		object += " " + strconv.Quote(name)
	}
	number := func(i int) string { return strconv.FormatInt(int64(int32(e.Args[i])), 10) }
	size := func(i int) string { return strconv.FormatUint(e.Args[i], 10) }
	address := func(i int) string {
		if e.Args[i] == 0 {
			return "NULL"
		}
		return fmt.Sprintf("0x%x", e.Args[i])
	}
	key := func() string {
		if int32(e.Args[0]) == 0 {
			return "IPC_PRIVATE"
		}
		return sysvipc.Key(int32(e.Args[0])).String()
	}
	switch e.Op {
	case Semop, Semtimedop:
		args := []string{object, e.operations()}
		if e.Op == Semtimedop {
			switch {
			case e.Timeout >= 0:
				args = append(args, e.Timeout.String())
			case e.Args[3] != 0:
				args = append(args, address(3))
			default:
				args = append(args, "NULL")
			}
		}
		return args
	case Semget:
		return []string{key(), number(1), createFlags(e.Args[2], nil)}
	case Shmget:
		return []string{key(), size(1), createFlags(e.Args[2], []flag{{0o4000, "SHM_HUGETLB"}, {0o10000, "SHM_NORESERVE"}})}
	case Msgget:
		return []string{key(), createFlags(e.Args[1], nil)}
	case Semctl:
		args := []string{e.controlled(object), number(1), e.CommandName()}
		switch e.CommandName() {
		case "SETVAL":
			args = append(args, number(3))
		case "SETALL", "GETALL", "IPC_SET", "IPC_STAT", "SEM_STAT", "SEM_STAT_ANY", "IPC_INFO", "SEM_INFO":
			args = append(args, address(3))
		}
		return args
	case Shmctl, Msgctl:
		return []string{e.controlled(object), e.CommandName(), address(2)}
	case Shmat:
		return []string{object, address(1), flags(e.Args[2], []flag{{0o10000, "SHM_RDONLY"}, {0o20000, "SHM_RND"}, {0o40000, "SHM_REMAP"}, {0o100000, "SHM_EXEC"}})}
	case Shmdt:
		if e.ID >= 0 {
			return []string{address(0) + " of shm:" + strconv.Itoa(e.ID)}
		}
		return []string{address(0)}
	case Msgsnd:
		return []string{object, e.message(2), flags(e.Args[3], []flag{{flagNowait, "IPC_NOWAIT"}})}
	case Msgrcv:
		return []string{object, e.message(2), strconv.FormatInt(int64(e.Args[3]), 10), flags(e.Args[4], []flag{
			{flagNowait, "IPC_NOWAIT"}, {0o10000, "MSG_NOERROR"}, {0o20000, "MSG_EXCEPT"}, {0o40000, "MSG_COPY"},
		})}
	}
	return nil
}

// CommandName is the name of the command of a …ctl call, such as "IPC_RMID", and "" for other calls.
func (e *Event) CommandName() string { return commandName(e.Op, e.Command) }

// controlled is the first argument of a …ctl call: an ID, or an index, or what is ignored.
func (e *Event) controlled(object string) string {
	if e.ID == int(int32(e.Args[0])) {
		return object
	}
	return strconv.Itoa(int(int32(e.Args[0])))
}

func (e *Event) operations() string {
	if len(e.Ops) == 0 {
		return fmt.Sprintf("0x%x, %d", e.Args[1], e.Args[2])
	}
	texts := make([]string, len(e.Ops))
	for i, op := range e.Ops {
		texts[i] = op.String()
	}
	if more := int(e.Args[2]) - len(e.Ops); more > 0 {
		texts = append(texts, fmt.Sprintf("and %d more", more))
	}
	return strings.Join(texts, " ")
}

// message is {type, size}, as far as it is known.
func (e *Event) message(size int) string {
	if !e.known {
		return fmt.Sprintf("0x%x, %d", e.Args[1], e.Args[size])
	}
	return fmt.Sprintf("{type %d}, %d", e.Type, e.Args[size])
}

type flag struct {
	bits uint64
	name string
}

// flags are the names of the bits, and the rest as an octal number.
func flags(value uint64, known []flag) string {
	value &= 0xffffffff
	var names []string
	for _, f := range known {
		if value&f.bits != 0 {
			names = append(names, f.name)
			value &^= f.bits
		}
	}
	if value != 0 || len(names) == 0 {
		rest := "0"
		if value != 0 {
			rest = fmt.Sprintf("%#o", value)
		}
		names = append(names, rest)
	}
	return strings.Join(names, "|")
}

func createFlags(value uint64, more []flag) string {
	return flags(value, append([]flag{{0o1000, "IPC_CREAT"}, {0o2000, "IPC_EXCL"}}, more...))
}

// kindWord is how a REF begins.
func kindWord(kind sysvipc.Kind) string {
	switch kind {
	case sysvipc.KindSemaphores:
		return "sem"
	case sysvipc.KindSegment:
		return "shm"
	}
	return "msg"
}

// Ref names the object as the command line does, or is "" for none.
func (o Object) Ref() string {
	if o.ID < 0 {
		return ""
	}
	return kindWord(o.Kind) + ":" + strconv.Itoa(o.ID)
}
