package dynamic_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"math"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sysvipc/sysvipc"
	"github.com/sysvipc/sysvipc/internal/ipctest"
	"github.com/sysvipc/sysvipc/shared"
	"github.com/sysvipc/sysvipc/shared/dynamic"
	"github.com/sysvipc/sysvipc/shared/shape"
)

type point struct{ X, Y int32 }

// every has every kind of field.
type every struct {
	B    bool
	I8   int8
	U8   uint8
	I16  int16
	U16  uint16
	_    [3]uint8
	I32  int32
	U32  uint32
	I64  int64
	U64  uint64
	F32  float32
	F64  float64
	Name shared.String[[8]byte]
	Tags [2]shared.String[[4]byte]
	Grid [2][3]int16
	Path [2]point
	At   point
}

func TestMain(m *testing.M) { ipctest.Main(m) }

func ensure(t testing.TB, key int32) *shared.Region {
	t.Helper()
	r, err := shared.EnsureKey(context.Background(), sysvipc.Key(key), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.Close() })
	return r
}

func mustDo(t testing.TB, errs ...error) {
	t.Helper()
	for _, err := range errs {
		if err != nil {
			t.Fatal(err)
		}
	}
}

// found returns the structure with this name, which is an S.
func found[S dynamic.Structure](t *testing.T, r *dynamic.Region, name string) S {
	t.Helper()
	all, err := r.Find(name)
	if err != nil {
		t.Fatal(err)
	}
	s, ok := all.(S)
	if !ok {
		t.Fatalf("%q is a %T", name, all)
	}
	return s
}

func wantJSON(t *testing.T, typ *shape.Type, value []byte, want any) {
	t.Helper()
	text, err := json.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(text), string(typ.AppendJSON(nil, value))); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestVar(t *testing.T) {
	t.Parallel()
	ctx, r := t.Context(), ensure(t, ipctest.Key(t))
	x, err := shared.VarOf[every](r, "x")
	if err != nil {
		t.Fatal(err)
	}
	want := every{
		B: true, I8: -8, U8: 200, I16: -1600, U16: 60000, I32: -1 << 31, U32: math.MaxUint32, I64: math.MinInt64, U64: math.MaxUint64,
		F32: 1.5, F64: 1e300, Grid: [2][3]int16{{1, 2, 3}, {4, 5, 6}}, Path: [2]point{{1, 2}, {3, 4}}, At: point{5, 6},
	}
	mustDo(t, want.Name.Set("Grüße"), want.Tags[1].Set("\"\\"), x.Store(ctx, want))
	a := found[*dynamic.Var](t, dynamic.Of(r), "x")
	value, err := a.Load()
	if err != nil {
		t.Fatal(err)
	}
	wantJSON(t, a.Type, value, want)

	// The text of one value makes another one the same.
	other := make([]byte, a.Type.Size())
	mustDo(t, a.Type.ParseJSON(other, a.Type.AppendJSON(nil, value)))
	wantJSON(t, a.Type, other, want)

	// What the text does not name stays.
	mustDo(t, a.Update(ctx, func(value []byte) error { return a.Type.ParseJSON(value, []byte(`{"I8":7,"At":{"Y":-1}}`)) }))
	want.I8, want.At.Y = 7, -1
	if got, err := x.Load(); got != want || err != nil {
		t.Errorf("got %+v (%v), want %+v", got, err, want)
	}
	if err := a.Update(ctx, func([]byte) error { return io.EOF }); !errors.Is(err, io.EOF) {
		t.Errorf("got %v, want the error of change", err)
	}
	for text, complaint := range map[string]string{
		`{"I8":128}`:               "I8: 128 is no i8",
		`{"At":{"Z":1}}`:           `At: no field is called "Z": there are X, Y`,
		`{"_":[1,2,3]}`:            `no field is called "_"`,
		`{"Grid":[[1,2,3],[1,2]]}`: "Grid[1]: want a list of 3, got a list of 2",
		`{"Name":"longer than 8"}`: "Name: a text of 13 bytes where 8 have room",
		`{"Name":"a\u0000b"}`:      "Name: a text with a NUL",
		`{"U64":-1}`:               "U64: -1 is no u64",
		`{"U64":1.5}`:              "U64: 1.5 is no u64",
		`{"B":1}`:                  "B: 1 is no bool",
		`[]`:                       "want an object with the fields B, I8",
		`{} {}`:                    "more behind",
		`{"B":`:                    "ends too early",
		``:                         "ends too early",
	} {
		err := a.Type.ParseJSON(other, []byte(text))
		if err == nil || !strings.Contains(err.Error(), complaint) {
			t.Errorf("%s: got %v, want %q", text, err, complaint)
		}
	}
}

// Small values are one word; floats that JSON has no word for are strings; arrays of bytes
// take texts.
func TestSmall(t *testing.T) {
	t.Parallel()
	ctx, r := t.Context(), ensure(t, ipctest.Key(t))
	f, err := shared.VarOf[float32](r, "f")
	if err != nil {
		t.Fatal(err)
	}
	b, err := shared.VarOf[[6]uint8](r, "b")
	if err != nil {
		t.Fatal(err)
	}
	n, err := shared.CounterOf(r, "n")
	if err != nil {
		t.Fatal(err)
	}
	set := func(name, text string) string {
		all, err := dynamic.Of(r).Find(name)
		mustDo(t, err)
		a := all.(interface {
			dynamic.Structure
			Load() ([]byte, error)
			Update(ctx context.Context, change func(value []byte) error) error
		})
		typ := a.Describe().Type
		mustDo(t, a.Update(ctx, func(value []byte) error { return typ.ParseJSON(value, []byte(text)) }))
		value, err := a.Load()
		if err != nil {
			t.Fatal(err)
		}
		return string(typ.AppendJSON(nil, value))
	}
	for _, c := range [][3]string{
		{"f", "2.5", "2.5"},
		{"f", `"-Inf"`, `"-Inf"`},
		{"f", `"NaN"`, `"NaN"`},
		{"b", `"abc"`, "[97,98,99,0,0,0]"},
		{"n", "-5", "-5"},
	} {
		if got := set(c[0], c[1]); got != c[2] {
			t.Errorf("%s: %s gave %s, want %s", c[0], c[1], got, c[2])
		}
	}
	x, err1 := f.Load()
	y, err2 := b.Load()
	z, err3 := n.Load()
	mustDo(t, err1, err2, err3)
	if !math.IsNaN(float64(x)) || y != [6]uint8{'a', 'b', 'c'} || z != -5 {
		t.Errorf("got %v %v %v", x, y, z)
	}
	if p, err := found[*dynamic.Counter](t, dynamic.Of(r), "n").Position(); p.In != ^uint64(4) || err != nil {
		t.Errorf("got %v (%v)", p, err)
	}
}

func TestWatch(t *testing.T) {
	t.Parallel()
	ctx, r := t.Context(), ensure(t, ipctest.Key(t))
	for name, store := range map[string]func(n int64) error{
		"word": func(n int64) error {
			x, err := shared.VarOf[int64](r, "word")
			mustDo(t, err)
			return x.Store(ctx, n)
		},
		"cells": func(n int64) error {
			x, err := shared.VarOf[[2]int64](r, "cells")
			mustDo(t, err)
			return x.Store(ctx, [2]int64{n, n})
		},
	} {
		mustDo(t, store(1))
		a, n := found[*dynamic.Var](t, dynamic.Of(r), name), int64(1)
		for value, err := range a.Watch(ctx) {
			mustDo(t, err)
			if name == "word" {
				wantJSON(t, a.Type, value, n)
			} else {
				wantJSON(t, a.Type, value, [2]int64{n, n})
			}
			if n++; n == 5 {
				break
			}
			mustDo(t, store(n))
		}
		ctx, cancel := context.WithTimeout(ctx, 5*time.Millisecond)
		var err error
		for _, err = range a.Watch(ctx) {
		}
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%s: got %v", name, err)
		}
		cancel()
	}
}

func TestMap(t *testing.T) {
	t.Parallel()
	ctx, r := t.Context(), ensure(t, ipctest.Key(t))
	type id struct {
		Side uint8
		N    int32
	}
	m, err := shared.MapOf[id, point](r, "m", 3000)
	if err != nil {
		t.Fatal(err)
	}
	a := found[*dynamic.Map](t, dynamic.Of(r), "m")
	key := make([]byte, a.Key.Size())
	for i := range key {
		key[i] = 0xff // also between the fields
	}
	mustDo(t, a.Key.ParseJSON(key, []byte(`{"Side":1,"N":77}`)))
	mustDo(t, a.Update(ctx, key, func(value []byte, exists bool) (shared.Action, error) {
		if exists {
			t.Error("it is there already")
		}
		return shared.Store, a.Type.ParseJSON(value, []byte(`{"Y":9}`))
	}))
	if p, ok, err := m.Load(id{1, 77}); p != (point{0, 9}) || !ok || err != nil {
		t.Errorf("got %v %v (%v)", p, ok, err)
	}
	if value, ok, err := a.Load(key); !ok || err != nil {
		t.Error(ok, err)
	} else {
		wantJSON(t, a.Type, value, point{0, 9})
	}
	for i := range 2000 {
		mustDo(t, m.Store(ctx, id{2, int32(i)}, point{1, int32(i)}))
	}
	sum := 0
	for e, err := range a.All(t.Context()) {
		mustDo(t, err)
		var k id
		mustDo(t, json.Unmarshal(a.Key.AppendJSON(nil, e.Key), &k))
		sum += int(k.N)
	}
	if n, err := a.Len(); n != 2001 || err != nil || sum != 77+1999*1000 || a.Cap != 3000 {
		t.Errorf("%d entries (%v) of %d, sum %d", n, err, a.Cap, sum)
	}
	deleted, err := a.Delete(ctx, key)
	again, err2 := a.Delete(ctx, key)
	if !deleted || again || err != nil || err2 != nil {
		t.Error(deleted, again, err, err2)
	}
	mustDo(t, m.Store(ctx, id{1, 77}, point{0, 9}))
	if old, err := a.LoadAndDelete(ctx, key); err != nil {
		t.Error(err)
	} else {
		wantJSON(t, a.Type, old, point{0, 9})
	}
	if old, err := a.LoadAndDelete(ctx, key); old != nil || err != nil {
		t.Errorf("%v, %v: it was deleted", old, err)
	}
	mustDo(t, a.Clear(ctx))
	if n, err := a.Len(); n != 0 || err != nil {
		t.Errorf("%d entries after Clear, %v", n, err)
	}
	if _, ok, err := a.Load(key); ok || err != nil {
		t.Error(ok, err)
	}
	if _, _, err := a.Load(key[1:]); err == nil {
		t.Error("a key that is too short")
	}
}

func TestChan(t *testing.T) {
	t.Parallel()
	ctx, r := t.Context(), ensure(t, ipctest.Key(t))
	c, err := shared.ChanOf[point](r, "c", 32)
	if err != nil {
		t.Fatal(err)
	}
	a := found[*dynamic.Chan](t, dynamic.Of(r), "c")
	mustDo(t, c.Send(ctx, point{1, 2}))
	got, err := a.Receive(ctx)
	mustDo(t, err)
	wantJSON(t, a.Type, got, point{1, 2})
	for i := range 50 {
		mustDo(t, a.Send(ctx, got))
		if i < 40 {
			_, err := c.Receive(ctx)
			mustDo(t, err)
		}
	}
	p, err := a.Position()
	n, err2 := a.Len()
	if p != (dynamic.Position{In: 51, Out: 41}) || n != 10 || err != nil || err2 != nil {
		t.Errorf("%v, %d (%v, %v)", p, n, err, err2)
	}
	mustDo(t, c.Close())
	for range 10 {
		_, err := a.Receive(ctx)
		mustDo(t, err)
	}
	if _, err := a.Receive(ctx); err != io.EOF {
		t.Errorf("got %v, want the end", err)
	}
	if err := a.Send(ctx, got); !errors.Is(err, shared.ErrChanClosed) {
		t.Errorf("got %v", err)
	}
}

// An observer sees everything, changes nothing, and takes no slot.
func TestLook(t *testing.T) {
	t.Parallel()
	ctx, r := t.Context(), ensure(t, ipctest.Key(t))
	x, err := shared.VarOf[every](r, "x")
	mustDo(t, err)
	_, err = shared.ChanOf[point](r, "c", 10)
	mustDo(t, err)
	_, err = shared.MapOf[int64, point](r, "m", 10)
	mustDo(t, err)
	mu, err := shared.MutexOf(r, "mu")
	mustDo(t, err)
	_, err = shared.CounterOf(r, "n")
	mustDo(t, err)
	mustDo(t, x.Store(ctx, every{U8: 9}), mu.Lock(ctx))

	o, err := dynamic.Look(r.Segment())
	if err != nil {
		t.Fatal(err)
	}
	values, err := o.All()
	mustDo(t, err)
	var got []string
	for _, s := range values {
		d := s.Describe()
		text := d.Kind + " " + d.Name
		if d.Type != nil && d.Name != "x" {
			text += " " + d.Type.GoString()
		}
		got = append(got, text)
	}
	want := []string{"var x", "chan c struct{X int32; Y int32}", "map m struct{X int32; Y int32}", "mutex mu", "counter n int64"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if values[1].Describe().Cap != 16 || values[2].Describe().Cap != 10 || values[2].Describe().Key.GoString() != "int64" {
		t.Errorf("got %+v", values[1:3])
	}
	all, err := o.Participants()
	if len(all) != 1 || all[0].PID != os.Getpid() || !all[0].Alive || all[0].UID != os.Getuid() || err != nil {
		t.Errorf("got %+v (%v)", all, err)
	}
	info, err := o.Info()
	if info.Participants != 64 || info.Entries != 4096 || info.Size != 64<<20 || info.Used <= 0 || err != nil {
		t.Errorf("got %+v (%v)", info, err)
	}
	in := &o.Region
	c, m, n, y := found[*dynamic.Chan](t, in, "c"), found[*dynamic.Map](t, in, "m"), found[*dynamic.Counter](t, in, "n"), found[*dynamic.Var](t, in, "x")
	if s, err := found[*dynamic.Mutex](t, in, "mu").State(); !s.Locked || s.Died || s.Lost || err != nil {
		t.Errorf("got %+v (%v)", s, err)
	}
	mustDo(t, mu.Unlock())
	value, err := y.Load()
	mustDo(t, err)
	wantJSON(t, y.Type, value, every{U8: 9})
	if _, err := c.Position(); err != nil {
		t.Error(err)
	}
	point := make([]byte, 8)
	if _, ok, err := m.Load(point); ok || err != nil {
		t.Error(ok, err)
	}
	_, err1 := c.Receive(ctx)
	_, err2 := m.Delete(ctx, point)
	err3 := n.Update(ctx, func([]byte) error { return nil })
	err4 := y.Update(ctx, func([]byte) error { return nil })
	var err5 error
	for _, err5 = range y.Watch(ctx) {
	}
	for i, err := range []error{err1, err2, err3, err4, err5, c.Send(ctx, point)} {
		if !errors.Is(err, dynamic.ErrReadOnly) {
			t.Errorf("%d: got %v, want ErrReadOnly", i, err)
		}
	}
	if _, err := o.Find("none"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v", err)
	}
	mustDo(t, o.Close())
	if _, err := y.Load(); !errors.Is(err, fs.ErrClosed) {
		t.Errorf("got %v", err)
	}
	if err := o.Close(); !errors.Is(err, fs.ErrClosed) {
		t.Errorf("got %v", err)
	}
}

// A type with many fields is described whole.
func TestManyFields(t *testing.T) {
	t.Parallel()
	type ten struct{ Alpha, Bravo, Charlie, Delta, Echo, Foxtrot, Golf, Hotel, India, Juliett int64 }
	type hundred struct{ A, B, C, D, E, F, G, H, I, J ten }
	r := ensure(t, ipctest.Key(t))
	x, err := shared.VarOf[hundred](r, "x")
	mustDo(t, err)
	want := hundred{J: ten{Juliett: 1}}
	mustDo(t, x.Store(t.Context(), want))
	a := found[*dynamic.Var](t, dynamic.Of(r), "x")
	value, err := a.Load()
	mustDo(t, err)
	wantJSON(t, a.Type, value, want)
	_, err = shared.VarOf[struct {
		A ten
		B [9]ten
		C int32
	}](r, "x")
	if err == nil || !strings.Contains(err.Error(), "C i32 at 800 is here and not there") {
		t.Errorf("got %v", err)
	}
}

// An observer of a file.
func TestLookFile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	r, err := shared.EnsureFile(t.Context(), dir+"/region", &shared.Options{Size: 1 << 20, Entries: 16})
	if err != nil {
		t.Fatal(err)
	}
	x, err := shared.VarOf[point](r, "x")
	mustDo(t, err, x.Store(t.Context(), point{3, 4}))
	o, err := dynamic.LookFile(dir + "/region")
	mustDo(t, err)
	a := found[*dynamic.Var](t, &o.Region, "x")
	value, err := a.Load()
	mustDo(t, err)
	wantJSON(t, a.Type, value, point{3, 4})
	all, err := o.Participants()
	if len(all) != 1 || !all[0].Alive || err != nil {
		t.Errorf("got %+v (%v)", all, err)
	}
	// A copy was not opened yet: the participants that stand in it have nothing to do with it.
	bytes, err := os.ReadFile(dir + "/region")
	mustDo(t, err, os.WriteFile(dir+"/copy", bytes, 0o600), os.WriteFile(dir+"/other", []byte("text"), 0o600))
	c, err := dynamic.LookFile(dir + "/copy")
	mustDo(t, err)
	all, err = c.Participants()
	if len(all) != 1 || all[0].Alive || err != nil {
		t.Errorf("got %+v (%v)", all, err)
	}
	mustDo(t, c.Close(), o.Close(), r.Close())
	if _, err := a.Load(); !errors.Is(err, fs.ErrClosed) {
		t.Errorf("got %v", err)
	}
	if _, err := dynamic.LookFile(dir + "/other"); !errors.Is(err, shared.ErrNoRegion) {
		t.Errorf("got %v", err)
	}
	if _, err := dynamic.LookFile(dir + "/none"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v", err)
	}
}

// A text that is not UTF-8 comes back as it was.
func TestTextOfOtherBytes(t *testing.T) {
	t.Parallel()
	r := ensure(t, ipctest.Key(t))
	type texts struct{ A, B shared.String[[4]byte] }
	x, err := shared.VarOf[texts](r, "x")
	mustDo(t, err)
	var want texts
	mustDo(t, want.A.Set("\xe9t\xe9"), want.B.Set("\u20ac"), x.Store(t.Context(), want))
	a := found[*dynamic.Var](t, dynamic.Of(r), "x")
	value, err := a.Load()
	mustDo(t, err)
	text := a.Type.AppendJSON(nil, value)
	if got := string(text); got != "{\"A\":{\"base64\":\"6XTp\"},\"B\":\"\u20ac\"}" {
		t.Errorf("got %s", got)
	}
	clear(value)
	mustDo(t, a.Type.ParseJSON(value, text))
	mustDo(t, a.Update(t.Context(), func(b []byte) error { copy(b, value); return nil }))
	if got, err := x.Load(); got != want || err != nil {
		t.Errorf("got %q (%v)", got, err)
	}
	for text, want := range map[string]string{
		"{\"A\":\"\xe9\"}":            "not UTF-8",
		`{"A":{"base64":"?"}}`:        "A: no base64",
		`{"A":{"base64":"AGE="}}`:     "NUL",
		`{"A":{"base64":"YWJjZGU="}}`: "5 bytes where 4",
		`{"A":{"base64":7}}`:          "want a string",
	} {
		if err := a.Type.ParseJSON(value, []byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
}
