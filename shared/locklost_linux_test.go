package shared

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

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

var bellWaiter = ipctest.Register("bell waiter", func(c *ipctest.ChildEnv) {
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

// Whoever an unlock has woken may be killed before it has taken the lock. The others that
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
	v := r.view.Load()
	mustNot(t, m.Lock(ctx))
	tid := (*node)(v.at(m.offset)).word
	first := ipctest.Start(t, lockSleeper, nil, strconv.Itoa(int(key)))
	first.Expect("there")
	sleeps := func(number int, args [3]uint64) bool {
		return number == unix.SYS_FUTEX_WAITV || number == unix.SYS_FUTEX && uint32(args[2]) == tid|futexWaiters
	}
	mustNot(t, untilInCall(ctx, first.PID, sleeps))
	for range 2 { // the kernel tells the first one, and that one, when it has looked, the second
		other := ipctest.Start(t, bellWaiter, nil, strconv.Itoa(int(key)))
		other.Expect("there")
		mustNot(t, untilInCall(ctx, other.PID, sleeps))
	}
	second := ipctest.Start(t, lockWaiter, nil, strconv.Itoa(int(key)))
	second.Expect("there")
	mustNot(t, untilInCall(ctx, second.PID, sleeps))
	mustNot(t, m.Unlock())
	first.Expect("woken")
	first.Kill()
	second.Expect("locked")
	s := v.slot(r.plan, 1)
	for atomic.LoadUint32(&s.life.word) != 0 && ctx.Err() == nil { // until it is reaped
		runtime.Gosched()
	}
	if atomic.LoadUint64(&s.asleep[0]) != 0 || atomic.LoadUint32(&s.many) != 0 {
		t.Errorf("slot 1 is left with %v", s.asleep)
	}
	second.Finish()
}

// untilInCall waits until a thread of a process is in a system call that is as wanted.
func untilInCall(ctx context.Context, pid int, wanted func(number int, args [3]uint64) bool) error {
	for ctx.Err() == nil {
		calls, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/syscall", pid))
		if err != nil {
			return err
		}
		for _, name := range calls {
			line, _ := os.ReadFile(name) // its thread may be gone, or run
			var number int
			var args [3]uint64
			if n, _ := fmt.Sscanf(string(line), "%d %v %v %v", &number, &args[0], &args[1], &args[2]); n == 4 && wanted(number, args) {
				return nil
			}
		}
	}
	return ctx.Err()
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
	if !r.wakeOthers(v, s) {
		t.Error("nobody slept")
	}
	s.forgetSleep()
	if s.many != 0 || s.asleep != [7]uint64{} {
		t.Errorf("left are %v", s.asleep)
	}
}
