//go:build linux && (amd64 || arm64)

package bench

import (
	"context"
	"fmt"
	"testing"

	"github.com/sysvipc/sysvipc"
)

// contexts are those that callers have: one that never ends, and one that may.
var contexts = []struct {
	name string
	make func(b *testing.B) context.Context
}{
	{"background", func(*testing.B) context.Context { return context.Background() }},
	{"cancellable", func(b *testing.B) context.Context { return b.Context() }},
}

// newSet makes a set that lives as long as the benchmark.
func newSet(b *testing.B, values ...int) *sysvipc.SemaphoreSet {
	set := must(sysvipc.CreateSemaphores(sysvipc.Private, 0o600, values...))
	b.Cleanup(func() { check(set.Remove()) })
	return set
}

// newQueue makes a queue that lives as long as the benchmark.
func newQueue(b *testing.B) *sysvipc.Queue {
	q := must(sysvipc.CreateQueue(sysvipc.Private, 0o600))
	b.Cleanup(func() { check(q.Remove()) })
	return q
}

// One semaphore, taken and given back, and nobody in the way.
func BenchmarkSemaphorePair(b *testing.B) {
	for _, c := range contexts {
		b.Run("do/"+c.name, func(b *testing.B) {
			ctx, set := c.make(b), newSet(b, 1)
			semaphorePair(b, set, func() {
				check(set.Do(ctx, sysvipc.Add(0, -1)))
				check(set.Do(ctx, sysvipc.Add(0, +1)))
			})
		})
		b.Run("acquire/"+c.name, func(b *testing.B) {
			ctx, set := c.make(b), newSet(b, 1)
			sem := set.At(0)
			semaphorePair(b, set, func() {
				check(sem.Acquire(ctx, 1))
				check(sem.Release(1))
			})
		})
	}
}

func semaphorePair(b *testing.B, set *sysvipc.SemaphoreSet, pair func()) {
	id := set.ID()
	take, give := &sembuf{op: -1}, &sembuf{op: +1}
	bare := &side{name: "syscall", run: loop(func() {
		bareSemop(id, take)
		bareSemop(id, give)
	})}
	compare(b, 200, &side{run: loop(pair)}, append(startTwin(b).floor("sem %d %d", id), bare)...)
	allocs(b, pair)
}

// One message, sent and received again.
func BenchmarkMessagePair(b *testing.B) {
	for _, size := range []int{64, 4096} {
		for _, c := range contexts {
			b.Run(fmt.Sprintf("%dB/%s", size, c.name), func(b *testing.B) {
				ctx, q := c.make(b), newQueue(b)
				text, buf := make([]byte, size), make([]byte, size)
				pair := func() {
					check(q.Send(ctx, 1, text))
					if n, _, err := q.ReceiveInto(ctx, sysvipc.Any, buf); n != size || err != nil {
						panic(err)
					}
				}
				out, in := make([]byte, 8+size), make([]byte, 8+size)
				out[0], out[7] = 1, 1 // a type, whatever the byte order
				id := q.ID()
				bare := &side{name: "syscall", run: loop(func() {
					bareMsgsnd(id, out)
					bareMsgrcv(id, in)
				})}
				compare(b, 200, &side{run: loop(pair)}, append(startTwin(b).floor("msg %d %d %d", id, size), bare)...)
				allocs(b, pair)
			})
		}
	}
}
