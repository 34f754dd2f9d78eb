package dashboard

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sysvipc/sysvipc"
	"github.com/sysvipc/sysvipc/inspect"
)

// Scrapers that come while a snapshot is taken share it.
func TestLooksAreShared(t *testing.T) {
	t.Parallel()
	var taken atomic.Int32
	began, goOn := make(chan struct{}), make(chan struct{})
	looks := &Looks{Fresh: time.Hour, take: func(context.Context, *inspect.Options) (*inspect.Snapshot, error) {
		taken.Add(1)
		close(began)
		<-goOn
		return many(1, 1), nil
	}}
	const scrapers = 8
	var all [scrapers]*Look
	var wg sync.WaitGroup
	for i := range all {
		wg.Go(func() { all[i], _ = looks.Look(t.Context()) })
	}
	<-began
	close(goOn)
	wg.Wait()
	for _, l := range all {
		if l == nil || l != all[0] {
			t.Fatalf("the scrapers got different looks: %v", all)
		}
	}
	if n := taken.Load(); n != 1 {
		t.Errorf("%d snapshots were taken for %d scrapers, want 1", n, scrapers)
	}
}

// While a snapshot hangs, requests are answered in time, and no second snapshot begins.
func TestNoAnswer(t *testing.T) {
	t.Parallel()
	var taken atomic.Int32
	goOn := make(chan struct{})
	defer close(goOn)
	looks := &Looks{take: func(context.Context, *inspect.Options) (*inspect.Snapshot, error) {
		taken.Add(1)
		<-goOn
		return nil, errors.New("no more")
	}}
	h := NewHandler(Options{Collector: &Collector{Looks: looks, Timeout: time.Millisecond}})
	for range 2 {
		got := scrape(t, h)
		if v, ok := got[`sysvipc_collector_success{collector="objects"}`]; !ok || v != 0 {
			t.Errorf("sysvipc_collector_success is %v (there: %v), want 0", v, ok)
		}
		if _, ok := got["sysvipc_segments"]; ok {
			t.Error("there is a number of segments, and nobody knows it")
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := looks.Look(ctx); !errors.Is(err, ErrNoAnswer) || !strings.Contains(err.Error(), "began") {
		t.Errorf("the error is %v", err)
	}
	if n := taken.Load(); n != 1 {
		t.Errorf("%d snapshots began, want 1", n)
	}
}

// A look that fails is no reason to show the numbers of the one before.
func TestFailedLook(t *testing.T) {
	t.Parallel()
	looks := &Looks{take: func(context.Context, *inspect.Options) (*inspect.Snapshot, error) {
		return nil, errors.New("no /proc")
	}}
	h := NewHandler(Options{Collector: &Collector{Looks: looks}})
	if got := scrape(t, h); got[`sysvipc_collector_success{collector="objects"}`] != 0 || got["sysvipc_segments"] != 0 {
		t.Errorf("a failed look has metrics: %v", got)
	}
	if code, text := get(t, h, "/readyz"); code != 503 {
		t.Errorf("/readyz is %d %s, want 503", code, text)
	}
	if code, _ := get(t, h, "/healthz"); code != 200 {
		t.Errorf("/healthz is %d, want 200", code)
	}
}

// Objects that come and go between two looks are counted; those of the first look are not.
func TestCounts(t *testing.T) {
	t.Parallel()
	snap := many(1, 5)
	looks := &Looks{Fresh: 1, take: func(context.Context, *inspect.Options) (*inspect.Snapshot, error) { return snap, nil }}
	look := func() *Look {
		l, err := looks.Look(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return l
	}
	if c := look().Counts; c.Appeared != [kinds]int{} {
		t.Errorf("at first appeared %v", c.Appeared)
	}
	next := many(1, 7)
	next.Objects = next.Objects[2:]
	snap = next
	c := look().Counts
	at := sysvipc.KindQueue - sysvipc.KindSegment
	if c.Appeared[at] != 2 || c.Removed[at] != 2 || c.Looks != 2 {
		t.Errorf("the counts are %+v, want 2 appeared and 2 removed", c)
	}
}

// many is a snapshot of a machine with more of everything than has series.
func many(owners, each int) *inspect.Snapshot {
	snap := &inspect.Snapshot{Time: time.Now(), Complete: true}
	for i := range owners * each {
		o := sysvipc.Object{Kind: sysvipc.KindQueue, ID: i, UID: 100_000 + i%owners, Mode: fs.FileMode(i % 512)}
		snap.Objects = append(snap.Objects, inspect.Object{
			Object: o, Queue: &sysvipc.QueueStat{Object: o, Messages: 1, Bytes: i, MaxBytes: 10 + i},
			Product: &inspect.Product{Name: fmt.Sprint("product ", i%16)}, Verdict: inspect.Verdict{Class: inspect.HasData},
		})
	}
	return snap
}
