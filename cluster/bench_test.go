package cluster_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/sysvipc/sysvipc"
	"github.com/sysvipc/sysvipc/cluster"
)

// Each benchmark runs both sides: "bare" is what a program that uses nats.go itself would
// do, with the same durability. Run them several times and compare the medians:
//
//	go test -run - -bench Queue -count 5 ./cluster

var payload = make([]byte, 128)

// number makes names unique: benchmarks run again and again on one server.
var number atomic.Int64

func unique() string { return fmt.Sprintf("bench%d", number.Add(1)) }

// together has senders of them send n messages.
func together(b *testing.B, senders int, send func() error) (wait func()) {
	var wg sync.WaitGroup
	var left atomic.Int64
	left.Store(int64(b.N))
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

func bareStream(b *testing.B, c *cluster.Conn) (jetstream.JetStream, string) {
	js, err := jetstream.New(c.NATS())
	check(b, err)
	name := unique()
	_, err = js.CreateStream(b.Context(), jetstream.StreamConfig{Name: name, Subjects: []string{name}, Retention: jetstream.WorkQueuePolicy})
	check(b, err)
	b.Cleanup(func() { js.DeleteStream(context.Background(), name) })
	return js, name
}

// bareConsume calls f with each message, and acknowledges it.
func bareConsume(b *testing.B, c *cluster.Conn, stream string, f func()) {
	js, err := jetstream.New(c.NATS())
	check(b, err)
	cons, err := js.CreateConsumer(b.Context(), stream, jetstream.ConsumerConfig{Durable: "c", AckPolicy: jetstream.AckExplicitPolicy})
	check(b, err)
	cc, err := cons.Consume(func(m jetstream.Msg) { m.Ack(); f() })
	check(b, err)
	b.Cleanup(cc.Stop)
}

func BenchmarkQueue(b *testing.B) {
	for _, senders := range []int{1, 64} {
		b.Run(fmt.Sprintf("bare/senders=%d", senders), func(b *testing.B) {
			js, name := bareStream(b, connect(b, nil))
			var got atomic.Int64
			done := make(chan struct{})
			b.ResetTimer()
			bareConsume(b, connect(b, nil), name, func() {
				if got.Add(1) == int64(b.N) {
					close(done)
				}
			})
			wait := together(b, senders, func() error { _, err := js.Publish(b.Context(), name, payload); return err })
			<-done
			wait()
		})
		for _, sel := range []sysvipc.Selector{sysvipc.OfType(1), sysvipc.Any} {
			b.Run(fmt.Sprintf("ours/%v/senders=%d", sel, senders), func(b *testing.B) {
				name := unique()
				q, err := connect(b, nil).CreateQueue(b.Context(), name, nil)
				check(b, err)
				b.Cleanup(func() { q.Remove(context.Background()) })
				r, err := connect(b, nil).OpenQueue(b.Context(), name)
				check(b, err)
				b.ResetTimer()
				wait := together(b, senders, func() error { return q.Send(b.Context(), 1, payload) })
				for range b.N {
					_, err := r.Receive(b.Context(), sel)
					check(b, err)
				}
				wait()
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

// An uncontended pair of acquire and release, against two updates of a key.
func BenchmarkSemaphorePair(b *testing.B) {
	b.Run("bare", func(b *testing.B) {
		kv := bareBucket(b, connect(b, nil))
		key := unique()
		rev, err := kv.Put(b.Context(), key, payload[:64])
		check(b, err)
		b.ResetTimer()
		for range 2 * b.N {
			rev, err = kv.Update(b.Context(), key, payload[:64], rev)
			check(b, err)
		}
	})
	b.Run("ours", func(b *testing.B) {
		s, err := connect(b, nil).CreateSemaphores(b.Context(), unique(), 1)
		check(b, err)
		b.Cleanup(func() { s.Remove(context.Background()) })
		b.ResetTimer()
		for range b.N {
			check(b, s.At(0).Acquire(b.Context(), 1))
			check(b, s.At(0).Release(b.Context(), 1))
		}
	})
}

// From the update that lets a waiter go on to that the waiter has gone on. A bare one
// watches a key and then has to write what it took.
func BenchmarkWakeup(b *testing.B) {
	measure := func(b *testing.B, prepare func() (wait, wake func())) {
		var all []time.Duration
		for range b.N {
			wait, wake := prepare()
			woken := make(chan struct{})
			go func() { wait(); close(woken) }()
			began := time.Now()
			wake()
			<-woken
			all = append(all, time.Since(began))
		}
		slices.Sort(all)
		b.ReportMetric(float64(all[len(all)/2].Nanoseconds())/1000, "p50-µs")
		b.ReportMetric(float64(all[len(all)*99/100].Nanoseconds())/1000, "p99-µs")
	}
	b.Run("bare", func(b *testing.B) {
		kv, mine := bareBucket(b, connect(b, nil)), bareBucket(b, connect(b, nil))
		key, other := unique(), unique()
		w, err := mine.Watch(b.Context(), key, jetstream.UpdatesOnly())
		check(b, err)
		rev, err := kv.Put(b.Context(), key, payload[:64])
		check(b, err)
		<-w.Updates()
		last, err := mine.Put(b.Context(), other, payload[:64])
		check(b, err)
		measure(b, func() (func(), func()) {
			return func() {
					<-w.Updates()
					last, err = mine.Update(b.Context(), other, payload[:64], last)
					check(b, err)
				}, func() {
					rev, err = kv.Update(b.Context(), key, payload[:64], rev)
					check(b, err)
				}
		})
	})
	b.Run("ours", func(b *testing.B) {
		name := unique()
		s, err := connect(b, nil).CreateSemaphores(b.Context(), name, 0)
		check(b, err)
		b.Cleanup(func() { s.Remove(context.Background()) })
		other, err := connect(b, nil).OpenSemaphores(b.Context(), name)
		check(b, err)
		measure(b, func() (func(), func()) {
			got := make(chan error, 1)
			go func() { got <- other.At(0).Acquire(b.Context(), 1) }()
			for n := 0; n == 0; {
				n, _, err = s.At(0).Waiters(b.Context())
				check(b, err)
			}
			return func() { check(b, <-got) }, func() { check(b, s.At(0).Release(b.Context(), 1)) }
		})
	})
}

// How latency and throughput grow with the number of queues, each with one message on its
// way at a time.
func BenchmarkQueues(b *testing.B) {
	for _, n := range []int{1, 10, 100} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			c := connect(b, nil)
			queues := make([]*cluster.Queue, n)
			for i := range queues {
				q, err := c.CreateQueue(b.Context(), unique(), nil)
				check(b, err)
				b.Cleanup(func() { q.Remove(context.Background()) })
				queues[i] = q
				check(b, q.Send(b.Context(), 1, payload))
				_, err = q.Receive(b.Context(), sysvipc.OfType(1)) // makes what it needs
				check(b, err)
			}
			var mu sync.Mutex
			var all []time.Duration
			var left atomic.Int64
			left.Store(int64(b.N))
			var wg sync.WaitGroup
			b.ResetTimer()
			for _, q := range queues {
				wg.Go(func() {
					var own []time.Duration
					for left.Add(-1) >= 0 {
						began := time.Now()
						if err := q.Send(b.Context(), 1, payload); err != nil {
							b.Error(err)
							return
						}
						if _, err := q.Receive(b.Context(), sysvipc.OfType(1)); err != nil {
							b.Error(err)
							return
						}
						own = append(own, time.Since(began))
					}
					mu.Lock()
					all = append(all, own...)
					mu.Unlock()
				})
			}
			wg.Wait()
			slices.Sort(all)
			b.ReportMetric(float64(all[len(all)/2].Microseconds()), "p50-µs")
			b.ReportMetric(float64(all[len(all)*99/100].Microseconds()), "p99-µs")
		})
	}
}

// How one acquire and release grow with the number of those who wait for something else:
// all for the same, or each for another thing.
func BenchmarkWaiters(b *testing.B) {
	for _, n := range []int{1, 10, 100, 1000} {
		for _, same := range []bool{true, false} {
			b.Run(fmt.Sprintf("%d/same=%v", n, same), func(b *testing.B) {
				s, err := connect(b, nil).CreateSemaphores(b.Context(), unique(), 0, 0)
				check(b, err)
				ctx, cancel := context.WithCancel(context.Background())
				var wg sync.WaitGroup
				want := 1
				for i := range n {
					what := sysvipc.Add(0, -1)
					if !same {
						what, want = sysvipc.Add(0, -1-i), n
					}
					wg.Go(func() { s.Do(ctx, what) })
				}
				for {
					waiting, _, err := s.At(0).Waiters(b.Context())
					check(b, err)
					if waiting == want {
						break
					}
					time.Sleep(time.Millisecond)
				}
				b.ResetTimer()
				for range b.N {
					check(b, s.At(1).Release(b.Context(), 1))
					check(b, s.At(1).Acquire(b.Context(), 1))
				}
				b.StopTimer()
				check(b, s.Remove(context.Background())) // wakes them all
				cancel()
				wg.Wait()
			})
		}
	}
}
