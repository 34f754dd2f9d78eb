package cluster_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/sysvipc/sysvipc"
	"github.com/sysvipc/sysvipc/cluster"
)

// carrier takes messages at one end and gives them at the other.
type carrier struct {
	send    func(data []byte) error
	receive func() []byte
}

// bridged goes from one kernel queue to another over two bridges.
func bridged(b *testing.B) carrier {
	name, dir := unique(), b.TempDir()
	var queues [2]*sysvipc.Queue
	for i, carry := range []func(*cluster.Bridge, context.Context) error{(*cluster.Bridge).Send, (*cluster.Bridge).Receive} {
		local, err := sysvipc.CreateQueue(sysvipc.Private, 0o600)
		check(b, err)
		b.Cleanup(func() { local.Remove() })
		remote, err := connect(b, nil).EnsureQueue(b.Context(), name, nil)
		check(b, err)
		queues[i] = local
		runBridge(b, &cluster.Bridge{Local: func() (*sysvipc.Queue, error) { return local, nil }, Remote: remote, Journal: filepath.Join(dir, fmt.Sprint(i))}, carry)
	}
	buf := make([]byte, 8192)
	return carrier{func(data []byte) error { return queues[0].Send(b.Context(), 1, data) }, func() []byte {
		n, _, err := queues[1].ReceiveInto(b.Context(), sysvipc.Any, buf)
		check(b, err)
		return buf[:n]
	}}
}

// bared publishes, with 256 in flight as a bridge has, and consumes.
func bared(b *testing.B) carrier {
	own, stream := bareStream(b, connect(b, nil))
	js, err := jetstream.New(own.Conn(), jetstream.WithPublishAsyncMaxPending(256))
	check(b, err)
	got := make(chan []byte, 100000)
	bareConsume(b, connect(b, nil), stream, func(m jetstream.Msg) { got <- m.Data() })
	return carrier{func(data []byte) error { _, err := js.PublishAsync(stream, data); return err }, func() []byte { return <-got }}
}

// flood sends n messages as fast as that goes, and returns how long one took.
func (c carrier) flood(b *testing.B, n int) time.Duration {
	began := time.Now()
	sent := make(chan error, 1)
	go func() {
		var err error
		for i := 0; i < n && err == nil; i++ {
			err = c.send(payload)
		}
		sent <- err
	}()
	for range n {
		c.receive()
	}
	check(b, <-sent)
	return time.Since(began) / time.Duration(n)
}

// pace sends so many messages, those of each millisecond together, whether or not the
// earlier ones have arrived, and returns how long each was on its way. What is late since
// the sender was held up counts from when it was due.
func (c carrier) pace(b *testing.B, n int, every time.Duration) (all []time.Duration) {
	sent := make(chan error, 1)
	began := time.Now()
	go func() {
		var err error
		data := append([]byte{}, payload...)
		due := time.Duration(0)
		for i := 0; i < n && err == nil; {
			due += time.Millisecond
			stamp := due
			if early := due - time.Since(began); early > 0 {
				time.Sleep(early)
				stamp = time.Since(began)
			}
			for ; i < n && time.Duration(i)*every < due && err == nil; i++ {
				binary.NativeEndian.PutUint64(data, uint64(stamp))
				err = c.send(append([]byte{}, data...))
			}
		}
		sent <- err
	}()
	for range n {
		stamp := time.Duration(binary.NativeEndian.Uint64(c.receive()))
		all = append(all, time.Since(began)-stamp)
	}
	check(b, <-sent)
	return all
}

// From one kernel queue to another over two bridges, beside publish and consume.
func BenchmarkBridge(b *testing.B) {
	ours, bare := bridged(b), bared(b)
	const n = 2000
	turns(b, func() time.Duration { return ours.flood(b, n) }, func() time.Duration { return bare.flood(b, n) })
}

// The same at half of what each carries: how long 99 in 100 messages are on their way at
// most. It says little on a machine that has other work: half of what is left is too much a
// moment later.
func BenchmarkBridgeHalfLoad(b *testing.B) {
	ours, bare := bridged(b), bared(b)
	const n = 2000
	p99 := func(c carrier, half *[]float64) func() time.Duration {
		return func() time.Duration {
			p50, p99 := percentiles(c.pace(b, n, 2*c.flood(b, n))) // what it carries now
			*half = append(*half, float64(p50.Nanoseconds()))
			return p99
		}
	}
	var own, floor []float64
	turns(b, p99(ours, &own), p99(bare, &floor))
	b.ReportMetric(median(own), "p50-ns/op")
	b.ReportMetric(median(floor), "bare-p50-ns/op")
}
