package inspect_test

import (
	"context"
	"fmt"
	"log"
	"os"

	"github.com/sysvipc/sysvipc"
	"github.com/sysvipc/sysvipc/inspect"
)

// Which processes use a segment, and whether it can be removed.
func Example() {
	seg, err := sysvipc.CreateSegment(sysvipc.Private, 4096, 0o600)
	check(err)
	defer seg.Remove()
	mem, err := seg.Attach(nil)
	check(err)
	defer mem.Close()

	snap, err := inspect.Take(context.Background(), nil)
	check(err)
	o := snap.Object(sysvipc.KindSegment, seg.ID())
	for _, u := range o.Users {
		if u.Role == inspect.Attached {
			fmt.Println("attached by this process:", u.PID == os.Getpid())
		}
	}
	fmt.Println(o.Verdict.Class)
	// Output:
	// attached by this process: true
	// in-use
}

// For what a thread waits, as the kernel has it.
func ExampleWait() {
	q, err := sysvipc.CreateQueue(sysvipc.Private, 0o600)
	check(err)
	defer q.Remove()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	go func() {
		_, err := q.Receive(ctx, sysvipc.OfType(7))
		done <- err
	}()
	for seen := false; !seen; {
		snap, err := inspect.Take(ctx, nil)
		check(err)
		for _, w := range snap.Waits {
			if w.Kind == sysvipc.KindQueue && w.ID == q.ID() {
				fmt.Println("to", w.What())
				seen = true
			}
		}
	}
	cancel()
	<-done
	// Output: to receive type 7
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
