package shared

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sysvipc/sysvipc"
	"github.com/sysvipc/sysvipc/internal/ipctest"
	"github.com/sysvipc/sysvipc/shared/internal/core"
)

// waits are all that can wait in a region. None of them ends by itself.
var waits = map[string]func(ctx context.Context, r *Region) error{
	"mutex": func(ctx context.Context, r *Region) error {
		m, err := MutexOf(r, "held")
		return errors.Join(err, m.Lock(ctx))
	},
	"rwmutex": func(ctx context.Context, r *Region) error {
		m, err := RWMutexOf(r, "read")
		return errors.Join(err, m.Lock(ctx))
	},
	"rwmutex for reading": func(ctx context.Context, r *Region) error {
		m, err := RWMutexOf(r, "written")
		return errors.Join(err, m.RLock(ctx))
	},
	"counter": func(ctx context.Context, r *Region) error {
		c, err := CounterOf(r, "n")
		for _, err := range c.Watch(ctx) {
			if err != nil {
				return err
			}
		}
		return err
	},
	"var": func(ctx context.Context, r *Region) error {
		x, err := VarOf[pair](r, "x")
		for _, err := range x.Watch(ctx) {
			if err != nil {
				return err
			}
		}
		return err
	},
	"doc": func(ctx context.Context, r *Region) error {
		x, err := DocOf[int](r, "d", 64)
		for _, err := range x.Watch(ctx) {
			if err != nil {
				return err
			}
		}
		return err
	},
	"map": func(ctx context.Context, r *Region) error {
		x, err := MapOf[int64, int64](r, "m", 8)
		for _, err := range x.Watch(ctx, 1) {
			if err != nil {
				return err
			}
		}
		return err
	},
	"chan": func(ctx context.Context, r *Region) error {
		c, err := ChanOf[int64](r, "empty", 4)
		if err == nil {
			_, err = c.Receive(ctx)
		}
		return err
	},
	"full chan": func(ctx context.Context, r *Region) error {
		c, err := ChanOf[int64](r, "full", 1)
		for err == nil {
			err = c.Send(ctx, 1)
		}
		return err
	},
	"records": func(ctx context.Context, r *Region) error {
		q, err := RecordsOf(r, "q", 128)
		if err == nil {
			_, err = q.Receive(ctx, nil)
		}
		return err
	},
	"topic": func(ctx context.Context, r *Region) error {
		tp, err := TopicOf[int64](r, "t", 4)
		mustOK(err)
		s, err := tp.Subscribe(Lossy)
		if err == nil {
			_, _, err = s.Next(ctx)
		}
		return err
	},
	"gated topic": func(ctx context.Context, r *Region) error {
		tp, err := TopicOf[int64](r, "gated", 4)
		mustOK(err)
		_, err = tp.Subscribe(Gated)
		for err == nil {
			err = tp.Publish(ctx, 1)
		}
		return err
	},
}

func mustOK(err error) {
	if err != nil {
		panic(err)
	}
}

var removedUser = ipctest.Register("removed user", func(c *ipctest.ChildEnv) {
	ctx := context.Background()
	r, err := openIt(ctx, c.Args[0])
	c.Check(err)
	done := make(chan error)
	for name, wait := range waits {
		go func() {
			if err := wait(ctx, r); !errors.Is(err, sysvipc.ErrRemoved) {
				c.Fatal(name, err)
			}
			done <- nil
		}()
	}
	for !allWait(r) {
		runtime.Gosched()
	}
	c.Say("waits")
	for range waits {
		<-done
	}
	c.Say("told")
	// Whatever is done from here on says the same.
	_, err = CounterOf(r, "n")
	if !errors.Is(err, sysvipc.ErrRemoved) {
		c.Fatal(err)
	}
	c.Check(r.Close())
	if err := r.Close(); !errors.Is(err, fs.ErrClosed) {
		c.Fatal(err)
	}
	if core.OpenRegions.Stop != nil {
		c.Fatal("a goroutine is left")
	}
	c.Say("closed")
	c.Listen()
})

// allWait reports whether those of waits sleep.
func allWait(r *Region) bool {
	core.Of(r).Waker.Mu.Lock()
	defer core.Of(r).Waker.Mu.Unlock()
	core.Of(r).Sleepers.Mu.Lock()
	defer core.Of(r).Sleepers.Mu.Unlock()
	n := len(core.Of(r).Sleepers.Cancel)
	for _, all := range core.Of(r).Waker.Waiters {
		n += len(all)
	}
	return n == len(waits)
}

// openIt opens the region with this key, or in this file.
func openIt(ctx context.Context, at string) (*Region, error) {
	if key, err := strconv.Atoi(at); err == nil {
		return EnsureKey(ctx, sysvipc.Key(key), smallFile)
	}
	return EnsureFile(ctx, at, smallFile)
}

// All waiters in a region that is removed get ErrRemoved, and so do later callers, whichever process
// removed it.
func TestRemovedIsNoticed(t *testing.T) {
	t.Parallel()
	for _, how := range []string{"Remove", "ipcrm", "Remove of a file", "rm of a file"} {
		t.Run(how, func(t *testing.T) {
			t.Parallel()
			at := strconv.Itoa(int(ipctest.Key(t)))
			if how == "Remove of a file" || how == "rm of a file" {
				at = filepath.Join(t.TempDir(), "region")
			}
			r, err := openIt(t.Context(), at)
			mustNot(t, err)
			held, err1 := MutexOf(r, "held")
			read, err2 := RWMutexOf(r, "read")
			written, err3 := RWMutexOf(r, "written")
			mustNot(t, err1, err2, err3, held.Lock(t.Context()), read.RLock(t.Context()), written.Lock(t.Context()))
			n, err := CounterOf(r, "n")
			mustNot(t, err)
			p := ipctest.Start(t, removedUser, nil, at)
			p.Expect("waits")
			start := time.Now()
			switch how {
			case "ipcrm":
				mustNot(t, sysvipc.SegmentByID(r.Segment().ID()).Remove())
			case "rm of a file":
				mustNot(t, os.Remove(at))
			default:
				mustNot(t, r.Remove())
				if _, err := n.Load(); !errors.Is(err, sysvipc.ErrRemoved) {
					t.Errorf("after Remove: %v", err)
				}
			}
			p.Expect("told")
			t.Logf("after %v", time.Since(start))
			p.Expect("closed")
			for err == nil {
				_, err = n.Add(1) // does not wait, and fails too
			}
			if !errors.Is(err, sysvipc.ErrRemoved) {
				t.Errorf("got %v", err)
			}
			mustNot(t, held.Unlock(), read.RUnlock(), written.Unlock()) // what is held can be given back
			again, err := openIt(t.Context(), at)
			mustNot(t, err)
			if core.Of(again).Config.Nonce == core.Of(r).Config.Nonce {
				t.Error("it is the old region")
			}
			mustNot(t, r.Close(), again.Remove(), again.Close())
		})
	}
}

// A header that says it was removed makes nobody believe it.
func TestRemovedIsNotBelieved(t *testing.T) {
	t.Parallel()
	r, err := EnsureKey(t.Context(), sysvipc.Key(ipctest.Key(t)), smallFile)
	mustNot(t, err)
	defer r.Close()
	c, err := ChanOf[int64](r, "c", 4)
	mustNot(t, err)
	got := make(chan error)
	go func() {
		_, err := c.Receive(t.Context())
		got <- err
	}()
	for len(core.Of(r).Waker.Lead) > 0 {
		runtime.Gosched()
	}
	v := core.Of(r).View.Load()
	alarms := atomic.LoadUint64(&v.Header().Wakes)
	atomic.StoreUint32(&v.Header().Removed, 1)
	core.Of(r).WakeAll(v)
	for range 100 {
		core.Of(r).CheckRemoved(v)
	}
	if atomic.LoadUint64(&v.Header().Wakes) == alarms {
		t.Error("no alarm")
	}
	mustNot(t, c.Send(t.Context(), 1), <-got)
}

// A region that is removed between two steps of opening it is not joined.
func TestRemovedIsNotJoined(t *testing.T) {
	t.Parallel()
	r, err := EnsureKey(t.Context(), sysvipc.Key(ipctest.Key(t)), smallFile)
	mustNot(t, err)
	defer r.Close()
	mustNot(t, r.Segment().Remove())
	if other, err := Join(t.Context(), r.Segment()); !errors.Is(err, sysvipc.ErrRemoved) {
		t.Errorf("got %v, %v", other, err)
	}
}
