package trace

import (
	"fmt"
	"math/bits"
	"syscall"
	"time"

	"github.com/sysvipc/sysvipc"
)

// Object names one object on this machine.
type Object struct {
	Namespace uint64 // the inode of its IPC namespace
	Kind      sysvipc.Kind
	ID        int // -1: the call was about no object, or found none
}

// Process names a program that runs. After exec(3) it is another one.
type Process struct {
	PID  int    // in the initial PID namespace
	Comm string // the name of its first thread
}

// Call counts the calls of one process on one object with one result.
type Call struct {
	Object
	Process
	Op      Op
	Command int           // of the …ctl calls, such as IPC_RMID; 0 otherwise
	Errno   syscall.Errno // 0: they succeeded

	Count   uint64
	Untimed uint64 // of these: began before the trace, or were refused by seccomp. They have no latency
	Total   time.Duration
	Max     time.Duration
	Latency Histogram
}

// Result is "ok", or the name of the error.
func (c *Call) Result() string {
	if c.Errno == 0 {
		return "ok"
	}
	return ErrnoName(c.Errno)
}

// CommandName is the name of the command of a …ctl call, such as "IPC_RMID", and "" for other calls.
func (c *Call) CommandName() string { return commandName(c.Op, c.Command) }

// Summary is what was counted since [Start].
type Summary struct {
	Calls []Call
	// Lost is how many calls were not counted, since there was no room for their process, object or result, and LostEvents
	// how many events were not delivered, since nobody read them in time.
	Lost, LostEvents uint64
	// Elapsed is how long the trace has been running.
	Elapsed time.Duration
}

// Buckets is how many buckets a [Histogram] has, and the first one holds all calls below 256 ns.
const (
	Buckets    = 32
	firstShift = 7
)

// Histogram counts durations in buckets whose bounds are powers of two.
type Histogram [Buckets]uint64

// Bucket is where a duration is counted.
func Bucket(d time.Duration) int {
	return min(max(bits.Len64(uint64(max(d, 0)))-1-firstShift, 0), Buckets-1)
}

// Bound is the least duration that a bucket does not hold. The last bucket has none.
func Bound(bucket int) time.Duration { return 1 << (bucket + firstShift + 1) }

// Add adds what another histogram has.
func (h *Histogram) Add(other *Histogram) {
	for i, n := range other {
		h[i] += n
	}
}

// Quantile returns a duration that a part q of all durations, from 0 to 1, does not exceed. It is exact to the bucket, and 0
// if there are none.
func (h *Histogram) Quantile(q float64) time.Duration {
	var all uint64
	for _, n := range h {
		all += n
	}
	if all == 0 {
		return 0
	}
	rank := q * float64(all)
	var below uint64
	for i, n := range h {
		if n > 0 && float64(below+n) >= rank {
			least := Bound(i) / 2
			if i == 0 {
				least = 0
			}
			return least + time.Duration((rank-float64(below))/float64(n)*float64(Bound(i)-least))
		}
		below += n
	}
	return Bound(Buckets - 1)
}

// Op is one of the calls: "semop" is [Semop].
type Op uint8

// The calls. Several numbers of the kernel can be one of them: semtimedop(2) has two on 32-bit ports.
const (
	Semget Op = iota + 1
	Semop
	Semtimedop
	Semctl
	Shmget
	Shmat
	Shmdt
	Shmctl
	Msgget
	Msgsnd
	Msgrcv
	Msgctl
)

var opNames = [...]string{"", "semget", "semop", "semtimedop", "semctl", "shmget", "shmat", "shmdt", "shmctl", "msgget", "msgsnd", "msgrcv", "msgctl"}

// String is the name of the call in the manual.
func (o Op) String() string {
	if int(o) < len(opNames) && o > 0 {
		return opNames[o]
	}
	return fmt.Sprintf("call %d", uint8(o))
}

// Kind is the kind of object that the call is about.
func (o Op) Kind() sysvipc.Kind {
	switch {
	case o <= Semctl:
		return sysvipc.KindSemaphores
	case o <= Shmctl:
		return sysvipc.KindSegment
	}
	return sysvipc.KindQueue
}

// Commands that need no object, whose first argument is no ID, or an index.
const (
	ipcRMID, ipcSet, ipcStat, ipcInfo = 0, 1, 2, 3
	msgStat, msgInfo, msgStatAny      = 11, 12, 13
	shmStat, shmInfo, shmStatAny      = 13, 14, 15
	semStat, semInfo, semStatAny      = 18, 19, 20
)

var commandNames = map[Op]map[int]string{
	Semctl: {
		11: "GETPID", 12: "GETVAL", 13: "GETALL", 14: "GETNCNT", 15: "GETZCNT", 16: "SETVAL", 17: "SETALL",
		semStat: "SEM_STAT", semInfo: "SEM_INFO", semStatAny: "SEM_STAT_ANY",
	},
	Shmctl: {11: "SHM_LOCK", 12: "SHM_UNLOCK", shmStat: "SHM_STAT", shmInfo: "SHM_INFO", shmStatAny: "SHM_STAT_ANY"},
	Msgctl: {msgStat: "MSG_STAT", msgInfo: "MSG_INFO", msgStatAny: "MSG_STAT_ANY"},
}

func commandName(op Op, command int) string {
	names := commandNames[op]
	if names == nil {
		return ""
	}
	switch command {
	case ipcRMID:
		return "IPC_RMID"
	case ipcSet:
		return "IPC_SET"
	case ipcStat:
		return "IPC_STAT"
	case ipcInfo:
		return "IPC_INFO"
	}
	if name := names[command]; name != "" {
		return name
	}
	return fmt.Sprint(command)
}
