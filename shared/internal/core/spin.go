package core

import (
	"runtime"
	"sync/atomic"
)

// ManyProcessors reports whether to spin is of any use.
func ManyProcessors() bool { return min(runtime.NumCPU(), runtime.GOMAXPROCS(0)) > 1 }

// Spin waits a little for ready, and reports whether it came.
func Spin(useful bool, e *Spinner, ready func() bool) bool {
	if !useful {
		runtime.Gosched() // a goroutine of this process may be what it waits for
		return ready()
	}
	for i := range e.Budget() {
		Pause()
		if ready() {
			e.Hit(i)
			return true
		}
		if i%64 == 63 {
			runtime.Gosched()
		}
	}
	e.Miss()
	return false
}

// Spinner is how many rounds of pause a wait may spin: about twice as many as the last
// ones took that ended by spinning, and few if they did not.
//
// In a stream it is better not to look too soon. Who looks at each message in the instant in
// which it comes takes the cell's line from a sender who has to write to it yet, and both
// wait for lines all the time; a few messages apart, the processors fetch them in advance.
// So a wait may hold off before its first look. A sender always does: where it finds no
// room, receivers have all messages that fit to work on. A receiver does if that has brought
// a number of messages the last time, and now and then, to see whether it would.
type Spinner struct {
	rounds, misses uint64
	used           uint64 // rounds of the last wait that ended by spinning, and 1 more; 0 if that is in rounds
	stream         uint64 // 1 if to hold off has brought a number of messages
	waits          uint64 // how many more to try it again
	trial          uint64 // how many that were after the last one
}

const (
	minRounds  = 200
	maxRounds  = 2000 // some 80 us: what a sleep and a wake-up cost
	missesEach = 16   // of so many misses one spins for long, to see whether it is of use again

	BackOffRounds = 128     // some 5 us
	backOffFirst  = 512     // of so many waits one holds off, to see whether there is a stream,
	backOffLast   = 1 << 14 // and of ever more, up to this, while there is none
	BackOffGain   = 8       // a stream has so many more messages in that time
)

// Budget is for how many rounds to spin.
func (e *Spinner) Budget() uint64 {
	if used := atomic.LoadUint64(&e.used); used != 0 {
		now, want := atomic.LoadUint64(&e.rounds), 2*used+minRounds
		StoreOwn(&e.rounds, min(max(want, (3*now+want)/4), maxRounds))
		StoreOwn(&e.misses, 0)
		StoreOwn(&e.used, 0)
	}
	if atomic.LoadUint64(&e.misses)%missesEach == 0 {
		return maxRounds
	}
	return max(atomic.LoadUint64(&e.rounds), minRounds)
}

// Hit notes that it took so many rounds. What follows from that is left to the next wait,
// since here a goroutine has what it waited for.
func (e *Spinner) Hit(used uint64) { StoreOwn(&e.used, used+1) }

func (e *Spinner) Miss() {
	StoreOwn(&e.rounds, atomic.LoadUint64(&e.rounds)*3/4)
	atomic.AddUint64(&e.misses, 1)
}

// BackOff says whether a receiver should hold off.
func (e *Spinner) BackOff() bool {
	if atomic.LoadUint64(&e.stream) != 0 {
		return true
	}
	waits := atomic.LoadUint64(&e.waits)
	if waits == 0 {
		StoreOwn(&e.waits, max(atomic.LoadUint64(&e.trial), backOffFirst))
		return true
	}
	StoreOwn(&e.waits, waits-1)
	return false
}

// BackedOff notes whether it has brought more.
func (e *Spinner) BackedOff(more bool) {
	stream, trial := uint64(1), uint64(0)
	if !more {
		stream, trial = 0, min(2*max(atomic.LoadUint64(&e.trial), backOffFirst), backOffLast)
	}
	StoreOwn(&e.stream, stream)
	StoreOwn(&e.trial, trial)
}

// Rest pauses for so many rounds.
func Rest(rounds uint64) {
	for range rounds {
		Pause()
	}
}
