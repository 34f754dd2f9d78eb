package dashboard

import (
	"net/http"
	"strings"
	"sync"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Counters are what a program counts by a name and an object, such as package cluster, as metrics:
// sysvipc_cluster_NAME_total and sysvipc_cluster_NAME, with the label object. The zero value is ready.
// Safe for concurrent use.
type Counters struct {
	mu             sync.Mutex
	counts, gauges map[counted]float64
}

type counted struct{ name, object string }

// Count adds n to a counter.
func (c *Counters) Count(name, object string, n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.counts == nil {
		c.counts = map[counted]float64{}
	}
	c.counts[counted{name, object}] += float64(n)
}

// Gauge sets a value that goes up and down.
func (c *Counters) Gauge(name, object string, value float64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.gauges == nil {
		c.gauges = map[counted]float64{}
	}
	c.gauges[counted{name, object}] = value
}

// Forget drops a gauge, of what there is no more.
func (c *Counters) Forget(name, object string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.gauges, counted{name, object})
}

// Describe says nothing: what there is to count is not known before.
func (c *Counters) Describe(chan<- *prometheus.Desc) {}

// Collect reports what was counted.
func (c *Counters) Collect(metrics chan<- prometheus.Metric) {
	c.mu.Lock()
	defer c.mu.Unlock()
	report := func(of map[counted]float64, kind prometheus.ValueType, suffix string) {
		for s, value := range of {
			desc := prometheus.NewDesc("sysvipc_cluster_"+s.name+suffix, strings.ReplaceAll(s.name, "_", " "), []string{"object"}, nil)
			metrics <- prometheus.MustNewConstMetric(desc, kind, value, s.object)
		}
	}
	report(c.counts, prometheus.CounterValue, "_total")
	report(c.gauges, prometheus.GaugeValue, "")
}

// Handler answers /metrics, /healthz, and /readyz: 503 with the text of the error, if ready returns one.
func (c *Counters) Handler(ready func() error) http.Handler {
	registry := prometheus.NewRegistry()
	registry.MustRegister(c, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{MaxRequestsInFlight: 8}))
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte("ok\n")) })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		if err := ready(); err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
			return
		}
		w.Write([]byte("ok\n"))
	})
	return mux
}
