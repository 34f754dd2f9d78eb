package clustertest

import (
	"context"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/sysvipc/sysvipc/cluster"
)

// Payload is the message of benchmarks.
var Payload = make([]byte, 128)

// number makes names unique: benchmarks run again and again on one server.
var number atomic.Int64

// Unique returns a name that no other object of the server has.
func Unique() string { return fmt.Sprintf("bench%d", number.Add(1)) }

// Turns lets ours and bare take turns. Each returns how long one operation took.
func Turns(b *testing.B, ours, bare func() time.Duration) {
	var own, floor, ratios []float64
	ours()
	bare()
	for b.Loop() {
		var o, f time.Duration
		if len(own)%2 == 0 {
			o, f = ours(), bare()
		} else {
			f, o = bare(), ours()
		}
		own, floor, ratios = append(own, float64(o)), append(floor, float64(f)), append(ratios, float64(o)/float64(f))
	}
	b.ReportMetric(Median(own), "ns/op")
	b.ReportMetric(Median(floor), "bare-ns/op")
	b.ReportMetric(Median(ratios), "x_bare")
}

// Median sorts.
func Median(v []float64) float64 {
	slices.Sort(v)
	return v[len(v)/2]
}

// Percentiles sorts.
func Percentiles(all []time.Duration) (p50, p99 time.Duration) {
	slices.Sort(all)
	return all[len(all)/2], all[len(all)*99/100]
}

// BareStream makes a stream as a program does that uses nats.go itself.
func BareStream(b *testing.B, c *cluster.Conn) (jetstream.JetStream, string) {
	js, err := jetstream.New(c.NATS())
	Check(b, err)
	name := Unique()
	_, err = js.CreateStream(b.Context(), jetstream.StreamConfig{Name: name, Subjects: []string{name}, Retention: jetstream.WorkQueuePolicy})
	Check(b, err)
	b.Cleanup(func() { js.DeleteStream(context.Background(), name) })
	return js, name
}

// BareConsume calls f with each message, and acknowledges it.
func BareConsume(b *testing.B, c *cluster.Conn, stream string, f func(jetstream.Msg)) {
	js, err := jetstream.New(c.NATS())
	Check(b, err)
	cons, err := js.CreateConsumer(b.Context(), stream, jetstream.ConsumerConfig{Durable: "c", AckPolicy: jetstream.AckExplicitPolicy})
	Check(b, err)
	cc, err := cons.Consume(func(m jetstream.Msg) { m.Ack(); f(m) })
	Check(b, err)
	b.Cleanup(cc.Stop)
}
