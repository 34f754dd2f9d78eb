package dynamic_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/sysvipc/sysvipc"
	"github.com/sysvipc/sysvipc/internal/ipctest"
	"github.com/sysvipc/sysvipc/shared"
	"github.com/sysvipc/sysvipc/shared/dynamic"
)

// watched is what the tests of watching have in a region.
type watched struct {
	*shared.Region
	count *shared.Counter
	table *shared.Map[int32, [2]int64]
}

func openWatched(key int32) (*watched, error) {
	r, err := shared.EnsureKey(context.Background(), sysvipc.Key(key), nil)
	if err != nil {
		return nil, err
	}
	c, err1 := shared.CounterOf(r, "counter")
	m, err2 := shared.MapOf[int32, [2]int64](r, "map", 3000) // of two stripes
	return &watched{r, c, m}, errors.Join(err1, err2)
}

func watchedIn(t *testing.T) (w *watched, key int32) {
	t.Helper()
	key = ipctest.Key(t)
	w, err := openWatched(key)
	mustDo(t, err)
	t.Cleanup(func() { _ = w.Close() })
	return w, key
}

// watchers yield what a way of watching has seen, as text, when k is the key.
var watchers = map[string]func(ctx context.Context, w *watched) iter.Seq2[string, error]{
	"counter": func(ctx context.Context, w *watched) iter.Seq2[string, error] {
		return told(w.count.Watch(ctx), func(n int64) string { return fmt.Sprint(n) })
	},
	"map": func(ctx context.Context, w *watched) iter.Seq2[string, error] {
		return told(w.table.Watch(ctx, 7), func(v *[2]int64) string {
			if v == nil {
				return "0"
			}
			return fmt.Sprint(v[0])
		})
	},
	"any counter": func(ctx context.Context, w *watched) iter.Seq2[string, error] {
		found, err := dynamic.Of(w.Region).Find("counter")
		if err != nil {
			return failing(err)
		}
		a := found.(*dynamic.Counter)
		return told(a.Watch(ctx), func(b []byte) string { return string(a.Type.AppendJSON(nil, b)) })
	},
	"any key": func(ctx context.Context, w *watched) iter.Seq2[string, error] {
		found, err := dynamic.Of(w.Region).Find("map")
		if err != nil {
			return failing(err)
		}
		a := found.(*dynamic.Map)
		return told(a.Watch(ctx, []byte{7, 0, 0, 0}), func(b []byte) string {
			if b == nil {
				return "0"
			}
			return fmt.Sprint(binary.NativeEndian.Uint64(b[:8]))
		})
	},
	"any entries": func(ctx context.Context, w *watched) iter.Seq2[string, error] {
		found, err := dynamic.Of(w.Region).Find("map")
		if err != nil {
			return failing(err)
		}
		a := found.(*dynamic.Map)
		return func(yield func(string, error) bool) {
			if !yield("0", nil) { // it is empty, which nothing says
				return
			}
			for e, err := range a.WatchAll(ctx) {
				text := "0"
				if err == nil && e.Value != nil {
					text = fmt.Sprint(binary.NativeEndian.Uint64(e.Value[:8]))
				}
				if !yield(text, err) {
					return
				}
			}
		}
	},
}

func told[T any](all iter.Seq2[T, error], text func(T) string) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		for value, err := range all {
			if err != nil {
				yield("", err)
				return
			}
			if !yield(text(value), nil) {
				return
			}
		}
	}
}

func failing(err error) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) { yield("", err) }
}

// change makes n what a way of watching shows next; 0 deletes the entry.
func (w *watched) change(ctx context.Context, how string, n int64) error {
	if how == "counter" || how == "any counter" {
		return w.count.Store(n)
	}
	if n == 0 {
		_, err := w.table.Delete(ctx, 7)
		return err
	}
	return w.table.Store(ctx, 7, [2]int64{n, 1})
}

var watcher = ipctest.Register("watcher", func(c *ipctest.ChildEnv) {
	key, err := strconv.Atoi(c.Args[0])
	c.Check(err)
	w, err := openWatched(int32(key))
	c.Check(err)
	for text, err := range watchers[c.Args[1]](context.Background(), w) {
		c.Check(err)
		c.Say("%s", text)
	}
})

// A watcher in another process is woken by each change, and looks at nothing by itself: were it
// to look now and then, either so many changes would take too long to be seen, or it would run
// while there is none.
func TestWatchDoesNotPoll(t *testing.T) {
	t.Parallel()
	const changes, still = 60, 300 * time.Millisecond
	for how := range watchers {
		t.Run(how, func(t *testing.T) {
			t.Parallel()
			ctx := t.Context()
			w, key := watchedIn(t)
			p := ipctest.Start(t, watcher, nil, strconv.Itoa(int(key)), how)
			p.Expect("0")
			start := time.Now()
			for i := range int64(changes) {
				n := (i + 1) % 5
				mustDo(t, w.change(ctx, how, n))
				p.Expect(fmt.Sprint(n))
			}
			if took := time.Since(start); took > changes*still {
				t.Errorf("%d changes were seen in %v", changes, took)
			}
			idle := false
			for deadline := time.Now().Add(time.Minute); !idle && time.Now().Before(deadline); {
				before := timeslices(t, p.PID)
				time.Sleep(still)
				idle = maps.Equal(before, timeslices(t, p.PID))
			}
			if !idle {
				t.Error("it runs while nothing changes")
			}
			mustDo(t, w.change(ctx, how, 77))
			p.Expect("77")
		})
	}
}

// Each way of changing a counter, or an entry of a map, wakes who watches it from another
// process and sleeps.
func TestWatchWakesAtEachWay(t *testing.T) {
	t.Parallel()
	type way struct {
		shown string // by the watcher then
		do    func(ctx context.Context, w *watched) error
	}
	key := []byte{7, 0, 0, 0}
	for how, ways := range map[string][]way{
		"counter": {
			{"1", func(_ context.Context, w *watched) error { _, err := w.count.Add(1); return err }},
			{"2", func(_ context.Context, w *watched) error { return w.count.Store(2) }},
			{"3", func(_ context.Context, w *watched) error { _, err := w.count.CompareAndSwap(2, 3); return err }},
			{"4", func(ctx context.Context, w *watched) error {
				found, err := dynamic.Of(w.Region).Find("counter")
				if err != nil {
					return err
				}
				return found.(*dynamic.Counter).Update(ctx, func(value []byte) error { value[0]++; return nil })
			}},
		},
		"map": {
			{"1", func(ctx context.Context, w *watched) error { return w.table.Store(ctx, 7, [2]int64{1}) }},
			{"2", func(ctx context.Context, w *watched) error { return w.table.Store(ctx, 7, [2]int64{2}) }},
			{"3", func(ctx context.Context, w *watched) error {
				return w.table.Update(ctx, 7, func(v *[2]int64, _ bool) shared.Action { v[0]++; return shared.Store })
			}},
			{"4", func(ctx context.Context, w *watched) error {
				_, err := w.table.CompareAndSwap(ctx, 7, [2]int64{3}, [2]int64{4})
				return err
			}},
			{"0", func(ctx context.Context, w *watched) error { _, err := w.table.Delete(ctx, 7); return err }},
			{"6", func(ctx context.Context, w *watched) error {
				_, _, err := w.table.LoadOrStore(ctx, 7, [2]int64{6})
				return err
			}},
			{"7", func(ctx context.Context, w *watched) error {
				found, err := dynamic.Of(w.Region).Find("map")
				if err != nil {
					return err
				}
				return found.(*dynamic.Map).Update(ctx, key, func(value []byte, _ bool) (shared.Action, error) { value[0]++; return shared.Store, nil })
			}},
			{"0", func(ctx context.Context, w *watched) error {
				found, err := dynamic.Of(w.Region).Find("map")
				if err != nil {
					return err
				}
				_, err = found.(*dynamic.Map).Delete(ctx, key)
				return err
			}},
		},
	} {
		t.Run(how, func(t *testing.T) {
			t.Parallel()
			w, key := watchedIn(t)
			p := ipctest.Start(t, watcher, nil, strconv.Itoa(int(key)), how)
			p.Expect("0")
			for _, way := range ways {
				mustDo(t, ipctest.UntilInCall(t.Context(), p.PID, func(number int, _ [3]uint64) bool { return number == unix.SYS_FUTEX_WAITV }))
				mustDo(t, way.do(t.Context(), w))
				p.Expect(way.shown)
			}
		})
	}
}

// timeslices returns how often each thread of a process has run.
func timeslices(t *testing.T, pid int) map[string]string {
	t.Helper()
	all, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", pid))
	if err != nil || len(all) == 0 {
		t.Fatalf("no threads of process %d: %v", pid, err)
	}
	counts := make(map[string]string)
	for _, name := range all {
		text, err := os.ReadFile(name)
		if err != nil {
			continue // the thread has ended
		}
		counts[name] = string(text)
	}
	return counts
}

// What changes beside a watcher is not told twice, nor what is another key's, nor an entry that
// moves since another was deleted.
func TestWatchTellsOfItsKeyOnly(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	w, _ := watchedIn(t)
	for k := range int32(2000) {
		mustDo(t, w.table.Store(ctx, k, [2]int64{int64(k)}))
	}
	next, stop := iter.Pull2(w.table.Watch(ctx, 7))
	defer stop()
	value, err, _ := next()
	mustDo(t, err)
	if *value != [2]int64{7} {
		t.Errorf("got %v", *value)
	}
	value[0] = 99 // it is ours
	for k := range int32(2000) {
		if k != 7 {
			_, err := w.table.Delete(ctx, k)
			mustDo(t, err)
		}
	}
	mustDo(t, w.table.Store(ctx, 8, [2]int64{1}), w.table.Store(ctx, 7, [2]int64{7}))
	swapped, err := w.table.CompareAndSwap(ctx, 7, [2]int64{7}, [2]int64{8})
	if !swapped || err != nil {
		t.Fatal(swapped, err)
	}
	if value, err, _ = next(); err != nil || *value != [2]int64{8} {
		t.Errorf("got %v, %v", value, err)
	}
	cancel()
	if value, err, _ = next(); value != nil || !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, %v", value, err)
	}
	if _, _, ok := next(); ok {
		t.Error("it goes on after an error")
	}
}

// A watcher that follows the changes of a whole map comes to have what is in it.
func TestWatchEntries(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	w, _ := watchedIn(t)
	mustDo(t, w.table.Store(ctx, 1, [2]int64{1}))
	var writers sync.WaitGroup
	for range 3 {
		writers.Go(func() {
			for range 3000 {
				k := rand.Int32N(300)
				var err error
				if rand.IntN(3) == 0 {
					_, err = w.table.Delete(ctx, k)
				} else {
					err = w.table.Store(ctx, k, [2]int64{rand.Int64N(3), 5})
				}
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	go func() {
		writers.Wait()
		for k := int32(300); k < 400; k++ { // the last that is to be seen
			_ = w.table.Store(ctx, k, [2]int64{int64(k)})
		}
	}()
	got := make(map[int32][2]int64)
	last := 0
	for e, err := range found[*dynamic.Map](t, dynamic.Of(w.Region), "map").WatchAll(ctx) {
		mustDo(t, err)
		k := int32(binary.NativeEndian.Uint32(e.Key))
		if e.Value == nil {
			if _, ok := got[k]; !ok {
				t.Errorf("key %d is deleted, and was not there", k)
			}
			delete(got, k)
		} else {
			value := [2]int64{int64(binary.NativeEndian.Uint64(e.Value[:8])), int64(binary.NativeEndian.Uint64(e.Value[8:]))}
			if old, ok := got[k]; ok && old == value {
				t.Errorf("key %d: %v arrives twice", k, value)
			}
			if got[k] = value; k >= 300 {
				last++
			}
		}
		if last < 100 {
			continue
		}
		want := make(map[int32][2]int64) // it no longer changes
		for e, err := range w.table.All(ctx) {
			mustDo(t, err)
			want[e.Key] = e.Value
		}
		if maps.Equal(got, want) {
			return
		}
	}
}

// A watch ends with the region, and refuses what it cannot follow.
func TestWatchEnds(t *testing.T) {
	t.Parallel()
	for how, watch := range watchers {
		t.Run(how, func(t *testing.T) {
			t.Parallel()
			w, _ := watchedIn(t)
			seen := make(chan error, 1)
			go func() {
				var last error
				for _, err := range watch(context.Background(), w) {
					if last = err; err == nil {
						seen <- nil
					}
				}
				seen <- last
			}()
			<-seen
			mustDo(t, w.Close())
			if err := <-seen; !errors.Is(err, fs.ErrClosed) {
				t.Errorf("got %v, want ErrClosed", err)
			}
			for _, err := range watch(t.Context(), w) {
				if !errors.Is(err, fs.ErrClosed) {
					t.Errorf("got %v, want ErrClosed", err)
				}
			}
		})
	}
	w, _ := watchedIn(t)
	for _, err := range found[*dynamic.Map](t, dynamic.Of(w.Region), "map").Watch(t.Context(), []byte{1}) {
		if err == nil {
			t.Error("a key of one byte is watched")
		}
	}
	o, err := dynamic.Look(w.Segment())
	mustDo(t, err)
	defer o.Close()
	a := found[*dynamic.Counter](t, &o.Region, "counter")
	for _, err := range a.Watch(t.Context()) {
		if !errors.Is(err, dynamic.ErrReadOnly) {
			t.Errorf("got %v, want ErrReadOnly", err)
		}
	}
}
