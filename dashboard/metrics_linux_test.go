package dashboard

import (
	"context"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/sysvipc/sysvipc"
	"github.com/sysvipc/sysvipc/inspect"
	"github.com/sysvipc/sysvipc/internal/ipctest"
)

// Every number is that of the kernel.
func TestMetrics(t *testing.T) {
	if !ipctest.Alone(t) {
		return
	}
	key := func() sysvipc.Key { return sysvipc.Key(ipctest.Key(t)) }
	seg, err := sysvipc.CreateSegment(key(), 12345, 0o666)
	if err != nil {
		t.Fatal(err)
	}
	defer seg.Remove()
	mem, err := seg.Attach(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer mem.Close()
	set, err := sysvipc.CreateSemaphores(key(), 0o600, 1, 0, 5)
	if err != nil {
		t.Fatal(err)
	}
	defer set.Remove()
	queue, err := sysvipc.CreateQueue(key(), 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer queue.Remove()
	for range 2 {
		if err := queue.Send(t.Context(), 7, []byte("hello")); err != nil {
			t.Fatal(err)
		}
	}
	wait, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- set.At(1).Acquire(wait, 1) }()
	defer func() { cancel(); <-ended }()
	ipctest.WaitBlockedOn(t, 0, "sem", set.ID(), 1)

	h := NewHandler(Options{Collector: &Collector{
		Looks: &Looks{}, Objects: func(o *inspect.Object) bool { return o.Queue != nil || o.Set != nil }, MaxObjects: 1,
	}})
	got := scrape(t, h)
	lim, err := sysvipc.ReadLimits()
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]float64{
		"sysvipc_segments":                               1,
		"sysvipc_segments_limit":                         float64(lim.Segments.Max),
		"sysvipc_segments_allocated_bytes":               float64(lim.Segments.Pages) * 4096,
		"sysvipc_segment_size_limit_bytes":               float64(lim.Segments.MaxSize),
		"sysvipc_segment_bytes":                          12345,
		"sysvipc_segment_attaches":                       1,
		"sysvipc_semaphore_sets":                         1,
		"sysvipc_semaphores":                             3,
		"sysvipc_semaphores_limit":                       float64(lim.Semaphores.MaxTotal),
		"sysvipc_queues":                                 1,
		"sysvipc_queue_size_default_bytes":               float64(lim.Queues.DefaultMaxBytes),
		"sysvipc_messages":                               2,
		"sysvipc_message_bytes":                          10,
		`sysvipc_waiting_threads{operation="operate"}`:   1,
		"sysvipc_deadlocks":                              0,
		`sysvipc_objects{type="shm",verdict="in-use"}`:   1,
		`sysvipc_findings{check="world-writable"}`:       1,
		`sysvipc_world_writable_objects{product=""}`:     1,
		"sysvipc_objects_selected":                       2,
		"sysvipc_objects_left_out":                       1,
		`sysvipc_collector_success{collector="objects"}`: 1,
		`sysvipc_objects_appeared_total{type="shm"}`:     0,
		"sysvipc_snapshots_total":                        1,
	} {
		if value, ok := got[name]; !ok || value != want {
			t.Errorf("%s is %v (there: %v), want %v", name, value, ok, want)
		}
	}
}

func TestSeriesAreBounded(t *testing.T) {
	t.Parallel()
	snap := many(500, 20)
	h := NewHandler(Options{Collector: &Collector{Looks: &Looks{
		take: func(context.Context, *inspect.Options) (*inspect.Snapshot, error) { return snap, nil },
	}}})
	got := scrape(t, h)
	if len(got) > 300 {
		t.Errorf("there are %d series, want at most 300", len(got))
	}
	objects, bytes := 0.0, 0.0
	for name, value := range got {
		switch {
		case strings.HasPrefix(name, "sysvipc_owner_objects{"):
			objects += value
		case strings.HasPrefix(name, "sysvipc_owner_bytes{"):
			bytes += value
		}
	}
	if want := 10_000.0; objects != want {
		t.Errorf("the owners have %v objects together, want %v", objects, want)
	}
	if want := got["sysvipc_message_bytes"]; bytes != want {
		t.Errorf("the owners have %v bytes together, want %v", bytes, want)
	}
	if n := got[`sysvipc_owner_objects{owner="other",type="msg",uid="other"}`]; n != 9600 {
		t.Errorf("the others have %v objects, want 9600", n)
	}
}

// Prometheus' own check of names, types and help.
func TestPromtoolCheckMetrics(t *testing.T) {
	t.Parallel()
	promtool := needPromtool(t)
	h := NewHandler(Options{Collector: &Collector{
		Looks: &Looks{}, Objects: func(*inspect.Object) bool { return true }, Namespaces: true,
	}})
	_, text := get(t, h, "/metrics")
	cmd := exec.Command(promtool, "check", "metrics")
	cmd.Stdin = strings.NewReader(text)
	if out, err := cmd.CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("promtool check metrics: %v\n%s", err, out)
	}
}

// A namespace has the names of its container, pod and unit, a few of them, in what Prometheus takes for text.
func TestNamespaceLabels(t *testing.T) {
	t.Parallel()
	ns := &inspect.Namespace{Inode: 5, Container: "c0ffee", Names: []string{"c0ffee", "web\xff", "pod 7", "nginx.service", "another", "last"}}
	if got := labelsOf(ns); !slices.Equal(got, []string{"5", "c0ffee", "web\ufffd, pod 7, nginx.service, …"}) {
		t.Errorf("got %q", got)
	}
	if got := labelsOf(&inspect.Namespace{Inode: 6}); !slices.Equal(got, []string{"6", "", ""}) {
		t.Errorf("got %q", got)
	}
}

func needPromtool(t *testing.T) string {
	t.Helper()
	path, err := exec.LookPath("promtool")
	if err != nil {
		t.Skip("needs promtool, Debian's package prometheus")
	}
	return path
}
