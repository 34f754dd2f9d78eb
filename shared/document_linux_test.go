package shared

import (
	"bytes"
	"context"
	"encoding/gob"
	"errors"
	"io/fs"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sysvipc/sysvipc"
	"github.com/sysvipc/sysvipc/internal/ipctest"
	"github.com/sysvipc/sysvipc/shared/internal/core"
)

type settings struct {
	Name   string
	Limits map[string][]int
	Inner  *settings
}

func docAt[T any](t testing.TB, key int32, capacity int) (*Region, *Doc[T]) {
	t.Helper()
	r, err := EnsureKey(context.Background(), sysvipc.Key(key), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.Close() })
	d, err := DocOf[T](r, "d", capacity)
	if err != nil {
		t.Fatal(err)
	}
	return r, d
}

func wantDoc[T any](t *testing.T, d *Doc[T], want T) {
	t.Helper()
	got, err := d.Load()
	if diff := cmp.Diff(got, want); diff != "" || err != nil {
		t.Errorf("got, want: %s (%v)", diff, err)
	}
}

func TestDoc(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	key := ipctest.Key(t)
	_, d := docAt[settings](t, key, 200)
	wantDoc(t, d, settings{})
	a := settings{Name: "a", Limits: map[string][]int{"x": {1, 2}}, Inner: &settings{Name: "b"}}
	mustNot(t, d.Store(ctx, a))
	wantDoc(t, d, a)
	_, other := docAt[settings](t, key, 200) // of another participant
	mustNot(t, other.Update(ctx, func(s *settings) error { s.Limits["y"] = []int{3}; return nil }))
	a.Limits["y"] = []int{3}
	wantDoc(t, d, a)

	// What fails leaves the old value.
	if err := d.Store(ctx, settings{Name: strings.Repeat("long", 100)}); !errors.Is(err, sysvipc.ErrTooBig) {
		t.Errorf("got %v", err)
	}
	stop := errors.New("stop")
	if err := d.Update(ctx, func(s *settings) error { s.Name = "z"; return stop }); !errors.Is(err, stop) {
		t.Errorf("got %v", err)
	}
	if err := d.Update(ctx, func(s *settings) error { s.Name = strings.Repeat("long", 100); return nil }); !errors.Is(err, sysvipc.ErrTooBig) {
		t.Errorf("got %v", err)
	}
	func() {
		defer func() { _ = recover() }()
		_ = d.Update(ctx, func(s *settings) error { s.Name = "z"; panic("no") })
	}()
	wantDoc(t, d, a)
	for n := range 200 { // all lengths, and shorter after longer
		a.Name = strings.Repeat("x", (n*7)%90)
		mustNot(t, d.Store(ctx, a))
		wantDoc(t, d, a)
	}
	lock := (*core.Node)(d.doc.Region.View.Load().At(d.doc.Offset + core.Line))
	g, _, err := core.LockNode(ctx, lock, core.Door{}, nil)
	mustNot(t, err)
	short, cancel := context.WithTimeout(ctx, time.Millisecond)
	defer cancel()
	if err := d.Store(short, a); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
	wantDoc(t, d, a) // readers do not wait
	g.Unlock(lock)
	mustNot(t, d.doc.Region.Close())
	if _, err := d.Load(); !errors.Is(err, fs.ErrClosed) {
		t.Errorf("got %v", err)
	}
}

type gobCodec struct{}

func (gobCodec) Name() string { return "gob" }
func (gobCodec) Marshal(value any) ([]byte, error) {
	var b bytes.Buffer
	err := gob.NewEncoder(&b).Encode(value)
	return b.Bytes(), err
}

func (gobCodec) Unmarshal(data []byte, value any) error {
	return gob.NewDecoder(bytes.NewReader(data)).Decode(value)
}

func TestDocCodecs(t *testing.T) {
	t.Parallel()
	r, _ := docAt[settings](t, ipctest.Key(t), 100)
	d, err := DocWith[settings](r, "g", 1000, gobCodec{})
	mustNot(t, err)
	a := settings{Name: "gob", Limits: map[string][]int{"x": {1}}}
	mustNot(t, d.Store(t.Context(), a))
	wantDoc(t, d, a)
	_, err = DocOf[settings](r, "g", 1000)
	if want := `it is in "gob", and is declared in "json"`; err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("got %v", err)
	}
	for _, bad := range []func() error{
		func() error { _, err := DocOf[settings](r, "d", 101); return err },
		func() error { _, err := DocOf[settings](r, "e", 0); return err },
		func() error { _, err := VarOf[int64](r, "d"); return err },
	} {
		if err := bad(); err == nil {
			t.Error("no error")
		} else {
			t.Log(err)
		}
	}
	// What one type has stored another may not be able to read.
	x, err := DocOf[string](r, "d", 100)
	mustNot(t, err)
	mustNot(t, x.Store(t.Context(), "text"))
	y, err := DocOf[settings](r, "d", 100)
	mustNot(t, err)
	if _, err := y.Load(); err == nil {
		t.Error("a string as a struct")
	}
	mustNot(t, y.Store(t.Context(), settings{}))
}

func TestDocWatch(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	_, d := docAt[map[string]int](t, ipctest.Key(t), 100)
	got := make(chan int)
	var wg sync.WaitGroup
	wg.Go(func() {
		for m, err := range d.Watch(ctx) {
			if err != nil {
				if !errors.Is(err, context.Canceled) {
					t.Error(err)
				}
				return
			}
			got <- m["n"]
		}
	})
	for n := range 50 {
		if n > 0 {
			mustNot(t, d.Store(ctx, map[string]int{"n": n}))
		}
		if g := <-got; g != n {
			t.Errorf("got %d, want %d", g, n)
		}
	}
	cancel()
	wg.Wait()
}

var docWriter = worker("doc writer", func(c *ipctest.ChildEnv, r *Region) {
	d, err := DocOf[[]int](r, "d", 1000)
	c.Check(err)
	c.Say("ready")
	for { // is killed anywhere
		c.Check(d.Update(context.Background(), func(all *[]int) error {
			n := (*all)[0] + 1
			*all = make([]int, n%100+1)
			for i := range *all {
				(*all)[i] = n
			}
			return nil
		}))
	}
})

func TestDocTorture(t *testing.T) {
	t.Parallel()
	key := ipctest.Key(t)
	_, d := docAt[[]int](t, key, 1000)
	mustNot(t, d.Store(t.Context(), []int{100}))
	for range ipctest.Kills(10) {
		p := startWorker(t, docWriter, key)
		last := 0
		for range 300 {
			all, err := d.Load()
			mustNot(t, err)
			for _, n := range all {
				if n != all[0] || n < last {
					t.Fatalf("torn, or old: %v after %d", all, last)
				}
			}
			last = all[0]
		}
		p.Kill()
	}
}
