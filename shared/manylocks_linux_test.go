package shared_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/sysvipc/sysvipc"
	"github.com/sysvipc/sysvipc/internal/ipctest"
	"github.com/sysvipc/sysvipc/shared"
)

const most = 4*2047 - 1 // locks that a process can hold, besides that of its slot

var hoarder = ipctest.Register("hoarder", func(c *ipctest.ChildEnv) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	key, err := sysvipc.ParseKey(c.Args[0])
	c.Check(err)
	r, err := shared.EnsureKey(ctx, key, &shared.Options{Entries: 16384})
	c.Check(err)
	var held []*shared.Mutex
	for i := range most {
		m, err := shared.MutexOf(r, fmt.Sprint(i))
		c.Check(err)
		if i%2 == 0 {
			c.Check(m.Lock(ctx))
		} else if ok, err := m.TryLock(); !ok || err != nil {
			c.Check(fmt.Errorf("lock %d: %v (%w)", i, ok, err))
		}
		held = append(held, m)
	}
	refused := func(what string, err error) {
		if err == nil || !strings.Contains(err.Error(), "holds 8188 locks") || errors.Is(err, context.DeadlineExceeded) {
			c.Check(fmt.Errorf("%s: got %w", what, err))
		}
	}
	_, err = shared.CounterOf(r, "counter")
	refused("declare", err)
	_, err = shared.OpenKey(ctx, key)
	refused("open", err)
	c.Check(held[most/2].Unlock())
	rw, err := shared.RWMutexOf(r, "rw")
	c.Check(err)
	c.Check(held[most/2].Lock(ctx))
	refused("write", rw.Lock(ctx))
	_, err = rw.TryLock()
	refused("try to write", err)
	c.Check(rw.RLock(ctx))
	c.Check(rw.RUnlock())
	for _, m := range held {
		c.Check(m.Unlock())
	}
	c.Check(rw.Lock(ctx))
	c.Check(rw.Unlock())
	c.Check(r.Close())
	c.Say("done")
})

// As many locks as the kernel looks after can be held, whatever lists they are in, and one
// more is an error.
func TestTooManyLocks(t *testing.T) {
	t.Parallel()
	p := ipctest.Start(t, hoarder, nil, sysvipc.Key(ipctest.Key(t)).String())
	p.Expect("done")
}

// A lock is the same for all that asked for it, so that any of them can give it back.
func TestLockIsOne(t *testing.T) {
	t.Parallel()
	ctx, r := t.Context(), ensure(t, ipctest.Key(t))
	a, err := shared.MutexOf(r, "m")
	mustDo(t, err, a.Lock(ctx))
	b, err := shared.MutexOf(r, "m")
	mustDo(t, err, b.Unlock(), b.Lock(ctx), a.Unlock())
	c, err := shared.RWMutexOf(r, "rw")
	mustDo(t, err, c.Lock(ctx))
	d, err := shared.RWMutexOf(r, "rw")
	mustDo(t, err, d.Unlock(), d.Lock(ctx), c.Unlock(), c.RLock(ctx), d.RUnlock())
}
