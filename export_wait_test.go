package sysvipc

import (
	"sync/atomic"
	"syscall"
)

// WaitersInProcess returns how many calls of this process wait, in the kernel or in a wait queue.
func WaitersInProcess() int { return int(waiting.count.Load() + waiting.direct.Load()) }

// MaxDirect is how many wait in the kernel without a queue.
const MaxDirect = maxDirect

// CountInterrupts has n count the signals that interrupt waits from now on.
func CountInterrupts(n *atomic.Int64) {
	send := tgkill
	tgkill = func(tid int, sig syscall.Signal) syscall.Errno {
		n.Add(1)
		return send(tid, sig)
	}
}

// HideThreads makes this process interrupt waits as if /proc were not mounted.
func HideThreads() { findsThreads = func() bool { return false } }

// MaxInKernel is how many wait in the kernel at least, if that many wait for different objects.
const MaxInKernel = maxSlots
