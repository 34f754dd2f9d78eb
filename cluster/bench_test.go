package cluster_test

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/sysvipc/sysvipc"
	"github.com/sysvipc/sysvipc/cluster"
	"github.com/sysvipc/sysvipc/cluster/internal/clustertest"
)

// Each benchmark lets both sides take turns: "bare" is what a program that uses nats.go
// itself would do, with the same durability. x_bare is the median of the turns' ratios:
//
//	go test -run - -bench 'Queue$|SemaphorePair|Wakeup|HalfLoad' ./cluster

// together has senders of them send n messages.
func together(b *testing.B, n, senders int, send func() error) (wait func()) {
	var wg sync.WaitGroup
	var left atomic.Int64
	left.Store(int64(n))
	for range senders {
		wg.Go(func() {
			for left.Add(-1) >= 0 {
				if err := send(); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	return wg.Wait
}

func BenchmarkQueue(b *testing.B) {
	for _, senders := range []int{1, 64} {
		for _, sel := range []sysvipc.Selector{sysvipc.OfType(1), sysvipc.Any} {
			b.Run(fmt.Sprintf("%v/senders=%d", sel, senders), func(b *testing.B) {
				const n = 400
				js, stream := clustertest.BareStream(b, connect(b, nil))
				got := make(chan struct{}, n)
				clustertest.BareConsume(b, connect(b, nil), stream, func(jetstream.Msg) { got <- struct{}{} })
				name := unique()
				q, err := connect(b, nil).CreateQueue(b.Context(), name, nil)
				check(b, err)
				b.Cleanup(func() { q.Remove(context.Background()) })
				r, err := connect(b, nil).OpenQueue(b.Context(), name)
				check(b, err)
				carry := func(send func() error, receive func()) func() time.Duration {
					return func() time.Duration {
						began := time.Now()
						wait := together(b, n, senders, send)
						for range n {
							receive()
						}
						wait()
						return time.Since(began) / n
					}
				}
				clustertest.Turns(b, carry(func() error { return q.Send(b.Context(), 1, clustertest.Payload) }, func() {
					_, err := r.Receive(b.Context(), sel)
					check(b, err)
				}), carry(func() error { _, err := js.Publish(b.Context(), stream, clustertest.Payload); return err }, func() { <-got }))
			})
		}
	}
}

func bareBucket(b *testing.B, c *cluster.Conn) jetstream.KeyValue {
	js, err := jetstream.New(c.NATS())
	check(b, err)
	kv, err := js.CreateOrUpdateKeyValue(b.Context(), jetstream.KeyValueConfig{Bucket: "bare"})
	check(b, err)
	return kv
}

// An uncontended pair of acquire and release, beside two updates of a key.
func BenchmarkSemaphorePair(b *testing.B) {
	const n = 200
	kv := bareBucket(b, connect(b, nil))
	key := unique()
	rev, err := kv.Put(b.Context(), key, clustertest.Payload[:64])
	check(b, err)
	s, err := connect(b, nil).CreateSemaphores(b.Context(), unique(), 1)
	check(b, err)
	b.Cleanup(func() { s.Remove(context.Background()) })
	each := func(f func()) func() time.Duration {
		return func() time.Duration {
			began := time.Now()
			for range n {
				f()
			}
			return time.Since(began) / n
		}
	}
	clustertest.Turns(b, each(func() {
		check(b, s.At(0).Acquire(b.Context(), 1))
		check(b, s.At(0).Release(b.Context(), 1))
	}), each(func() {
		for range 2 {
			rev, err = kv.Update(b.Context(), key, clustertest.Payload[:64], rev)
			check(b, err)
		}
	}))
}

// From the update that lets a waiter go on to that the waiter has gone on. A bare one
// watches a key and then has to write what it took.
func BenchmarkWakeup(b *testing.B) {
	const n = 50
	middle := func(prepare func() (wait, wake func())) func() time.Duration {
		return func() time.Duration {
			var all []time.Duration
			for range n {
				wait, wake := prepare()
				woken := make(chan struct{})
				go func() { wait(); close(woken) }()
				began := time.Now()
				wake()
				<-woken
				all = append(all, time.Since(began))
			}
			p50, _ := clustertest.Percentiles(all)
			return p50
		}
	}
	kv, mine := bareBucket(b, connect(b, nil)), bareBucket(b, connect(b, nil))
	key, another := unique(), unique()
	w, err := mine.Watch(b.Context(), key, jetstream.UpdatesOnly())
	check(b, err)
	rev, err := kv.Put(b.Context(), key, clustertest.Payload[:64])
	check(b, err)
	<-w.Updates()
	last, err := mine.Put(b.Context(), another, clustertest.Payload[:64])
	check(b, err)
	name := unique()
	s, err := connect(b, nil).CreateSemaphores(b.Context(), name, 0)
	check(b, err)
	b.Cleanup(func() { s.Remove(context.Background()) })
	other, err := connect(b, nil).OpenSemaphores(b.Context(), name)
	check(b, err)
	clustertest.Turns(b, middle(func() (func(), func()) {
		got := make(chan error, 1)
		go func() { got <- other.At(0).Acquire(b.Context(), 1) }()
		waiting(b, s, 1)
		return func() { check(b, <-got) }, func() { check(b, s.At(0).Release(b.Context(), 1)) }
	}), middle(func() (func(), func()) {
		return func() {
				<-w.Updates()
				var err error
				last, err = mine.Update(b.Context(), another, clustertest.Payload[:64], last)
				check(b, err)
			}, func() {
				var err error
				rev, err = kv.Update(b.Context(), key, clustertest.Payload[:64], rev)
				check(b, err)
			}
	}))
}

// waiting returns when so many wait for semaphore 0. Each look is a question to the
// server, so that this needs no pause.
func waiting(b *testing.B, s *cluster.SemaphoreSet, want int) {
	for n := -1; n != want; {
		var err error
		n, _, err = s.At(0).Waiters(b.Context())
		check(b, err)
	}
}
