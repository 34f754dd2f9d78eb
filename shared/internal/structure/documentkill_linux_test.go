package structure

import (
	"context"
	"math/rand/v2"
	"testing"
	"unsafe"

	"github.com/sysvipc/sysvipc/internal/ipctest"
	"github.com/sysvipc/sysvipc/shared/internal/core"
)

func docOf(capacity int) func(r *core.Region) (*Doc, error) {
	return func(r *core.Region) (*Doc, error) { return DeclareDoc(r, "d", capacity, "json") }
}

// The points between two steps of a writer, and the value that must then be there; [1] was before.
var docKillPoints = pointsOf("doc", docOf(1000), []killPoint[*Doc, string]{
	{"has the lock", func(d *Doc, v *core.View) { lockNow(d.Region, v, &d.head(v).lock) }, "[1]"},
	{"has written the length", func(d *Doc, v *core.View) { lockNow(d.Region, v, &d.head(v).lock); *(*uint64)(d.cell(v, 2)) = 1 << 40 }, "[1]"},
	{"has written half", func(d *Doc, v *core.View) {
		lockNow(d.Region, v, &d.head(v).lock)
		*(*uint64)(d.cell(v, 2)) = 20
		copy(unsafe.Slice((*byte)(unsafe.Add(d.cell(v, 2), docBytes)), 20), "[2,")
	}, "[1]"},
	{"has published", func(d *Doc, v *core.View) {
		lockNow(d.Region, v, &d.head(v).lock)
		*(*uint64)(d.cell(v, 2)) = 3
		copy(unsafe.Slice((*byte)(unsafe.Add(d.cell(v, 2), docBytes)), 3), "[2]")
		d.head(v).seq = 2
	}, "[2]"},
})

func TestDocKillPoints(t *testing.T) {
	t.Parallel()
	docKillPoints.each(t, func(t *testing.T, k killCase[*Doc, string]) {
		d := k.it
		want := func(want string) {
			t.Helper()
			if data, _, err := d.Load(); string(data) != want || err != nil {
				t.Errorf("got %s (%v), want %s", data, err, want)
			}
		}
		mustNot(t, d.Store(k.ctx, []byte("[1]")))
		p := k.start()
		want(k.want) // before the kill, too
		seen := make(chan struct{})
		ctx, cancel := context.WithCancel(k.ctx)
		defer cancel()
		sleep := func() {
			defer close(seen)
			for data, seq := []byte(nil), uint64(0); string(data) != "[3]"; {
				var err error
				if data, seq, err = d.Next(ctx, seq); err != nil {
					t.Error(err)
					return
				}
			}
		}
		if k.asleep {
			go sleep()
		}
		p.Kill()
		want(k.want)
		mustNot(t, d.Update(ctx, func([]byte) ([]byte, error) { return []byte("[3]"), nil }))
		if !k.asleep {
			go sleep()
		}
		<-seen
	})
}

func TestDocHostileBytes(t *testing.T) {
	t.Parallel()
	r := regionAt(t, ipctest.Key(t))
	d, err := DeclareDoc(r, "d", 100, "json")
	mustNot(t, err)
	v := r.View.Load()
	b := v.Bytes[d.Offset : d.Offset+d.Size]
	around := append([]byte(nil), v.Bytes[r.Plan.Heap:d.Offset]...)
	for seed := range uint64(500) {
		rng := rand.New(rand.NewPCG(seed, 0))
		mustNot(t, d.Store(t.Context(), []byte("[1,2,3]")))
		for range 1 + rng.IntN(5) {
			i := rng.IntN(len(b) / 8)
			if rng.IntN(2) == 0 {
				i = []int{0, 16, 32, 48, 64}[rng.IntN(5)]
			}
			if i < 8 || i >= 13 { // not the lock: its holder might live
				*wordAt(b, i) = hostileWord(rng)
			}
		}
		_, _, _ = d.Load()
		_ = d.Update(t.Context(), func(data []byte) ([]byte, error) { return data, nil })
		_, _, _ = d.bytes(v)
	}
	if string(around) != string(v.Bytes[r.Plan.Heap:d.Offset]) {
		t.Error("a write beside the document")
	}
}
