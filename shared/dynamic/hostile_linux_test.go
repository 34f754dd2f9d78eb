package dynamic_test

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
	"github.com/sysvipc/sysvipc/shared"
	"github.com/sysvipc/sysvipc/shared/dynamic"
	"github.com/sysvipc/sysvipc/shared/internal/core"
	"github.com/sysvipc/sysvipc/shared/shape"
)

// hostileWord is what a peer may write: anything, or what is nearly right.
func hostileWord(rng *rand.Rand) uint64 {
	switch rng.IntN(4) {
	case 0:
		return rng.Uint64()
	case 1:
		return ^uint64(0)
	case 2:
		return rng.Uint64N(64)
	}
	return 1 << rng.IntN(64)
}

// lookAtAll calls everything that does not write, and what writes if the region is not only
// read, and checks that what it says is bounded.
func lookAtAll(t *testing.T, r *dynamic.Region, reads bool) {
	t.Helper()
	good := func(err error) {
		if err != nil && !errors.Is(err, core.ErrCorrupt) && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, io.EOF) &&
			!errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, shared.ErrChanClosed) && len(err.Error()) < 20 {
			t.Errorf("%v", err)
		}
	}
	value := func(typ *shape.Type, b []byte, err error) {
		good(err)
		if err != nil {
			return
		}
		if text := typ.AppendJSON(nil, b); !json.Valid(text) || typ.Size() > 1<<20 {
			t.Errorf("%d bytes: %q", typ.Size(), text)
		}
		_ = typ.GoString()
	}
	all, err := r.All()
	good(err)
	_, err = r.Participants()
	good(err)
	ctx, cancel := context.WithTimeout(context.Background(), time.Millisecond)
	defer cancel()
	for _, s := range all {
		_, err := r.Find(s.Describe().Name)
		good(err)
		if c, ok := s.(interface {
			Position() (dynamic.Position, error)
		}); ok {
			_, err = c.Position()
			good(err)
		}
		if c, ok := s.(interface{ Len() (int, error) }); ok {
			_, err = c.Len()
			good(err)
		}
		if c, ok := s.(interface {
			Holds() ([]dynamic.Hold, error)
		}); ok {
			_, err = c.Holds()
			good(err)
		}
		switch s := s.(type) {
		case *dynamic.Var:
			b, err := s.Load()
			value(s.Type, b, err)
		case *dynamic.Counter:
			b, err := s.Load()
			value(s.Type, b, err)
		case *dynamic.Mutex:
			_, err = s.State()
			good(err)
		case *dynamic.Doc:
			_, err = s.Load()
			good(err)
		case *dynamic.Map:
			n := 0
			for e, err := range s.All(ctx) {
				if value(s.Key, e.Key, err); err == nil {
					value(s.Type, e.Value, nil)
				}
				if n++; n > 100 {
					t.Fatal("more entries than cells")
				}
			}
			_, _, err = s.Load(make([]byte, s.Key.Size()))
			good(err)
		}
		if reads {
			continue
		}
		switch s := s.(type) {
		case *dynamic.Records:
			good(s.Send(ctx, []byte("text")))
			_, err = s.Receive(ctx)
			good(err)
		case *dynamic.Chan:
			good(s.Send(ctx, make([]byte, s.Type.Size())))
			_, err = s.Receive(ctx)
			good(err)
		case *dynamic.Topic:
			good(s.Publish(ctx, make([]byte, s.Type.Size())))
			if sub, err := s.Subscribe(shared.Lossy); err == nil {
				_, _, err = sub.Next(ctx)
				good(err)
				good(sub.Close())
			}
		}
	}
}

func TestHostile(t *testing.T) {
	t.Parallel()
	r, err := shared.EnsureKey(t.Context(), sysvipc.Key(ipctest.Key(t)), &shared.Options{Size: 1 << 18, Entries: 16, Participants: 4})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.Close() })
	type pair struct {
		A [3]struct {
			B int16
			C float64
		}
		D shared.String[[9]byte]
	}
	_, err1 := shared.VarOf[pair](r, "x")
	_, err2 := shared.VarOf[bool](r, "w")
	_, err3 := shared.ChanOf[pair](r, "c", 4)
	m, err4 := shared.MapOf[int32, pair](r, "m", 20)
	_, err5 := shared.MutexOf(r, "mu")
	_, err6 := shared.TopicOf[pair](r, "t", 4)
	d, err7 := shared.DocOf[string](r, "d", 20)
	q, err8 := shared.RecordsOf(r, "q", 512)
	if err := errors.Join(err1, err2, err3, err4, err5, err6, err7, err8, q.Send(t.Context(), []byte("record")), d.Store(t.Context(), "text"), m.Store(t.Context(), 5, pair{})); err != nil {
		t.Fatal(err)
	}
	o, err := dynamic.Look(r.Segment())
	if err != nil {
		t.Fatal(err)
	}
	defer o.Close()
	c := core.Of(r)
	v := c.View.Load()
	clean := bytes.Clone(v.Bytes)
	rng := rand.New(rand.NewPCG(1, 2))
	end := time.Now().Add(400 * time.Millisecond)
	for round := 0; round < 3000 && time.Now().Before(end); round++ {
		copy(v.Bytes[c.Plan.Table:], clean[c.Plan.Table:])
		for range 1 + rng.IntN(8) {
			e := (*core.Entry)(v.At(c.Plan.Table + rng.Uint64N(16)*core.EntryLen))
			switch rng.IntN(4) {
			case 0: // some word of an entry
				*(*uint64)(unsafe.Add(unsafe.Pointer(e), 8*rng.IntN(core.EntryLen/8))) = hostileWord(rng)
			case 1: // a number in the text of a shape
				e.Shape[rng.IntN(60)] = "0123456789[]{}:@,/iu"[rng.IntN(20)]
				if s, err := shape.Parse(string(e.Shape[:min(e.ShapeLen, 304)])); err == nil {
					s.Size = int(e.Params[0])
					e.Fingerprint = s.Fingerprint() // a liar who can compute
				}
			case 2:
				e.Kind = rng.Uint32N(10)
			default: // anywhere
				*(*uint64)(v.At(c.Plan.Heap + rng.Uint64N((uint64(len(v.Bytes))-c.Plan.Heap)/64/8)*8)) = hostileWord(rng)
			}
		}
		lookAtAll(t, &o.Region, true)
		if round%8 == 0 {
			lookAtAll(t, dynamic.Of(r), false)
		}
	}
	copy(v.Bytes[c.Plan.Table:], clean[c.Plan.Table:])
}
