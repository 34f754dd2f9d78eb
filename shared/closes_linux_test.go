package shared

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"runtime"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"
	"unsafe"

	"github.com/sysvipc/sysvipc"
	"github.com/sysvipc/sysvipc/internal/ipctest"
	"github.com/sysvipc/sysvipc/shared/internal/core"
)

// closer is what goroutines do in a region that is closed under them. Work does one structure in
// the region that is closed and returns whether it was done; its error is that of Close, or
// nil. Sum returns how many were done, as those see it who have the region open all the time.
type closer struct {
	name string
	work func(t *testing.T, stays, closes *Region) (work func() (done int64, err error))
	sum  func(t *testing.T, stays *Region) int64
}

type pair struct{ A, B int64 }

func declared[T any](t *testing.T) func(T, error) T {
	return func(x T, err error) T {
		t.Helper()
		if err != nil {
			t.Error(err)
			panic(err) // on a goroutine of the test's own
		}
		return x
	}
}

// closers drain what they sum up, so that each is asked once for each close.
var closers = []closer{
	{"counter", func(t *testing.T, _, r *Region) func() (int64, error) {
		c := declared[*Counter](t)(CounterOf(r, "n"))
		return func() (int64, error) {
			n, err := c.Add(1)
			if err == nil && n < 1 || err != nil && n != 0 {
				t.Errorf("Add says %d (%v)", n, err)
			}
			if err != nil {
				return 0, err
			}
			return 1, nil
		}
	}, sumCounter},
	{"counter by compare-and-swap", func(t *testing.T, _, r *Region) func() (int64, error) {
		c := declared[*Counter](t)(CounterOf(r, "n2")) // which is never 0
		return func() (int64, error) {
			old, err := c.Load()
			if err != nil {
				return 0, err
			}
			if old == 0 {
				t.Error("Load says 0 of what is not")
			}
			swapped, err := c.CompareAndSwap(old, old+1)
			if !swapped || err != nil {
				return 0, err
			}
			return 1, nil
		}
	}, func(t *testing.T, r *Region) int64 {
		c := declared[*Counter](t)(CounterOf(r, "n2"))
		n := declared[int64](t)(c.Load())
		mustNot(t, c.Store(1000))
		return n - 1000
	}},
	{"var of a word", func(t *testing.T, _, r *Region) func() (int64, error) {
		x := declared[*Var[int64]](t)(VarOf[int64](r, "x"))
		return once(func() error { return x.Update(t.Context(), func(n *int64) { *n++ }) })
	}, func(t *testing.T, r *Region) int64 {
		x := declared[*Var[int64]](t)(VarOf[int64](r, "x"))
		n := declared[int64](t)(x.Load())
		mustNot(t, x.Store(t.Context(), 0))
		return n
	}},
	{"var of cells", func(t *testing.T, _, r *Region) func() (int64, error) {
		x := declared[*Var[pair]](t)(VarOf[pair](r, "y"))
		return once(func() error { return x.Update(t.Context(), func(p *pair) { p.A++; p.B-- }) })
	}, sumPair},
	{"var without its type", func(t *testing.T, _, r *Region) func() (int64, error) {
		x := declared[*Var[pair]](t)(VarOf[pair](r, "y"))
		return once(func() error {
			return x.value.UpdateBytes(t.Context(), func(b []byte) error {
				p := (*pair)(unsafe.Pointer(unsafe.SliceData(b))) // of whole words
				p.A++
				p.B--
				return nil
			})
		})
	}, sumPair},
	{"doc", func(t *testing.T, _, r *Region) func() (int64, error) {
		d := declared[*Doc[int64]](t)(DocOf[int64](r, "d", 64))
		return once(func() error {
			return d.Update(t.Context(), func(n *int64) error { *n++; return nil })
		})
	}, func(t *testing.T, r *Region) int64 {
		d := declared[*Doc[int64]](t)(DocOf[int64](r, "d", 64))
		n := declared[int64](t)(d.Load())
		mustNot(t, d.Store(t.Context(), 0))
		return n
	}},
	{"map", func(t *testing.T, _, r *Region) func() (int64, error) {
		m := declared[*Map[int64, int64]](t)(MapOf[int64, int64](r, "m", 100))
		k := int64(0)
		return func() (int64, error) {
			k = (k + 1) % 10
			if k == 9 { // an entry that comes and goes changes nothing
				if err := m.Store(t.Context(), -1, 0); err != nil {
					return 0, err
				}
				_, err := m.Delete(t.Context(), -1)
				return 0, err
			}
			return once(func() error {
				return m.Update(t.Context(), k, func(n *int64, _ bool) Action { *n++; return Store })
			})()
		}
	}, func(t *testing.T, r *Region) (sum int64) {
		m := declared[*Map[int64, int64]](t)(MapOf[int64, int64](r, "m", 100))
		for e, err := range m.All(t.Context()) {
			mustNot(t, err)
			sum += e.Value
		}
		for k := range int64(9) {
			declared[bool](t)(m.Delete(t.Context(), k))
		}
		return sum
	}},
	{"chan", func(t *testing.T, stays, r *Region) func() (int64, error) {
		c := declared[*Chan[int64]](t)(ChanOf[int64](r, "c", 64))
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		some := make([]int64, 5)
		i := 0
		return func() (int64, error) {
			i++
			switch i % 5 {
			case 0:
				n, err := c.SendBatch(ctx, []int64{1, 1, 1})
				return int64(n), notFull(err)
			case 1:
				n, err := c.ReceiveBatch(ctx, some)
				return -int64(n), notFull(err)
			case 2:
				err := c.Handle(ctx, func(m int64) error {
					if m != 1 {
						t.Errorf("Handle got %d", m)
					}
					return nil
				})
				if err != nil {
					return 0, notFull(err)
				}
				return -1, nil
			case 3:
				m, ok, err := c.TryReceive()
				if ok && m != 1 {
					t.Errorf("TryReceive got %d", m)
				}
				if !ok {
					return 0, err
				}
				return -1, err
			}
			ok, err := c.TrySend(1)
			if !ok {
				return 0, err
			}
			return 1, err
		}
	}, func(t *testing.T, r *Region) (sum int64) {
		c := declared[*Chan[int64]](t)(ChanOf[int64](r, "c", 64))
		for {
			m, ok, err := c.TryReceive()
			if err != nil || !ok {
				mustNot(t, err)
				return sum
			}
			sum += m
		}
	}},
	{"records", func(t *testing.T, _, r *Region) func() (int64, error) {
		q := declared[*Records](t)(RecordsOf(r, "q", 4096))
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		i := 0
		return func() (int64, error) {
			if i++; i%3 == 2 {
				b, err := q.Receive(ctx, nil)
				if err != nil {
					return 0, notFull(err)
				}
				if string(b) != "text" {
					t.Errorf("got %q", b)
				}
				return -1, nil
			}
			if err := q.Send(ctx, []byte("text")); err != nil {
				return 0, notFull(err)
			}
			return 1, nil
		}
	}, func(t *testing.T, r *Region) (sum int64) {
		q := declared[*Records](t)(RecordsOf(r, "q", 4096))
		for n := declared[int](t)(q.Len()); n > 0; n-- {
			declared[[]byte](t)(q.Receive(t.Context(), nil))
			sum++
		}
		return sum
	}},
	{"topic", func(t *testing.T, _, r *Region) func() (int64, error) {
		tp := declared[*Topic[int64]](t)(TopicOf[int64](r, "t", 16))
		return func() (int64, error) {
			n, err := tp.PublishBatch(t.Context(), []int64{1, 2})
			if n == 2 {
				return 2, nil // what follows says it
			}
			return int64(n), err
		}
	}, func(t *testing.T, r *Region) int64 {
		tp := declared[*Topic[int64]](t)(TopicOf[int64](r, "t", 16))
		n := int64(declared[uint64](t)(tp.Published()))
		c := declared[*Counter](t)(CounterOf(r, "published before"))
		before := declared[int64](t)(c.Load())
		mustNot(t, c.Store(n))
		return n - before
	}},
	{"mutex", func(t *testing.T, stays, r *Region) func() (int64, error) {
		m := declared[*Mutex](t)(MutexOf(r, "mu"))
		x := declared[*Var[pair]](t)(VarOf[pair](stays, "y"))
		return func() (int64, error) {
			core.Rest(100) // else there is hardly an instant at which nobody holds it
			if err := m.Lock(t.Context()); err != nil {
				return 0, err
			}
			p := declared[pair](t)(x.Load()) // apart, so that the mutex is needed
			mustNot(t, x.Store(t.Context(), pair{p.A + 1, p.B - 1}), m.Unlock())
			return 1, nil
		}
	}, sumPair},
	{"rwmutex", func(t *testing.T, stays, r *Region) func() (int64, error) {
		m := declared[*RWMutex](t)(RWMutexOf(r, "rw"))
		x := declared[*Var[pair]](t)(VarOf[pair](stays, "y"))
		i := 0
		return func() (int64, error) {
			core.Rest(100)
			if i++; i%3 == 0 {
				if err := m.Lock(t.Context()); err != nil {
					return 0, err
				}
				p := declared[pair](t)(x.Load())
				mustNot(t, x.Store(t.Context(), pair{p.A + 1, p.B - 1}), m.Unlock())
				return 1, nil
			}
			if err := m.RLock(t.Context()); err != nil {
				return 0, err
			}
			before, after := declared[pair](t)(x.Load()), declared[pair](t)(x.Load())
			if before != after {
				t.Errorf("a writer beside a reader: %v, then %v", before, after)
			}
			mustNot(t, m.RUnlock())
			return 0, nil
		}
	}, sumPair},
}

func sumCounter(t *testing.T, r *Region) int64 {
	c := declared[*Counter](t)(CounterOf(r, "n"))
	n := declared[int64](t)(c.Load())
	mustNot(t, c.Store(0))
	return n
}

func sumPair(t *testing.T, r *Region) int64 {
	x := declared[*Var[pair]](t)(VarOf[pair](r, "y"))
	p := declared[pair](t)(x.Load())
	if p.A != -p.B {
		t.Errorf("a torn value: %v", p)
	}
	mustNot(t, x.Store(t.Context(), pair{}))
	return p.A
}

// notFull leaves out that there was no room, or nothing.
func notFull(err error) error {
	if errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}

// once makes a work of a call that is done if it says so.
func once(call func() error) func() (int64, error) {
	return func() (int64, error) {
		if err := call(); err != nil {
			return 0, err
		}
		return 1, nil
	}
}

// Beside a Close each operation is done and says so, or is not done and says fs.ErrClosed.
// The long form is run by hand:
//
//	SYSVIPC_CLOSES=50000 go test -timeout 1h -run TestCloses ./shared
func TestCloses(t *testing.T) {
	closes := 40
	if n, err := strconv.Atoi(os.Getenv("SYSVIPC_CLOSES")); err == nil {
		closes = n
	}
	for _, c := range closers {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			c.run(t, closes)
		})
	}
}

func (c *closer) run(t *testing.T, closes int) {
	key := sysvipc.Key(ipctest.Key(t))
	stays, err := EnsureKey(t.Context(), key, &Options{Size: 1 << 20, Participants: 8, Entries: 64})
	mustNot(t, err)
	defer stays.Close()
	c.work(t, stays, stays) // declares
	c.sum(t, stays)
	for i := range closes {
		r, err := OpenKey(t.Context(), key)
		mustNot(t, err)
		var workers sync.WaitGroup
		var dones [3]int64
		started := make(chan struct{}, 2*len(dones))
		for i := range dones {
			work := c.work(t, stays, r)
			workers.Go(func() {
				defer func() { started <- struct{}{} }()
				for n := 0; ; n++ {
					if n%8 == 0 {
						runtime.Gosched() // so that Close comes soon
					}
					done, err := work()
					dones[i] += done
					if errors.Is(err, fs.ErrClosed) {
						break
					}
					if err != nil {
						t.Error(err)
						break
					}
					if n == i {
						started <- struct{}{}
					}
				}
			})
		}
		for range dones {
			<-started
		}
		for begun := time.Now(); ; {
			err := r.Close()
			if err == nil {
				break
			}
			// It refuses as long as this process holds a lock.
			if !slices.Contains([]string{"mutex", "rwmutex"}, c.name) || time.Since(begun) > time.Minute {
				t.Fatal(err)
			}
		}
		workers.Wait()
		want := dones[0] + dones[1] + dones[2]
		if got := c.sum(t, stays); got != want {
			t.Fatalf("close %d: %d were done, and %v=%d said so", i, got, dones, want)
		}
		if t.Failed() {
			return
		}
	}
}
