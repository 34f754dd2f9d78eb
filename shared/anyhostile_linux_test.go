package shared

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"math/rand/v2"
	"testing"
	"time"
	"unsafe"

	"github.com/sysvipc/sysvipc"
	"github.com/sysvipc/sysvipc/internal/ipctest"
)

// lookAtAll calls everything that does not write, and checks that what it says is bounded.
func lookAtAll(t *testing.T, r *Region) {
	t.Helper()
	good := func(err error) {
		if err != nil && !errors.Is(err, errCorrupt) && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, io.EOF) &&
			!errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, ErrChanClosed) && len(err.Error()) < 20 {
			t.Errorf("%v", err)
		}
	}
	value := func(typ *Type, b []byte) {
		if text := typ.AppendJSON(nil, b); !json.Valid(text) || typ.Size() > 1<<20 {
			t.Errorf("%d bytes: %q", typ.Size(), text)
		}
		_ = typ.GoString()
	}
	things, err := r.Things()
	good(err)
	_, err = r.Participants()
	good(err)
	for _, d := range things {
		a, err := r.Any(d.Name)
		good(err)
		if err != nil {
			continue
		}
		b, err := a.Load()
		good(err)
		if err == nil {
			value(a.Type, b)
		}
		_, err = a.Position()
		good(err)
		_, err = a.LockState()
		good(err)
		_, err = a.Len()
		good(err)
		_, err = a.LoadDoc()
		good(err)
		n := 0
		for e, err := range a.Entries() {
			if good(err); err == nil {
				value(a.Key, e.Key)
				value(a.Type, e.Value)
			}
			if n++; n > 100 {
				t.Fatal("more entries than cells")
			}
		}
		if a.Key != nil {
			_, _, err = a.LoadKey(make([]byte, a.Key.Size()))
			good(err)
		}
		if q, err := a.Records(); err == nil {
			ctx, cancel := context.WithTimeout(context.Background(), time.Millisecond)
			good(q.Send(ctx, []byte("text")))
			_, err = q.Receive(ctx, nil)
			good(err)
			cancel()
		}
		if r.slot >= 0 && a.Type != nil {
			ctx, cancel := context.WithTimeout(context.Background(), time.Millisecond)
			good(a.Send(ctx, make([]byte, a.Type.Size())))
			_, err = a.Receive(ctx)
			good(err)
			good(a.Publish(ctx, make([]byte, a.Type.Size())))
			if s, err := a.Subscribe(Lossy); err == nil {
				_, _, err = s.Next(ctx)
				good(err)
				good(s.Close())
			}
			cancel()
		}
	}
}

func TestAnyHostile(t *testing.T) {
	t.Parallel()
	r, err := EnsureKey(t.Context(), sysvipc.Key(ipctest.Key(t)), &Options{Size: 1 << 18, Entries: 16, Participants: 4})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.Close() })
	type pair struct {
		A [3]struct {
			B int16
			C float64
		}
		D String[[9]byte]
	}
	_, err1 := VarOf[pair](r, "x")
	_, err2 := VarOf[bool](r, "w")
	_, err3 := ChanOf[pair](r, "c", 4)
	m, err4 := MapOf[int32, pair](r, "m", 20)
	_, err5 := MutexOf(r, "mu")
	_, err6 := TopicOf[pair](r, "t", 4)
	d, err7 := DocOf[string](r, "d", 20)
	q, err8 := RecordsOf(r, "q", 512)
	if err := errors.Join(err1, err2, err3, err4, err5, err6, err7, err8, q.Send(t.Context(), []byte("record")), d.Store(t.Context(), "text"), m.Store(t.Context(), 5, pair{})); err != nil {
		t.Fatal(err)
	}
	o, err := Look(r.Segment())
	if err != nil {
		t.Fatal(err)
	}
	defer o.Close()
	v := r.view.Load()
	clean := bytes.Clone(v.bytes)
	rng := rand.New(rand.NewPCG(1, 2))
	end := time.Now().Add(400 * time.Millisecond)
	for round := 0; round < 3000 && time.Now().Before(end); round++ {
		copy(v.bytes[r.plan.table:], clean[r.plan.table:])
		for range 1 + rng.IntN(8) {
			e := (*entry)(v.at(r.plan.table + rng.Uint64N(16)*entryLen))
			switch rng.IntN(4) {
			case 0: // some word of an entry
				*(*uint64)(unsafe.Add(unsafe.Pointer(e), 8*rng.IntN(entryLen/8))) = hostileWord(rng)
			case 1: // a number in the text of a shape
				e.shape[rng.IntN(60)] = "0123456789[]{}:@,/iu"[rng.IntN(20)]
				if s, err := parseShape(string(e.shape[:min(e.shapeLen, 304)])); err == nil {
					s.size = int(e.params[0])
					e.fingerprint = s.fingerprint() // a liar who can compute
				}
			case 2:
				e.kind = rng.Uint32N(10)
			default: // anywhere
				*(*uint64)(v.at(r.plan.heap + rng.Uint64N((r.config.size-r.plan.heap)/64/8)*8)) = hostileWord(rng)
			}
		}
		lookAtAll(t, o.r)
		if round%8 == 0 {
			lookAtAll(t, r)
		}
	}
	copy(v.bytes[r.plan.table:], clean[r.plan.table:])
}

// Texts that cannot be true.
func TestTypeOf(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		text string
		size uint64
	}{
		{"", 8},
		{":i64@0", 4},
		{":i64@8", 8},
		{"A:i64@0,B:i64@4", 16},
		{"A:i64@0,B:i64@8", 12},
		{"A:[2147483648]i64@0", 16},
		{"A:[3]{B:[2147483648]{C:u8@0}/0@0}/8@0", 24},
		{"A:{B:i64@0}/4@0", 8},
		{"A:[1000]u8@0,B:[1000]u8@0", 1000},
	} {
		s, _ := parseShape(c.text)
		s.size = int(c.size)
		if typ, err := typeOf(c.text, c.size, s.fingerprint()); err == nil {
			t.Errorf("%s in %d bytes: got %s", c.text, c.size, typ.GoString())
		}
	}
}

func FuzzTypeOf(f *testing.F) {
	f.Add("A:i64@0,B:[3]{C:u8@0,D:[2]f32@4}/12@8", uint64(48))
	f.Add(":[2]{:[3]i16@0}/6@0", uint64(12))
	f.Fuzz(func(t *testing.T, text string, size uint64) {
		s, err := parseShape(text)
		if err != nil || size > 4096 {
			return
		}
		s.size = int(size)
		typ, err := typeOf(text, size, s.fingerprint())
		if err != nil {
			return
		}
		out := typ.AppendJSON(nil, make([]byte, typ.Size()))
		if !json.Valid(out) {
			t.Fatalf("%s", out)
		}
		_ = typ.ParseJSON(make([]byte, typ.Size()), out)
	})
}
