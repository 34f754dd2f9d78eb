//go:build linux && (amd64 || arm64)

package bench

import (
	"math"
	"runtime/debug"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

var origin = time.Now()

// ticks are nanoseconds since the process began.
func ticks() int64 { return int64(time.Since(origin)) }

// clock is one that all processes share, in nanoseconds.
func clock() uint64 {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &t); err != nil {
		panic(err) // every Linux has it
	}
	return uint64(t.Nano())
}

// rest sleeps in this thread.
func rest(d time.Duration) {
	t := unix.NsecToTimespec(int64(d))
	unix.RawSyscall(unix.SYS_NANOSLEEP, uintptr(unsafe.Pointer(&t)), 0, 0)
}

// calm makes this process disturb its measurements as little as C would: bare calls keep the Go scheduler's processors
// while they wait, so nothing may stop the world; short sleeps end when they should.
func calm() {
	debug.SetGCPercent(-1)
	unix.Prctl(unix.PR_SET_TIMERSLACK, 1, 0, 0, 0)
}

// clockCost is what one reading of ticks takes.
func clockCost() float64 {
	best := math.Inf(1)
	for range 20 {
		const n = 500
		begin, last := ticks(), int64(0)
		for range n {
			last = ticks()
		}
		best = min(best, float64(last-begin)/n)
	}
	return best
}
