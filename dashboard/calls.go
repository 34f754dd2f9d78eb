package dashboard

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/sysvipc/sysvipc/trace"
)

var (
	callDuration = prometheus.NewDesc("sysvipc_call_duration_seconds", "System V calls that have ended, by how long they took, waiting included.", []string{"call"}, nil)
	callErrors   = counter("call_errors_total", "System V calls that failed.", "call")
	callsLost    = counter("calls_lost_total", "System V calls that were not counted.")
)

// callBounds are the buckets of a trace whose bounds are published: about 1 and 32 microseconds, 1 and 34 milliseconds, and
// 1.1 seconds. What takes longer than some microseconds has waited, or had to wait for a processor.
var callBounds = []int{2, 7, 12, 17, 22}

// calls sends what a trace has counted: at most 110 series.
func (s sender) calls(read func() (*trace.Summary, error)) {
	began := time.Now()
	sum, err := read()
	s.collector("calls", err == nil, time.Since(began))
	if err != nil {
		return
	}
	type counts struct {
		all, failed uint64
		total       time.Duration
		latency     trace.Histogram
	}
	var byCall [trace.Msgctl + 1]counts
	for i := range sum.Calls {
		c := &sum.Calls[i]
		if int(c.Op) >= len(byCall) {
			continue
		}
		n := &byCall[c.Op]
		n.all += c.Count
		n.total += c.Total
		n.latency.Add(&c.Latency)
		if c.Errno != 0 {
			n.failed += c.Count
		}
	}
	for op := trace.Semget; op <= trace.Msgctl; op++ {
		n := &byCall[op]
		below, bucket := uint64(0), 0
		buckets := map[float64]uint64{}
		for _, last := range callBounds {
			for ; bucket <= last; bucket++ {
				below += n.latency[bucket]
			}
			buckets[trace.Bound(last).Seconds()] = below
		}
		s.ch <- prometheus.MustNewConstHistogram(callDuration, n.all, n.total.Seconds(), buckets, op.String())
		s.send(callErrors, float64(n.failed), op.String())
	}
	s.send(callsLost, float64(sum.Lost))
}
