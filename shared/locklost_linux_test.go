package shared

import (
	"context"
	"runtime"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sysvipc/sysvipc"
	"github.com/sysvipc/sysvipc/internal/ipctest"
)

var lockSleeper = ipctest.Register("lock sleeper", func(c *ipctest.ChildEnv) {
	key, err := strconv.Atoi(c.Args[0])
	c.Check(err)
	r, err := EnsureKey(context.Background(), sysvipc.Key(key), nil)
	c.Check(err)
	m, err := MutexOf(r, "m")
	c.Check(err)
	v := r.view.Load()
	n := (*node)(v.at(m.offset))
	c.Say("there")
	// As lockNode does, but it is killed when it has been woken.
	r.sleepOnLock(v, n)
	for {
		word := atomic.LoadUint32(&n.word)
		if word&futexTIDMask == 0 {
			break
		}
		if atomic.CompareAndSwapUint32(&n.word, word, word|futexWaiters) {
			futexWait(&n.word, word|futexWaiters, 0)
		}
	}
	c.Say("woken")
	c.Listen()
})

// Whoever an unlock has woken may be killed before it has taken the lock. The others that
// sleep on it are not forgotten.
func TestLockWakeUpThatIsLost(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	key := ipctest.Key(t)
	open := func() (*Region, *Mutex) {
		r, err := EnsureKey(ctx, sysvipc.Key(key), nil)
		mustNot(t, err)
		t.Cleanup(func() { _ = r.Close() })
		m, err := MutexOf(r, "m")
		mustNot(t, err)
		return r, m
	}
	r, m := open()
	v := r.view.Load()
	asleep := func(slot int) {
		for atomic.LoadUint64(&v.slot(r.plan, slot).asleep[0]) == 0 {
			runtime.Gosched()
		}
		time.Sleep(5 * time.Millisecond) // it has said so, and now it falls asleep
	}
	mustNot(t, m.Lock(ctx))
	p := ipctest.Start(t, lockSleeper, nil, strconv.Itoa(int(key)))
	p.Expect("there")
	asleep(1)
	other, mine := open()
	got := make(chan error)
	go func() { got <- mine.Lock(ctx) }()
	asleep(other.slot)
	mustNot(t, m.Unlock())
	p.Expect("woken")
	p.Kill()
	mustNot(t, <-got, mine.Unlock())
	r.reapDead(v) // if nobody had to
	if s := v.slot(r.plan, 1); s.asleep[0] != 0 || s.many != 0 {
		t.Errorf("slot 1 is left with %v", s.asleep)
	}
}

// More locks than fit into the list.
func TestLockManySleepers(t *testing.T) {
	t.Parallel()
	r, err := EnsureKey(t.Context(), sysvipc.Key(ipctest.Key(t)), nil)
	mustNot(t, err)
	defer r.Close()
	var all []*Mutex
	done := make(chan error)
	for i := range 10 {
		m, err := MutexOf(r, strconv.Itoa(i))
		mustNot(t, err, m.Lock(t.Context()))
		all = append(all, m)
	}
	for i := range all {
		go func() {
			m, err := MutexOf(r, strconv.Itoa(i))
			if err == nil {
				err = m.Lock(context.Background())
			}
			if err == nil {
				err = m.Unlock()
			}
			done <- err
		}()
	}
	v := r.view.Load()
	s := v.slot(r.plan, r.slot)
	for atomic.LoadUint32(&s.many) == 0 {
		runtime.Gosched()
	}
	for _, m := range all {
		mustNot(t, m.Unlock())
	}
	for range all {
		mustNot(t, <-done)
	}
	r.wakeOthers(v, s)
	if s.many != 0 || s.asleep != [7]uint64{} {
		t.Errorf("left are %v", s.asleep)
	}
}
