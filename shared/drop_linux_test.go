package shared_test

import (
	"context"
	"errors"
	"io/fs"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sysvipc/sysvipc"
	"github.com/sysvipc/sysvipc/internal/ipctest"
	"github.com/sysvipc/sysvipc/shared"
)

// Who uses a structure that another removes gets ErrRemoved: those that wait, those that write and
// those that read. The name can have another type then, and what others use stays.
func TestDrop(t *testing.T) {
	t.Parallel()
	key := ipctest.Key(t)
	r, other := ensure(t, key), ensure(t, key)
	ctx := t.Context()
	removed := func(what string, err error) {
		t.Helper()
		if !errors.Is(err, sysvipc.ErrRemoved) {
			t.Errorf("%s: %v, want ErrRemoved", what, err)
		}
	}
	if err := other.Drop(ctx, "x"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("nothing of that name: %v", err)
	}
	stays, err := shared.CounterOf(r, "stays")
	mustDo(t, err)
	c, err := shared.ChanOf[int64](r, "c", 4)
	mustDo(t, err)
	m := mapOf[int64, int64](t, r, 3000)
	mustDo(t, m.Store(ctx, 1, 1))
	x, err := shared.VarOf[[3]int64](r, "x")
	mustDo(t, err)
	word, err := shared.VarOf[int32](r, "word")
	mustDo(t, err)
	d, err := shared.DocOf[[]int](r, "d", 100)
	mustDo(t, err)
	p, err := shared.TopicOf[int64](r, "p", 4)
	mustDo(t, err)
	q, err := shared.RecordsOf(r, "q", 256)
	mustDo(t, err)
	s, err := p.Subscribe(shared.Gated)
	mustDo(t, err)
	var waiters sync.WaitGroup
	ends := func(what string, wait func() error) { waiters.Go(func() { removed(what, wait()) }) }
	ends("Receive", func() error { _, err := c.Receive(ctx); return err })
	ends("Next", func() error { _, _, err := s.Next(ctx); return err })
	ends("Records.Receive", func() error { _, err := q.Receive(ctx, nil); return err })
	watched := make(chan bool)
	ends("Watch", func() error {
		first := true
		for _, err := range m.WatchAll(ctx) {
			if err != nil {
				return err
			}
			if first {
				first = false
				close(watched)
			}
		}
		return nil
	})
	<-watched
	for _, name := range []string{"c", "m", "x", "word", "d", "p", "q"} {
		mustDo(t, other.Drop(ctx, name))
	}
	waiters.Wait()
	removed("Send", c.Send(ctx, 1))
	removed("Map.Store", m.Store(ctx, 1, 2))
	_, _, err = m.Load(1)
	removed("Map.Load", err)
	removed("Var.Store", x.Store(ctx, [3]int64{}))
	_, err = x.Load()
	removed("Var.Load", err)
	removed("Var.Store of a word", word.Store(ctx, 1))
	removed("Doc.Store", d.Store(ctx, nil))
	removed("Publish", p.Publish(ctx, 1))
	removed("Records.Send", q.Send(ctx, []byte("a")))
	if n, err := stays.Add(1); n != 1 || err != nil {
		t.Errorf("what was not removed: %d, %v", n, err)
	}
	again, err := shared.VarOf[[5]uint8](r, "c")
	mustDo(t, err)
	mustDo(t, again.Store(ctx, [5]uint8{1}))
	if v, err := again.Load(); v != [5]uint8{1} || err != nil {
		t.Errorf("%v, %v", v, err)
	}
}

// A lock that is held cannot be removed; one whose holder does not live can.
func TestDropHeld(t *testing.T) {
	t.Parallel()
	key := ipctest.Key(t)
	r, other := ensure(t, key), ensure(t, key)
	ctx := t.Context()
	m, err := shared.MutexOf(r, "m")
	mustDo(t, err)
	rw, err := shared.RWMutexOf(r, "rw")
	mustDo(t, err)
	refused := func(name string) {
		t.Helper()
		if err := other.Drop(ctx, name); err == nil {
			t.Errorf("%s was removed while it was held", name)
		}
	}
	mustDo(t, m.Lock(ctx))
	refused("m")
	mustDo(t, m.Unlock())
	mustDo(t, rw.Lock(ctx))
	refused("rw")
	mustDo(t, rw.Unlock())
	mustDo(t, rw.RLock(ctx))
	refused("rw")
	mustDo(t, rw.RUnlock())
	mustDo(t, rw.RLock(ctx)) // readers may come again
	mustDo(t, rw.RUnlock())
	for _, name := range []string{"m", "rw"} {
		mustDo(t, other.Drop(ctx, name))
	}
	for what, err := range map[string]error{"Lock": m.Lock(ctx), "RWMutex.Lock": rw.Lock(ctx), "RLock": rw.RLock(ctx)} {
		if !errors.Is(err, sysvipc.ErrRemoved) {
			t.Errorf("%s: %v, want ErrRemoved", what, err)
		}
	}
}

// The room of what was removed is used again, also for larger structures, and while others have
// the region open that used it.
func TestDropGivesRoom(t *testing.T) {
	t.Parallel()
	key := ipctest.Key(t)
	opts := &shared.Options{Size: 256 << 10, Participants: 4, Entries: 8}
	open := func() *shared.Region {
		r, err := shared.EnsureKey(context.Background(), sysvipc.Key(key), opts)
		mustDo(t, err)
		t.Cleanup(func() { _ = r.Close() })
		return r
	}
	r, other := open(), open()
	ctx := t.Context()
	for i := range 20 {
		// The room of each tenth one is that of several others.
		capacity := 1000 + i
		if i%10 == 9 {
			capacity = 3400
		}
		c, err := shared.ChanOf[int64](r, "c", 512)
		mustDo(t, err)
		mustDo(t, c.Send(ctx, int64(i)))
		m, err := shared.MapOf[int64, int64](other, "m", capacity)
		if err != nil {
			t.Fatalf("round %d: %v", i, err)
		}
		if n, err := m.Len(); n != 0 || err != nil {
			t.Fatalf("a new map has %d entries, %v", n, err)
		}
		mustDo(t, m.Store(ctx, 1, 1))
		mustDo(t, r.Drop(ctx, "c"))
		mustDo(t, r.Drop(ctx, "m"))
		if err := c.Send(ctx, 1); !errors.Is(err, sysvipc.ErrRemoved) {
			t.Fatal(err)
		}
	}
}

// A process that has the segment attached and takes no part, as a C program may that uses a var, writes to what
// it found for as long as it likes: nothing else lies there until it has detached.
func TestDropKeepsRoomForOutsiders(t *testing.T) {
	t.Parallel()
	r, err := shared.EnsureKey(t.Context(), sysvipc.Key(ipctest.Key(t)), &shared.Options{Size: 256 << 10, Participants: 4, Entries: 8})
	mustDo(t, err)
	t.Cleanup(func() { _ = r.Close() })
	outsider, err := r.Segment().Attach(nil)
	mustDo(t, err)
	const most = 3400 // of which the region has room for one
	m, err := shared.MapOf[int64, int64](r, "m", most)
	mustDo(t, err)
	mustDo(t, m.Store(t.Context(), 1, 1))
	mustDo(t, r.Drop(t.Context(), "m"))
	if _, err := shared.MapOf[int64, int64](r, "n", most); err == nil || !strings.Contains(err.Error(), "until others have detached it") {
		t.Fatalf("the room of a map is given away beside an outsider: %v", err)
	}
	mustDo(t, outsider.Close())
	_, err = shared.MapOf[int64, int64](r, "n", most)
	mustDo(t, err)
}

// A process that begins to wait at the moment of a removal learns of it, too.
func TestDropBesideWaits(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute) // which would wake a sleeper
	defer cancel()
	var all sync.WaitGroup
	for range 60 {
		key := ipctest.Key(t)
		r, other := ensure(t, key), ensure(t, key)
		c, err := shared.ChanOf[int64](r, "c", 4)
		mustDo(t, err)
		all.Go(func() { mustDo(t, other.Drop(ctx, "c")) })
		all.Go(func() {
			if _, err := c.Receive(ctx); !errors.Is(err, sysvipc.ErrRemoved) {
				t.Errorf("%v, want ErrRemoved", err)
				cancel()
			}
		})
	}
	all.Wait()
	if ctx.Err() != nil {
		t.Error("a receiver waits for what is not there any more")
	}
}
