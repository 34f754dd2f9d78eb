package core

import (
	"testing"
	"time"
)

// A wait spins for about as long as waits take of late; hardly any more where that is in vain, and again
// soon after it is of use again.
func TestSpinner(t *testing.T) {
	t.Parallel()
	var e Spinner
	now := int64(time.Hour)
	// wait is a wait that begins now, and spins for as long as it may.
	wait := func() time.Duration {
		spins := e.budget(now)
		now += spins
		e.spun.Store(spins > 0)
		e.asleep.Store(now)
		return time.Duration(spins)
	}
	sleep := func(d time.Duration) {
		now += int64(d)
		e.sleptUntil(now)
	}
	wait()
	sleep(20 * time.Microsecond)
	if got := wait(); got < 30*time.Microsecond || got > 40*time.Microsecond {
		t.Errorf("spins %v where a wait has slept for 20 us", got)
	}
	sleep(20 * time.Microsecond)

	var spun, all time.Duration
	for range 10_000 {
		spins := wait()
		spun, all = spun+spins, all+spins+20*time.Microsecond
		sleep(20 * time.Microsecond)
	}
	if spun > all/20 {
		t.Errorf("spins for %v of %v, in vain", spun, all)
	}
	begin := now
	for wait() == 0 {
		sleep(20 * time.Microsecond)
	}
	if took := time.Duration(now - begin); took > 5*time.Millisecond {
		t.Errorf("tries it again after %v", took)
	}
	e.Hit(&Spell{})
	if got := wait(); got < 4*time.Microsecond {
		t.Errorf("spins %v after a hit", got)
	}

	sleep(time.Second)
	for range 3 { // waits of a parked process
		if got := wait(); got != 0 {
			t.Errorf("spins %v where waits take a second", got)
		}
		sleep(time.Second)
	}
	wait()
	sleep(10 * time.Microsecond)
	if got := wait(); got < 10*time.Microsecond {
		t.Errorf("spins %v after an idle second and a short wait", got)
	}
}
