package cluster_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/sysvipc/sysvipc"
	"github.com/sysvipc/sysvipc/cluster"
	"github.com/sysvipc/sysvipc/cluster/internal/clustertest"
)

func wantValue(t *testing.T, s *cluster.SemaphoreSet, want int) {
	t.Helper()
	if got, err := s.At(0).Value(t.Context()); err != nil || got != want {
		t.Fatalf("the value is %d, %v; want %d", got, err, want)
	}
}

func TestSemaphoresComeAndGo(t *testing.T) {
	t.Parallel()
	c := connect(t, nil)
	if _, err := c.OpenSemaphores(t.Context(), t.Name()); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("open gives %v, want ErrNotExist", err)
	}
	// However many race, one set comes out, with its values.
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			s, err := c.EnsureSemaphores(t.Context(), t.Name(), 0)
			if err == nil {
				err = s.At(0).Release(t.Context(), 1)
			}
			if err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	s, err := c.OpenSemaphores(t.Context(), t.Name())
	check(t, err)
	wantValue(t, s, 8)
	if _, err := c.CreateSemaphores(t.Context(), t.Name(), 0); !errors.Is(err, fs.ErrExist) {
		t.Errorf("create gives %v, want ErrExist", err)
	}
	g, err := s.Take(t.Context(), sysvipc.Add(0, -1))
	check(t, err)
	check(t, s.Remove(t.Context()))
	if _, err := c.OpenSemaphores(t.Context(), t.Name()); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("open gives %v, want ErrNotExist", err)
	}
	// One that is made again goes on with the tokens.
	next := newSet(t, c, 1)
	again, err := next.Take(t.Context(), sysvipc.Add(0, -1))
	check(t, err)
	if again.Token <= g.Token {
		t.Errorf("token %d after %d", again.Token, g.Token)
	}
	if _, err := s.TryDo(t.Context(), sysvipc.Add(0, 1)); !errors.Is(err, sysvipc.ErrRemoved) {
		t.Errorf("the old set gives %v, want ErrRemoved", err)
	}
}

// What was taken with undo comes back: at Close, and when the holder is silent.
func TestSemaphoreUndo(t *testing.T) {
	t.Parallel()
	s := newSet(t, connect(t, nil), 1)
	open := func(opts *cluster.Options) (*cluster.Conn, *cluster.SemaphoreSet) {
		c := connect(t, opts)
		s, err := c.OpenSemaphores(t.Context(), t.Name())
		check(t, err)
		return c, s
	}
	_, holder := open(nil)
	check(t, holder.At(0).Undo().Acquire(t.Context(), 1))
	wantValue(t, s, 0)
	check(t, holder.At(0).Undo().Release(t.Context(), 1))
	check(t, holder.At(0).Undo().Acquire(t.Context(), 1))
	waited := make(chan error, 1)
	go func() { waited <- s.At(0).Acquire(soon(t), 1) }()
	check(t, holder.Close(t.Context()))
	check(t, <-waited)
	check(t, s.At(0).Release(t.Context(), 1))

	conn, dying := open(&cluster.Options{Lease: time.Second})
	g, err := dying.Take(t.Context(), sysvipc.Add(0, -1))
	check(t, err)
	conn.NATS().Close()
	next, err := s.Take(soon(t), sysvipc.Add(0, -1))
	check(t, err)
	if next.Token <= g.Token {
		t.Errorf("token %d after %d", next.Token, g.Token)
	}
	<-g.Lost()
	if err := g.Give(t.Context()); !errors.Is(err, cluster.ErrLeaseLost) {
		t.Errorf("the dead gives back with %v, want ErrLeaseLost", err)
	}
	check(t, next.Give(t.Context()))
	wantValue(t, s, 1)
	// Those who only try see it, too.
	conn, dying = open(&cluster.Options{Lease: time.Second})
	check(t, dying.At(0).Undo().Acquire(t.Context(), 1))
	conn.NATS().Close()
	eventually(t, "it can be taken", func() bool {
		ok, err := s.At(0).TryAcquire(t.Context(), 1)
		check(t, err)
		return ok
	})
}

// A lease that is renewed lasts, by the servers' times, whatever the machine does meanwhile: it ends only after as
// much silence as it is long, and as long as it did not, nobody else is granted what is held by it.
func TestSemaphoreLeaseLasts(t *testing.T) {
	t.Parallel()
	const length = time.Second
	s := newSet(t, connect(t, &cluster.Options{Lease: length}), 1)
	other, err := connect(t, nil).OpenSemaphores(t.Context(), t.Name())
	check(t, err)
	for range 20 { // until one is held for long: on a busy machine this process may be silent
		lease := watchLeases(t, s)
		g, err := s.Take(soon(t), sysvipc.Add(0, -1))
		if errors.Is(err, cluster.ErrLeaseLost) {
			continue // as that of the one before
		}
		check(t, err)
		granted := make(chan *cluster.Grant, 1)
		go func() {
			next, err := other.Take(soon(t), sysvipc.Add(0, -1))
			if err != nil {
				t.Error(err)
			}
			granted <- next
		}()
		ended := lease(length, 7*length/2) // waiters may end it by their clocks after two
		early := len(granted) > 0
		err = g.Give(soon(t))
		if err != nil && !errors.Is(err, cluster.ErrLeaseLost) {
			t.Fatal(err)
		}
		if err == nil && (early || ended) {
			t.Fatalf("it is given back, and had ended (%v) or was granted to another (%v)", ended, early)
		}
		if err != nil && !ended && !lease(length, time.Minute) {
			t.Fatal("the lease is lost, and renewed")
		}
		next := <-granted
		check(t, next.Give(soon(t)))
		wantValue(t, other, 1)
		if err == nil {
			return
		}
	}
	t.Error("each lease was lost")
}

// watchLeases returns what follows the next lease that is taken on a set until it was renewed for so long, or has ended:
// which the servers may do only after a silence of its length.
func watchLeases(t *testing.T, s *cluster.SemaphoreSet) func(length, enough time.Duration) (ended bool) {
	t.Helper()
	js, err := jetstream.New(connect(t, nil).NATS())
	check(t, err)
	c, err := js.CreateConsumer(soon(t), bucketStream, jetstream.ConsumerConfig{
		FilterSubject: "$KV.sysvipc.lease." + s.Name() + ".*", DeliverPolicy: jetstream.DeliverNewPolicy, AckPolicy: jetstream.AckNonePolicy,
	})
	check(t, err)
	var subject string
	var first, last time.Time
	return func(length, enough time.Duration) bool {
		for first.IsZero() || last.Sub(first) < enough {
			m, err := c.Next(jetstream.FetchContext(soon(t)))
			check(t, err)
			at, err := m.Metadata()
			check(t, err)
			switch {
			case subject == "":
				subject, first = m.Subject(), at.Timestamp
			case subject != m.Subject():
				continue // the other one's
			case len(m.Data()) == 0:
				if silence := at.Timestamp.Sub(last); silence < length {
					t.Errorf("the lease has ended after a silence of %v", silence)
				}
				return true
			}
			last = at.Timestamp
		}
		return false
	}
}

// Nobody is let in twice, nobody is forgotten.
func TestSemaphoreExcludes(t *testing.T) {
	t.Parallel()
	var inside, entered atomic.Int32
	var last atomic.Uint64
	newSet(t, connect(t, nil), 1)
	checkAll := everyRevision(t, connect(t, nil), t.Name())
	var wg sync.WaitGroup
	for range 4 {
		s, err := connect(t, nil).OpenSemaphores(t.Context(), t.Name())
		check(t, err)
		for range 3 {
			wg.Go(func() {
				for range 20 {
					g, err := s.Take(soon(t), sysvipc.Add(0, -1))
					if err != nil {
						t.Error(err)
						return
					}
					if n := inside.Add(1); n != 1 {
						t.Errorf("%d are inside", n)
					}
					if old := last.Swap(g.Token); old >= g.Token {
						t.Errorf("token %d after %d", g.Token, old)
					}
					entered.Add(1)
					inside.Add(-1)
					if err := g.Give(t.Context()); err != nil {
						t.Error(err)
						return
					}
				}
			})
		}
	}
	wg.Wait()
	if n := entered.Load(); n != 4*3*20 {
		t.Errorf("%d entered, want %d", n, 4*3*20)
	}
	checkAll(1)
}

// A waiter that was granted something and died before it knew does not keep it.
func TestSemaphoreDeadWaiter(t *testing.T) {
	t.Parallel()
	s := newSet(t, connect(t, nil), 0)
	conn := connect(t, &cluster.Options{Lease: time.Second})
	dying, err := conn.OpenSemaphores(t.Context(), t.Name())
	check(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	go dying.At(0).Acquire(ctx, 1) // without undo
	eventually(t, "it waits", func() bool {
		n, _, err := s.At(0).Waiters(t.Context())
		check(t, err)
		return n == 1
	})
	conn.NATS().Close()
	check(t, s.At(0).Release(t.Context(), 1))
	check(t, s.At(0).Acquire(soon(t), 1))
}

// store is something that a grant protects. It keeps the largest token that it has seen.
type store struct {
	mu    sync.Mutex
	token uint64
	value string
}

var errStale = errors.New("stale token")

func (s *store) write(token uint64, value string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if token < s.token {
		return errStale
	}
	s.token, s.value = token, value
	return nil
}

func ExampleGrant() {
	ctx := context.Background()
	url, err := clustertest.URL()
	if err != nil {
		panic(err)
	}
	protected := &store{}
	lock := func() (*cluster.Conn, *cluster.Grant) {
		conn, err := cluster.Connect(ctx, url, &cluster.Options{Lease: time.Second})
		if err != nil {
			panic(err)
		}
		set, err := conn.EnsureSemaphores(ctx, "example", 1)
		if err != nil {
			panic(err)
		}
		grant, err := set.Take(ctx, sysvipc.Add(0, -1))
		if err != nil {
			panic(err)
		}
		return conn, grant
	}
	conn, first := lock()
	conn.NATS().Close() // as if this process were stopped for a while

	conn, second := lock() // so another one gets the lock
	defer conn.Close(ctx)
	fmt.Println("second:", protected.write(second.Token, "new"))
	fmt.Println("first:", protected.write(first.Token, "old"))
	fmt.Println("kept:", protected.value)
	// Output:
	// second: <nil>
	// first: stale token
	// kept: new
}

type quote struct {
	Price int
	Tags  []string
}

func TestVar(t *testing.T) {
	t.Parallel()
	name := fmt.Sprint(t.Name(), time.Now().UnixNano()) // variables stay
	v, err := cluster.VarOf[quote](t.Context(), connect(t, nil), name)
	check(t, err)
	other, err := cluster.VarOf[quote](t.Context(), connect(t, nil), name)
	check(t, err)
	if got, err := v.Load(t.Context()); err != nil || got.Price != 0 {
		t.Errorf("a new one holds %v, %v", got, err)
	}
	watched := make(chan quote, 1000)
	ctx, cancel := context.WithCancel(soon(t))
	ended := make(chan error, 1)
	go func() {
		for q, err := range other.Watch(ctx) {
			if err != nil {
				ended <- err
				return
			}
			watched <- q
		}
	}()
	if q := <-watched; q.Price != 0 {
		t.Errorf("it first watched %v", q)
	}
	check(t, v.Store(t.Context(), quote{1, []string{"a"}}))
	ok, err := other.CompareAndSwap(t.Context(), quote{2, nil}, quote{3, nil})
	if ok || err != nil {
		t.Errorf("swapped what was not there: %v, %v", ok, err)
	}
	ok, err = other.CompareAndSwap(t.Context(), quote{1, []string{"a"}}, quote{2, nil})
	if !ok || err != nil {
		t.Errorf("not swapped: %v, %v", ok, err)
	}
	var wg sync.WaitGroup
	for _, v := range []*cluster.Var[quote]{v, other} {
		for range 2 {
			wg.Go(func() {
				for range 25 {
					if err := v.Update(t.Context(), func(q *quote) { q.Price++ }); err != nil {
						t.Error(err)
					}
				}
			})
		}
	}
	wg.Wait()
	if got, err := v.Load(t.Context()); err != nil || got.Price != 102 {
		t.Errorf("it holds %v, %v; want 102", got, err)
	}
	for q := range watched {
		if q.Price == 102 {
			break
		}
	}
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("the watch ended with %v", err)
	}
}

// A set of as many semaphores as there can be has room for many holders.
func TestSemaphoresOfALargeSet(t *testing.T) {
	t.Parallel()
	values := make([]int, 4096)
	for i := range values {
		values[i] = 1
	}
	c := connect(t, nil)
	newSet(t, c, values...)
	const holders = 500
	var wg sync.WaitGroup
	for worker := range 4 {
		wg.Go(func() {
			for i := worker; i < holders; i += 4 {
				s, err := c.OpenSemaphores(soon(t), t.Name())
				if err == nil {
					_, err = s.Take(soon(t), sysvipc.Add(i, -1))
				}
				if err != nil {
					t.Errorf("holder %d: %v", i, err)
					return
				}
			}
		})
	}
	wg.Wait()
}

// A session that has ended in order leaves nothing behind for those who come after it.
func TestSemaphoreSessionsLeaveNothing(t *testing.T) {
	t.Parallel()
	newSet(t, connect(t, nil), 1)
	c := connect(t, nil)
	for range 20 {
		s, err := c.OpenSemaphores(soon(t), t.Name())
		check(t, err)
		g, err := s.Take(soon(t), sysvipc.Add(0, -1))
		check(t, err)
		check(t, g.Give(soon(t)))
		check(t, s.Close(soon(t)))
	}
	js, err := jetstream.New(c.NATS())
	check(t, err)
	stream, err := js.Stream(soon(t), bucketStream)
	check(t, err)
	eventually(t, "nothing is left", func() bool {
		info, err := stream.Info(soon(t), jetstream.WithSubjectFilter("$KV.sysvipc.lease."+t.Name()+".*"))
		check(t, err)
		return len(info.State.Subjects) == 0
	})
}
