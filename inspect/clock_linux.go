package inspect

import (
	"runtime"
	"time"

	"golang.org/x/sys/unix"
)

// The scheduler has a clock for each processor (rq_clock_task of kernel/sched/core.c). It stands still while interrupts and
// the hypervisor have that processor, so the clocks of a virtual machine are seconds apart. The time of a thread's last run
// is by the clock of the processor that it ran on; so this asks there what time it is.

// processorClock is what the scheduler's clock of a processor showed at a time. It is zero if this process may not run there.
type processorClock struct {
	at    time.Time
	shows time.Duration
}

// blockedSince returns since when a blocked thread has waited, about: it ran until then. It is zero if that is not known.
func (s *scan) blockedSince(pid, tid int) time.Time {
	text, err := s.fs.read(s.fs.task(pid, tid, "sched"))
	if err != nil {
		return time.Time{}
	}
	// A thread that was woken to run on another processor, and does not run yet, shows 0.
	ran, ok := parseExecStart(text)
	if !ok || ran == 0 {
		return time.Time{}
	}
	if text, err = s.fs.read(s.fs.task(pid, tid, "stat")); err != nil {
		return time.Time{}
	}
	cpu, ok := parseProcessor(text)
	if !ok {
		return time.Time{}
	}
	c, known := s.clocks[cpu]
	if !known {
		if s.clocks == nil {
			s.clocks = map[int]processorClock{}
		}
		c = s.clockOf(cpu)
		s.clocks[cpu] = c
	}
	if c.shows == 0 {
		return time.Time{}
	}
	return c.at.Add(-max(0, c.shows-ran))
}

// clockOf reads the clock of a processor: when this thread ran last, which is now but for one tick, while it runs there.
func (s *scan) clockOf(cpu int) processorClock {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var before, there unix.CPUSet
	if unix.SchedGetaffinity(0, &before) != nil {
		return processorClock{}
	}
	there.Set(cpu)
	if !there.IsSet(cpu) || unix.SchedSetaffinity(0, &there) != nil {
		return processorClock{}
	}
	c := processorClock{at: time.Now()}
	if text, err := s.fs.read(s.fs.root + "/thread-self/sched"); err == nil {
		c.shows, _ = parseExecStart(text)
	}
	if unix.SchedSetaffinity(0, &before) != nil {
		runtime.LockOSThread() // so that this thread ends with its goroutine, and no other one is bound to that processor
	}
	return c
}
