package core

import (
	"runtime"
	"sync/atomic"
	"time"
)

// ManyProcessors reports whether to spin is of any use.
func ManyProcessors() bool { return min(runtime.NumCPU(), runtime.GOMAXPROCS(0)) > 1 }

// Spin waits a little for ready, and reports whether it came. If not, the caller sleeps, and then calls
// Slept.
func Spin(useful bool, e *Spinner, ready func() bool) bool {
	if !useful {
		runtime.Gosched() // a goroutine of this process may be what it waits for
		return ready()
	}
	var s Spell
	for e.Again(&s) {
		for range SpellRounds {
			Pause()
			if ready() {
				e.Hit(&s)
				return true
			}
		}
	}
	return false
}

// Spinner says for how long a wait spins before it sleeps: about as long as the last waits took, if
// that is short.
//
// Of two processes that answer each other, and both sleep, each finds its answer late, since the
// other has to be woken first. If one of them spins for as long as that takes, it gets the
// answer at once, the other one then gets the next message at once too, and neither sleeps
// any more. So a wait that slept counts as well. But where both share a processor, or
// others keep them from theirs, what a wait spins for comes only when it sleeps. So after
// a few misses in a row it is tried now and then only: by the clock, so that two processes
// find each other within milliseconds after a disturbance, and not with each of a few
// waits, so that it costs little where waits are long.
//
// In a stream it is better not to look too soon. Who looks at each message in the instant in
// which it comes takes the cell's line from a sender who has to write to it yet, and both
// wait for lines all the time; a few messages apart, the processors fetch them in advance.
// So a wait may hold off before its first look. A sender always does: where it finds no
// room, receivers have all messages that fit to work on. A receiver does if that has brought
// a number of messages the last time, and now and then, to see whether it would.
type Spinner struct {
	hit    uint64       // nanoseconds of the last wait that ended by spinning, and 1 more; 0 if usual knows
	usual  atomic.Int64 // nanoseconds that waits take of late
	misses atomic.Int64 // in a row: waits that spun in vain, and slept for a short time
	waits  atomic.Int64 // since the last try
	next   atomic.Int64 // when to try it again
	asleep atomic.Int64 // since when the last wait sleeps
	spun   atomic.Bool  // whether it has spun for its time

	stream uint64 // 1 if to hold off has brought a number of messages
	left   uint64 // how many more waits to try it again
	trial  uint64 // how many that were after the last one
}

// Spell is one wait that spins.
type Spell struct {
	began, now, until int64 // nanoseconds of the clock; 0 in the first rounds
	looks             int
}

const (
	SpellRounds = 16 // of pause between two looks at the clock: some 0.7 us, and as many before the first

	spellBeyond = 4 * time.Microsecond   // what is usual
	spellMost   = 100 * time.Microsecond // what it takes to wake a thread on a processor that sleeps, and more
	tooLong     = 300 * time.Microsecond // a wait that follows one of this time sleeps at once
	forgiven    = 2                      // misses
	triesEach   = 32                     // waits, at least
	triesFirst  = 200 * time.Microsecond // from one try to the next, twice as long after each,
	triesLast   = 2 * time.Millisecond   // up to this
)

var epoch = time.Now()

func clock() int64 { return int64(time.Since(epoch)) }

// Again says whether to spin for SpellRounds more.
func (e *Spinner) Again(s *Spell) bool {
	s.looks++
	if s.looks == 1 { // nobody sleeps as quickly
		return true
	}
	s.now = clock()
	if s.looks == 2 {
		s.began, s.until = s.now, s.now+e.budget(s.now)
	}
	if s.now < s.until {
		if s.looks%4 == 0 {
			runtime.Gosched()
		}
		return true
	}
	e.asleep.Store(s.now)
	e.spun.Store(s.until > s.began)
	return false
}

// budget is for how many nanoseconds to spin.
func (e *Spinner) budget(now int64) int64 {
	usual := e.usual.Load()
	if hit := atomic.LoadUint64(&e.hit); hit != 0 {
		StoreOwn(&e.hit, 0)
		last := int64(hit - 1)
		if usual = max(last, (3*usual+last)/4); usual > int64(tooLong) {
			usual = last
		}
		e.usual.Store(usual)
		e.misses.Store(0)
	}
	if usual > int64(tooLong) {
		return 0
	}
	if e.misses.Load() > forgiven {
		if e.waits.Add(1) < triesEach || now < e.next.Load() {
			return 0
		}
		e.waits.Store(0)
	}
	return min(usual+usual/2+int64(spellBeyond), int64(spellMost))
}

// Hit notes that what a wait spun for has come. What follows from that is left to the next wait,
// since here a goroutine has what it waited for.
func (e *Spinner) Hit(s *Spell) { StoreOwn(&e.hit, uint64(s.now-s.began+1)) }

// Slept notes that what a wait slept for has come.
func (e *Spinner) Slept() { e.sleptUntil(clock()) }

func (e *Spinner) sleptUntil(now int64) {
	took := now - e.asleep.Load()
	e.usual.Store(took)
	if e.spun.Load() && took <= int64(tooLong) {
		misses := e.misses.Add(1)
		e.next.Store(now + int64(min(triesFirst<<min(max(misses-forgiven-1, 0), 10), triesLast)))
	}
}

const (
	BackOffRounds = 128     // some 5 us
	backOffFirst  = 512     // of so many waits one holds off, to see whether there is a stream,
	backOffLast   = 1 << 14 // and of ever more, up to this, while there is none
	BackOffGain   = 8       // a stream has so many more messages in that time
)

// BackOff says whether a receiver should hold off.
func (e *Spinner) BackOff() bool {
	if atomic.LoadUint64(&e.stream) != 0 {
		return true
	}
	left := atomic.LoadUint64(&e.left)
	if left == 0 {
		StoreOwn(&e.left, max(atomic.LoadUint64(&e.trial), backOffFirst))
		return true
	}
	StoreOwn(&e.left, left-1)
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
