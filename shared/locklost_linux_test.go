package shared

import (
	"context"
	"runtime"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/sysvipc/sysvipc"
	"github.com/sysvipc/sysvipc/internal/ipctest"
	"github.com/sysvipc/sysvipc/shared/internal/core"
)

var lockSleeper = ipctest.Register("lock sleeper", func(c *ipctest.ChildEnv) {
	key, err := strconv.Atoi(c.Args[0])
	c.Check(err)
	r, err := EnsureKey(context.Background(), sysvipc.Key(key), nil)
	c.Check(err)
	m, err := MutexOf(r, "m")
	c.Check(err)
	v := core.Of(r).View.Load()
	n := (*core.Node)(v.At(m.lock.Offset))
	c.Say("there")
	// As lockNode does, but it is killed when it has been woken.
	core.Of(r).SleepOnLock(v, n)
	for {
		word := atomic.LoadUint32(&n.Word)
		if word&core.TIDMask == 0 {
			break
		}
		if atomic.CompareAndSwapUint32(&n.Word, word, word|core.Waiters) {
			core.FutexWait(&n.Word, word|core.Waiters, 0)
		}
	}
	c.Say("woken")
	c.Listen()
})

var lockWaiter = ipctest.Register("lock waiter", func(c *ipctest.ChildEnv) {
	key, err := strconv.Atoi(c.Args[0])
	c.Check(err)
	r, err := EnsureKey(context.Background(), sysvipc.Key(key), nil)
	c.Check(err)
	m, err := MutexOf(r, "m")
	c.Check(err)
	c.Say("there")
	c.Check(m.Lock(context.Background()))
	c.Say("locked")
	c.Check(m.Unlock())
	c.Listen()
})

var wakeWaiter = ipctest.Register("wake waiter", func(c *ipctest.ChildEnv) {
	key, err := strconv.Atoi(c.Args[0])
	c.Check(err)
	r, err := EnsureKey(context.Background(), sysvipc.Key(key), nil)
	c.Check(err)
	ch, err := ChanOf[int64](r, "c", 1)
	c.Check(err)
	c.Say("there")
	_, err = ch.Receive(context.Background())
	c.Check(err)
})

// A waiter that an unlock has woken may be killed before it has taken the lock. The others that
// sleep on it are not forgotten, though the kernel tells others of the death, who were the
// first to watch over the dead one.
func TestLockWakeUpThatIsLost(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	key := ipctest.Key(t)
	r, err := EnsureKey(ctx, sysvipc.Key(key), nil)
	mustNot(t, err)
	defer r.Close()
	m, err := MutexOf(r, "m")
	mustNot(t, err)
	v := core.Of(r).View.Load()
	mustNot(t, m.Lock(ctx))
	tid := (*core.Node)(v.At(m.lock.Offset)).Word
	first := ipctest.Start(t, lockSleeper, nil, strconv.Itoa(int(key)))
	first.Expect("there")
	sleeps := func(number int, args [3]uint64) bool {
		return number == unix.SYS_FUTEX_WAITV || number == unix.SYS_FUTEX && uint32(args[2]) == tid|core.Waiters
	}
	mustNot(t, ipctest.UntilInCall(ctx, first.PID, sleeps))
	for range 2 { // the kernel tells the first one, and that one, when it has looked, the second
		other := ipctest.Start(t, wakeWaiter, nil, strconv.Itoa(int(key)))
		other.Expect("there")
		mustNot(t, ipctest.UntilInCall(ctx, other.PID, sleeps))
	}
	second := ipctest.Start(t, lockWaiter, nil, strconv.Itoa(int(key)))
	second.Expect("there")
	mustNot(t, ipctest.UntilInCall(ctx, second.PID, sleeps))
	mustNot(t, m.Unlock())
	first.Expect("woken")
	first.Kill()
	second.Expect("locked")
	s := v.Slot(core.Of(r).Plan, 1)
	for atomic.LoadUint32(&s.Life.Word) != 0 && ctx.Err() == nil { // until it is reaped
		runtime.Gosched()
	}
	if atomic.LoadUint64(&s.Asleep[0]) != 0 || atomic.LoadUint32(&s.Many) != 0 {
		t.Errorf("slot 1 is left with %v", s.Asleep)
	}
	second.Finish()
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
	v := core.Of(r).View.Load()
	s := v.Slot(core.Of(r).Plan, core.Of(r).Slot)
	for atomic.LoadUint32(&s.Many) == 0 {
		runtime.Gosched()
	}
	for _, m := range all {
		mustNot(t, m.Unlock())
	}
	for range all {
		mustNot(t, <-done)
	}
	if !core.Of(r).WakeOthers(v, s) {
		t.Error("nobody slept")
	}
	s.ForgetSleep()
	if s.Many != 0 || s.Asleep != [7]uint64{} {
		t.Errorf("left are %v", s.Asleep)
	}
}
