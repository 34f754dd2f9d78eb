package cluster_test

import (
	"context"
	"fmt"

	"github.com/sysvipc/sysvipc"
	"github.com/sysvipc/sysvipc/cluster"
	"github.com/sysvipc/sysvipc/cluster/internal/clustertest"
)

// A queue of several machines, with the words of the kernel's.
func Example() {
	ctx := context.Background()
	url, err := clustertest.URL() // "nats://a,nats://b,nats://c"
	must(err)
	conn, err := cluster.Connect(ctx, url, nil)
	must(err)
	defer conn.Close(ctx)
	q, err := conn.EnsureQueue(ctx, "example-orders", nil)
	must(err)
	defer q.Remove(ctx)
	must(q.Send(ctx, 7, []byte("hello")))
	m, err := q.Receive(ctx, sysvipc.OfType(7))
	must(err)
	fmt.Printf("type %d: %s\n", m.Type, m.Data)
	// Output: type 7: hello
}

// A message is acknowledged when its work is done: one whose receiver dies is delivered again.
func ExampleQueue_Take() {
	ctx := context.Background()
	url, err := clustertest.URL()
	must(err)
	conn, err := cluster.Connect(ctx, url, nil)
	must(err)
	defer conn.Close(ctx)
	q, err := conn.EnsureQueue(ctx, "example-take", nil)
	must(err)
	defer q.Remove(ctx)
	must(q.Send(ctx, 1, []byte("job")))

	d, err := q.Take(ctx, sysvipc.Any)
	must(err)
	must(d.Return(ctx)) // not now
	d, err = q.Take(ctx, sysvipc.Any)
	must(err)
	fmt.Printf("%s, attempt %d\n", d.Data, d.Attempt)
	must(d.Ack(ctx))
	// Output: job, attempt 2
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}
