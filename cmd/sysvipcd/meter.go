package main

import (
	"log/slog"
	"maps"
	"slices"
	"sync"
)

// meter is [cluster.Metrics] for the log.
type meter struct {
	mu     sync.Mutex
	values map[string]float64
}

func newMeter() *meter { return &meter{values: map[string]float64{}} }

func (m *meter) Count(name, _ string, n int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.values[name] += float64(n)
}

func (m *meter) Gauge(name, object string, value float64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.values[name] = value
}

// attrs returns what was counted; of no meter, nothing.
func (m *meter) attrs() (attrs []any) {
	if m == nil {
		return nil
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, name := range slices.Sorted(maps.Keys(m.values)) {
		attrs = append(attrs, slog.Float64(name, m.values[name]))
	}
	return attrs
}
