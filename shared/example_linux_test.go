package shared_test

import (
	"context"
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
