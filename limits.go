package sysvipc

import (
	"syscall"

	"github.com/sysvipc/sysvipc/internal/sysv"
)

// Limits are the limits of this process's IPC namespace, and what is used of each:
// the files of /proc/sys/kernel that proc(5) describes under their own names.
type Limits struct {
	Segments   SegmentLimits
	Semaphores SemaphoreLimits
	Queues     QueueLimits
}

// SegmentLimits bound shared memory.
type SegmentLimits struct {
	Max, InUse      int    // kernel.shmmni: segments
	MaxSize         uint64 // kernel.shmmax: bytes of one segment; the least is 1
	MaxPages, Pages uint64 // kernel.shmall: pages of all segments together
	Resident, Swap  uint64 // pages of them in memory, and in swap
}

// SemaphoreLimits bound semaphores: the four numbers of kernel.sem, and the highest value.
type SemaphoreLimits struct {
	Max, InUse        int // SEMMNI: sets
	MaxTotal, InTotal int // SEMMNS: semaphores of all sets together
	MaxPerSet         int // SEMMSL
	MaxOps            int // SEMOPM: operations of one call
	MaxValue          int // SEMVMX
}

// QueueLimits bound message queues.
type QueueLimits struct {
	Max, InUse      int // kernel.msgmni: queues
	MaxMessage      int // kernel.msgmax: bytes of one message
	DefaultMaxBytes int // kernel.msgmnb: the capacity of a new queue, in bytes
	Messages, Bytes int // on all queues now
}

// ReadLimits asks the kernel for the limits and for what is used of them. Where the
// files show other values, the kernel's int is too small for them.
func ReadLimits() (Limits, error) {
	var lim Limits
	seg, _, errno := sysv.ShmctlIPCInfo()
	if errno != 0 {
		return lim, limitsError(KindSegment, errno)
	}
	use, _, errno := sysv.ShmctlInfo()
	if errno != 0 {
		return lim, limitsError(KindSegment, errno)
	}
	lim.Segments = SegmentLimits{
		Max: int(seg.Shmmni), InUse: use.UsedIDs, MaxSize: seg.Shmmax,
		MaxPages: seg.Shmall, Pages: use.Tot, Resident: use.Rss, Swap: use.Swp,
	}
	sem, _, errno := sysv.SemctlInfo(sysv.SEM_INFO)
	if errno != 0 {
		return lim, limitsError(KindSemaphores, errno)
	}
	lim.Semaphores = SemaphoreLimits{
		Max: sem.Semmni, InUse: sem.Semusz, MaxTotal: sem.Semmns, InTotal: sem.Semaem,
		MaxPerSet: sem.Semmsl, MaxOps: sem.Semopm, MaxValue: sem.Semvmx,
	}
	msg, _, errno := sysv.MsgctlInfo(sysv.IPC_INFO)
	if errno != 0 {
		return lim, limitsError(KindQueue, errno)
	}
	now, _, errno := sysv.MsgctlInfo(sysv.MSG_INFO)
	if errno != 0 {
		return lim, limitsError(KindQueue, errno)
	}
	lim.Queues = QueueLimits{
		Max: msg.Msgmni, InUse: now.Msgpool, MaxMessage: msg.Msgmax, DefaultMaxBytes: msg.Msgmnb,
		Messages: now.Msgmap, Bytes: now.Msgtql,
	}
	return lim, nil
}

func limitsError(kind Kind, errno syscall.Errno) error {
	return object{kind: kind}.fail("read the limits of", errno, "")
}
