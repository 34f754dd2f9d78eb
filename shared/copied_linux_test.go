package shared_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/sysvipc/sysvipc"
	"github.com/sysvipc/sysvipc/internal/ipctest"
	"github.com/sysvipc/sysvipc/shared"
	"github.com/sysvipc/sysvipc/shared/dynamic"
)

var busy = ipctest.Register("busy", func(c *ipctest.ChildEnv) {
	ctx := context.Background()
	key, err := sysvipc.ParseKey(c.Args[0])
	c.Check(err)
	r, err := shared.OpenKey(ctx, key)
	c.Check(err)
	m, err := shared.MutexOf(r, "mutex")
	c.Check(err)
	c.Check(m.Lock(ctx))
	rw, err := shared.RWMutexOf(r, "rwmutex")
	c.Check(err)
	c.Check(rw.RLock(ctx))
	ch, err := shared.ChanOf[int64](r, "chan", 2)
	c.Check(err)
	c.Check(ch.Send(ctx, 7))
	x, err := shared.VarOf[[9]int64](r, "var")
	c.Check(err)
	c.Check(ch.Handle(ctx, func(int64) error {
		return x.Update(ctx, func(*[9]int64) {
			c.Say("busy")
			c.Listen() // until it is killed
		})
	}))
})

// In a copy of a region its users count as killed, and in the original they do not.
func TestRegionCopied(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	key, other := sysvipc.Key(ipctest.Key(t)), sysvipc.Key(ipctest.Key(t))
	opts := &shared.Options{Size: 1 << 20, Participants: 8}
	r, err := shared.EnsureKey(ctx, key, opts)
	mustDo(t, err)
	defer r.Close()
	p := ipctest.Start(t, busy, nil, key.String())
	p.Expect("busy")

	mem, err := r.Segment().Attach(nil)
	mustDo(t, err)
	image := make([]byte, mem.Len())
	_, err = mem.ReadAt(image, 0)
	mustDo(t, err, mem.Close())
	seg, err := sysvipc.CreateSegment(other, int64(len(image)), 0o600)
	mustDo(t, err)
	mem, err = seg.Attach(nil)
	mustDo(t, err)
	_, err = mem.WriteAt(image, 0)
	mustDo(t, err, mem.Close())

	o, err := dynamic.Look(seg)
	mustDo(t, err)
	all, err := o.Participants()
	mustDo(t, err, o.Close())
	for _, q := range all {
		if q.Alive {
			t.Errorf("before it is opened %v lives", q)
		}
	}
	twin, err := shared.OpenKey(ctx, other)
	mustDo(t, err)
	defer twin.Close()
	if all, err := twin.Participants(); len(all) != 1 || err != nil {
		t.Errorf("participants: %v (%v)", all, err)
	}
	m, err := shared.MutexOf(twin, "mutex")
	mustDo(t, err)
	if err := m.Lock(ctx); !errors.Is(err, shared.ErrOwnerDied) {
		t.Errorf("lock: %v", err)
	}
	mustDo(t, m.MarkConsistent())
	rw, err := shared.RWMutexOf(twin, "rwmutex")
	mustDo(t, err, rw.Lock(ctx), rw.Unlock())
	ch, err := shared.ChanOf[int64](twin, "chan", 2)
	mustDo(t, err)
	if v, err := ch.Receive(ctx); v != 7 || err != nil {
		t.Errorf("receive: %d (%v)", v, err)
	}
	x, err := shared.VarOf[[9]int64](twin, "var")
	mustDo(t, err, x.Store(ctx, [9]int64{1}))

	// The next finds the first, who lives.
	third, err := shared.OpenKey(ctx, other)
	mustDo(t, err)
	defer third.Close()
	m3, err := shared.MutexOf(third, "mutex")
	mustDo(t, err)
	mustTry(t, false, m3.TryLock)
	mustDo(t, m.Unlock())
	mustTry(t, true, m3.TryLock)
	mustDo(t, m3.Unlock())

	// The original is as it was.
	if m, err = shared.MutexOf(r, "mutex"); err != nil {
		t.Fatal(err)
	}
	mustTry(t, false, m.TryLock)
	if all, err := r.Participants(); len(all) != 2 || err != nil {
		t.Errorf("participants of the original: %v (%v)", all, err)
	}
}
