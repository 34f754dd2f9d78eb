package shared_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"strings"

	"github.com/sysvipc/sysvipc/shared"
)

// Each of these lines may be in a process of its own.
func Example() {
	ctx := context.Background()
	r, err := shared.Ensure(ctx, "example", nil)
	check(err)
	defer r.Close()
	defer r.Remove()
	type Point struct{ X, Y float64 }
	at, err := shared.VarOf[Point](r, "at")
	check(err)
	check(at.Update(ctx, func(p *Point) { p.X++; p.Y = 2 * p.X }))
	p, err := at.Load()
	check(err)
	fmt.Println(p)
	// Output: {1 2}
}

// What the mutex guards lies in one Var here, or in ten: Do takes the lock, and repairs
// first if its last holder was killed.
func ExampleMutex_Do() {
	ctx := context.Background()
	r, err := shared.Ensure(ctx, "example-mutex", nil)
	check(err)
	defer r.Close()
	defer r.Remove()
	book, err := shared.MutexOf(r, "book")
	check(err)
	from, err := shared.CounterOf(r, "from")
	check(err)
	to, err := shared.CounterOf(r, "to")
	check(err)
	check(from.Store(100))
	repair := func() error { // the two are 100 together
		n, err := from.Load()
		if err != nil {
			return err
		}
		return to.Store(100 - n)
	}
	check(book.Do(ctx, repair, func() error {
		if _, err := from.Add(-30); err != nil {
			return err
		}
		_, err := to.Add(30)
		return err
	}))
	a, err := from.Load()
	check(err)
	b, err := to.Load()
	check(err)
	fmt.Println(a, b)
	// Output: 70 30
}

// Who takes the last one deletes the entry: nobody comes between.
func ExampleMap_Update() {
	ctx := context.Background()
	r, err := shared.Ensure(ctx, "example-map", nil)
	check(err)
	defer r.Close()
	defer r.Remove()
	stock, err := shared.MapOf[uint32, int64](r, "stock", 1000)
	check(err)
	check(stock.Store(ctx, 7, 2))
	for range 2 {
		check(stock.Update(ctx, 7, func(left *int64, exists bool) shared.Action {
			if *left--; !exists || *left == 0 {
				return shared.Delete
			}
			return shared.Store
		}))
		left, ok, err := stock.Load(7)
		check(err)
		fmt.Println(left, ok)
	}
	// Output:
	// 1 true
	// 0 false
}

func ExampleTopic() {
	ctx := context.Background()
	r, err := shared.Ensure(ctx, "example-topic", nil)
	check(err)
	defer r.Close()
	defer r.Remove()
	ticks, err := shared.TopicOf[int64](r, "ticks", 8)
	check(err)
	s, err := ticks.Subscribe(shared.Lossy)
	check(err)
	defer s.Close()
	for n := range int64(10) { // more than the topic keeps
		check(ticks.Publish(ctx, n))
	}
	n, lost, err := s.Next(ctx)
	check(err)
	fmt.Println("lost", lost, "and got", n)
	// Output: lost 6 and got 6
}

func ExampleDoc() {
	ctx := context.Background()
	r, err := shared.Ensure(ctx, "example-doc", nil)
	check(err)
	defer r.Close()
	defer r.Remove()
	limits, err := shared.DocOf[map[string][]int](r, "limits", 64<<10)
	check(err)
	check(limits.Store(ctx, map[string][]int{"upload": {1, 10}}))
	check(limits.Update(ctx, func(m *map[string][]int) error {
		(*m)["download"] = []int{5, 50}
		return nil
	}))
	m, err := limits.Load()
	check(err)
	fmt.Println(m)
	// Output: map[download:[5 50] upload:[1 10]]
}

func ExampleRecords_Fill() {
	ctx := context.Background()
	r, err := shared.Ensure(ctx, "example-records", nil)
	check(err)
	defer r.Close()
	defer r.Remove()
	frames, err := shared.RecordsOf(r, "frames", 1<<20)
	check(err)
	in := strings.NewReader("as it comes from a file or a network")
	check(frames.Fill(ctx, 4096, in.Read)) // right into the region
	check(frames.Handle(ctx, func(frame []byte) error {
		fmt.Printf("%s\n", frame)
		return nil
	}))
	// Output: as it comes from a file or a network
}

func ExampleString() {
	type Player struct {
		Name  shared.String[[16]byte]
		Score int64
	}
	var p Player
	check(p.Name.Set("Ada"))
	fmt.Printf("%v: %d\n", p.Name, p.Score)
	fmt.Println(p.Name.Set("a name that is far too long"))
	// Output:
	// Ada: 0
	// shared: too big: a string of 27 bytes in shared.String[[16]uint8]
}

func ExampleEnsureFile() {
	dir, err := os.MkdirTemp("", "")
	check(err)
	defer os.RemoveAll(dir)
	for range 2 { // as if there were a reboot between
		r, err := shared.EnsureFile(context.Background(), filepath.Join(dir, "region"), nil)
		check(err)
		starts, err := shared.CounterOf(r, "starts")
		check(err)
		n, err := starts.Add(1)
		check(err)
		fmt.Println(n)
		check(r.Close())
	}
	// Output:
	// 1
	// 2
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

// The holder is killed while it moves an amount, so that half is done. The next one to lock learns it, repairs, and says so.
func ExampleMutex_MarkConsistent() {
	ctx := context.Background()
	r, err := shared.Ensure(ctx, "example-death", nil)
	check(err)
	defer r.Close()
	defer r.Remove()
	book, err := shared.MutexOf(r, "book")
	check(err)
	from, err := shared.CounterOf(r, "from")
	check(err)
	to, err := shared.CounterOf(r, "to")
	check(err)
	check(from.Store(100))

	func() { // a panic leaves the lock as a kill -9 does
		defer func() { recover() }()
		book.Do(ctx, nil, func() error {
			from.Add(-30)
			panic("killed before the other half")
		})
	}()

	err = book.Lock(ctx)
	if errors.Is(err, shared.ErrOwnerDied) { // locked, and what it guards may be half changed
		fmt.Println("the last holder died")
		n, err := from.Load()
		check(err)
		check(to.Store(100 - n))
		check(book.MarkConsistent())
	} else {
		check(err)
	}
	n, err := to.Load()
	check(err)
	fmt.Println("moved:", n)
	check(book.Unlock())
	// Output:
	// the last holder died
	// moved: 30
}

// Readers hold the lock together, a writer alone.
func ExampleRWMutex() {
	ctx := context.Background()
	r, err := shared.Ensure(ctx, "example-rwmutex", nil)
	check(err)
	defer r.Close()
	defer r.Remove()
	lock, err := shared.RWMutexOf(r, "prices")
	check(err)
	price, err := shared.CounterOf(r, "price")
	check(err)

	check(lock.Do(ctx, func() error { return price.Store(0) }, func() error { return price.Store(42) }))

	check(lock.RLock(ctx))
	second, err := lock.TryRLock() // as in another process
	check(err)
	writer, err := lock.TryLock()
	check(err)
	n, err := price.Load()
	check(err)
	fmt.Println("two readers:", second, "a writer beside them:", writer, "price:", n)
	check(lock.RUnlock())
	check(lock.RUnlock())
	// Output: two readers: true a writer beside them: false price: 42
}

// A message is taken out of the channel when it is handled. One whose receiver fails or is killed is there for the next.
func ExampleChan_Handle() {
	ctx := context.Background()
	r, err := shared.Ensure(ctx, "example-handle", nil)
	check(err)
	defer r.Close()
	defer r.Remove()
	jobs, err := shared.ChanOf[int64](r, "jobs", 16)
	check(err)
	check(jobs.Send(ctx, 7))

	err = jobs.Handle(ctx, func(n int64) error { return fmt.Errorf("job %d: the disk is full", n) })
	fmt.Println(err)
	err = jobs.Handle(ctx, func(n int64) error { fmt.Println("job", n, "is done"); return nil })
	check(err)
	n, err := jobs.Len()
	check(err)
	fmt.Println(n, "left")
	// Output:
	// job 7: the disk is full
	// job 7 is done
	// 0 left
}

// A table that all processes read without waiting.
func ExampleMap() {
	ctx := context.Background()
	r, err := shared.Ensure(ctx, "example-map", nil)
	check(err)
	defer r.Close()
	defer r.Remove()
	type Position struct{ X, Y float64 }
	positions, err := shared.MapOf[uint64, Position](r, "positions", 1000)
	check(err)
	check(positions.Store(ctx, 4711, Position{1, 2}))
	p, ok, err := positions.Load(4711)
	check(err)
	fmt.Println(p, ok)
	_, ok, err = positions.Load(1)
	check(err)
	fmt.Println(ok)
	// Output:
	// {1 2} true
	// false
}
