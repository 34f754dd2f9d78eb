package interop

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"syscall"
	"testing"
	"time"

	"github.com/sysvipc/sysvipc/internal/ipctest"
	"github.com/sysvipc/sysvipc/shared"
)

// untilCounted waits until the counter has grown by so many.
func (s *sharedRegion) untilCounted(t *testing.T, by int64) {
	t.Helper()
	before, err := s.count.Load()
	good(t, err)
	for limit := time.Now().Add(30 * time.Second); ; runtime.Gosched() {
		now, err := s.count.Load()
		if good(t, err); now > before+by {
			return
		}
		if time.Now().After(limit) {
			t.Fatal("nobody counts")
		}
	}
}

func TestSharedMap(t *testing.T) {
	t.Parallel()
	if !ipctest.Alone(t) {
		return
	}
	s, ctx := sharedTest(t), t.Context()
	p := startShared(t)
	p.begin("mapstore 1 1")
	p.fails(syscall.EACCES) // it has not joined
	p.do("join")
	for i := range int64(20) {
		good(t, s.pos.Store(ctx, sharedKey{uint8(i), int32(i)}, sharedMessage{N: i, More: [7]int64{6: i}}))
		p.do("mapstore %d %d", 1000+i, i)
	}
	for i := range int64(20) {
		equal(t, "in C", p.do("mapload %d", i), fmt.Sprint(i))
		v, ok, err := s.pos.Load(sharedKey{uint8(1000 + i), int32(1000 + i)})
		if good(t, err); !ok || v.N != i || v.More[6] != i {
			t.Fatalf("in Go: %v, %v", v, ok)
		}
	}
	p.begin("mapload 500")
	p.fails(syscall.ENOENT)
	for i := range int64(20) {
		p.do("mapdelete %d", i)
	}
	p.begin("mapdelete 0")
	p.fails(syscall.ENOENT)
	n, err := s.pos.Len()
	if n != 20 || err != nil {
		t.Errorf("%d entries are left (%v)", n, err)
	}

	// What C stores and deletes wakes who watches.
	var seen []string
	for v, err := range s.pos.Watch(ctx, sharedKey{7, 7}) {
		good(t, err)
		if v == nil {
			seen = append(seen, "none")
		} else {
			seen = append(seen, fmt.Sprint(v.N))
		}
		switch len(seen) {
		case 1:
			p.do("mapstore 7 5")
		case 2:
			p.do("mapdelete 7")
		}
		if len(seen) == 3 {
			break
		}
	}
	equal(t, "seen", fmt.Sprint(seen), "[none 5 none]")

	// It is full for C when it is for Go.
	good(t, s.pos.Clear(ctx))
	for i := int64(0); ; i++ {
		err := s.pos.Store(ctx, sharedKey{0, int32(i + 100_000)}, sharedMessage{})
		if errors.Is(err, shared.ErrFull) {
			break
		}
		good(t, err)
	}
	p.begin("mapstore 7 5")
	p.fails(syscall.ENOSPC)

	p.do("detach")
	p.do("attach 4096") // SHM_RDONLY
	p.begin("mapload 7")
	p.fails(syscall.ENOENT)
	p.begin("mapstore 7 5")
	p.fails(syscall.EACCES)
}

// C writers are killed at any instant, again and again, while Go writes too: no entry is torn or twice there, no writer is
// stuck, and there is room for as many entries as before.
func TestSharedMapKilled(t *testing.T) {
	t.Parallel()
	if !ipctest.Alone(t) {
		return
	}
	s, ctx := sharedTest(t), t.Context()
	good(t, s.pos.Store(ctx, sharedKey{9, -9}, sharedMessage{N: 9, More: [7]int64{6: 9}}))
	churn := func(desk int) *peer {
		p := startShared(t)
		p.do("join")
		p.begin("churn %d", desk)
		return p
	}
	workers := []*peer{churn(0), churn(1), churn(2)}
	for range ipctest.Kills(12) {
		s.untilCounted(t, int64(rand.IntN(1000)))
		i := rand.IntN(len(workers))
		workers[i].kill()
		if rand.IntN(2) == 0 { // else C repairs, perhaps
			for i := range int32(50) {
				good(t, s.pos.Store(ctx, sharedKey{3, 8*i + 3}, sharedMessage{N: 1, More: [7]int64{6: 1}}))
			}
		}
		v, ok, err := s.pos.Load(sharedKey{9, -9})
		if good(t, err); !ok || v.N != 9 {
			t.Fatalf("an entry that nobody changes is %v, %v", v, ok)
		}
		_, err = s.Reap()
		good(t, err)
		workers[i] = churn(i)
	}
	for _, p := range workers {
		p.kill()
	}
	good(t, s.pos.Store(ctx, sharedKey{4, 4}, sharedMessage{}))
	_, err := s.Reap()
	good(t, err)
	found := map[sharedKey]bool{}
	for e, err := range s.pos.All(ctx) {
		good(t, err)
		if k := e.Key; found[k] || e.Value.N != e.Value.More[6] || k.Desk > 9 {
			t.Fatalf("got %+v, which was there before: %v", e, found[k])
		}
		found[e.Key] = true
	}
	n, err := s.pos.Len()
	if n != len(found) || err != nil {
		t.Errorf("%d entries are counted, %d are there (%v)", n, len(found), err)
	}
	for k := range found {
		if _, err := s.pos.Delete(ctx, k); err != nil {
			t.Fatal(err)
		}
	}
	filled := 0
	for ; ; filled++ {
		if err := s.pos.Store(ctx, sharedKey{0, int32(filled)}, sharedMessage{}); err != nil {
			if !errors.Is(err, shared.ErrFull) {
				t.Fatal(err)
			}
			break
		}
	}
	if filled < 2900 {
		t.Errorf("there is room for %d entries, want some 3,000", filled)
	}
}

func TestSharedTopic(t *testing.T) {
	t.Parallel()
	if !ipctest.Alone(t) {
		return
	}
	s, ctx := sharedTest(t), t.Context()
	p := startShared(t)
	p.do("subscribe 0")
	p.begin("next 0")
	p.fails(syscall.EAGAIN)
	p.begin("next 10")
	p.fails(syscall.EACCES) // it has not joined
	p.begin("publish 0 1")
	p.fails(syscall.EACCES)
	p.do("join")
	p.begin("next 10")
	p.fails(syscall.ETIMEDOUT)
	tick := func(n int64) {
		t.Helper()
		good(t, s.ticks.Publish(ctx, sharedMessage{N: n, More: [7]int64{6: n}}))
	}
	for n := range int64(20) {
		p.begin("next -1")
		tick(n)
		equal(t, "what came", p.end(), fmt.Sprint(n))
	}

	// It is overrun, and goes on halfway.
	for n := range int64(100) {
		tick(n)
	}
	equal(t, "after an overrun", p.do("next 0"), "68")

	// C publishes to Go, which loses nothing.
	sub, err := s.ticks.Subscribe(shared.Gated)
	good(t, err)
	p.begin("publish 0 1000")
	for n := range int64(1000) {
		m, lost, err := sub.Next(ctx)
		if good(t, err); m.N != n || m.More[6] != n || lost != 0 {
			t.Fatalf("got %v, want %d; %d lost", m, n, lost)
		}
	}
	p.end()
	for n := range 64 {
		p.do("trypublish %d 0", n)
	}
	p.begin("trypublish 64 0")
	p.fails(syscall.EAGAIN)
	p.begin("trypublish 64 10")
	p.fails(syscall.ETIMEDOUT)
	good(t, sub.Close())
	p.do("trypublish 64 -1")

	// Go and C publish to C, which loses nothing; when it ends its subscription, or is killed, publishers go on.
	p.do("unsubscribe")
	p.do("subscribe 1")
	other := joined(t)
	p.begin("follow 0 -7")
	other.begin("publish 0 500")
	for range 500 {
		tick(1)
	}
	other.end()
	tick(-7)
	equal(t, "followed", p.end(), fmt.Sprint(1001, 500*499/2+500-7, 0, 0))
	p.do("unsubscribe")
	p.do("subscribe 1")
	for n := range 64 {
		other.do("trypublish %d 0", n)
	}
	other.begin("trypublish 64 -1")
	untilWaiting(t, other)
	p.kill()
	other.end()
	other.do("subscribe 1")
	other.begin("detach")
	other.fails(syscall.EBUSY)
	other.do("unsubscribe")
	other.do("detach")
}

// A C publisher is killed at any instant, again and again: what arrives is whole and in order, nobody is stuck, and a gated
// subscriber in Go loses nothing.
func TestSharedTopicKilled(t *testing.T) {
	t.Parallel()
	if !ipctest.Alone(t) {
		return
	}
	s, ctx := sharedTest(t), t.Context()
	sub, err := s.ticks.Subscribe(shared.Gated)
	good(t, err)
	next := int64(0)
	for round := range int64(8) {
		p := joined(t)
		p.begin("publish %d %d", next, int64(1)<<40)
		for end := next + 1 + round*37; next < end; next++ {
			m, lost, err := sub.Next(ctx)
			if good(t, err); m.N != next || m.More[6] != next || lost != 0 {
				t.Fatalf("round %d: got %v, want %d; %d lost", round, m, next, lost)
			}
		}
		p.kill()
		_, err := s.Reap()
		good(t, err)
		published, err := s.ticks.Published()
		for good(t, err); next < int64(published); next++ {
			m, lost, err := sub.Next(ctx)
			if good(t, err); m.N != next || m.More[6] != next || lost != 0 {
				t.Fatalf("round %d, after the kill: got %v, want %d; %d lost", round, m, next, lost)
			}
		}
	}
	good(t, sub.Close())
}
