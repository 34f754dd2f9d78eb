package dynamic_test

import (
	"context"
	"errors"
	"io"
	"testing"
	"time"

	"github.com/sysvipc/sysvipc"
	"github.com/sysvipc/sysvipc/internal/ipctest"
	"github.com/sysvipc/sysvipc/shared"
	"github.com/sysvipc/sysvipc/shared/dynamic"
)

func TestTopic(t *testing.T) {
	t.Parallel()
	ctx, r := t.Context(), ensure(t, ipctest.Key(t))
	tp, err := shared.TopicOf[point](r, "t", 8)
	mustDo(t, err)
	a := found[*dynamic.Topic](t, dynamic.Of(r), "t")
	lossy, err := a.Subscribe(shared.Lossy)
	mustDo(t, err)
	typed, err := tp.Subscribe(shared.Gated)
	mustDo(t, err)
	message := make([]byte, a.Type.Size())
	mustDo(t, a.Type.ParseJSON(message, []byte(`{"X":4}`)), a.Publish(ctx, message))
	if p, lost, err := typed.Next(ctx); p != (point{X: 4}) || lost != 0 || err != nil {
		t.Errorf("got %v, %d lost (%v)", p, lost, err)
	}
	mustDo(t, typed.Close())
	for i := range 20 {
		mustDo(t, tp.Publish(ctx, point{Y: int32(i)}))
	}
	got, lost, err := lossy.Next(ctx)
	mustDo(t, err)
	var y int
	if lost == 0 {
		t.Error("nothing lost")
	}
	y = int(lost) - 1
	wantJSON(t, a.Type, got, point{Y: int32(y)})
	if p, err := a.Position(); p.In != 21 || a.Cap != 8 || err != nil {
		t.Errorf("%v of %d (%v)", p, a.Cap, err)
	}
	mustDo(t, lossy.Close())
	o, err := dynamic.Look(r.Segment())
	mustDo(t, err)
	defer o.Close()
	b := found[*dynamic.Topic](t, &o.Region, "t")
	if p, err := b.Position(); p.In != 21 || err != nil {
		t.Errorf("%v (%v)", p, err)
	}
	if _, err := b.Subscribe(shared.Lossy); !errors.Is(err, dynamic.ErrReadOnly) {
		t.Errorf("got %v", err)
	}
}

func TestDoc(t *testing.T) {
	t.Parallel()
	ctx, r := t.Context(), ensure(t, ipctest.Key(t))
	d, err := shared.DocOf[map[string][]int](r, "d", 40)
	mustDo(t, err)
	a := found[*dynamic.Doc](t, dynamic.Of(r), "d")
	if data, err := a.Load(); data != nil || err != nil || a.Codec != "json" || a.Cap != 40 {
		t.Errorf("got %q (%v) in %q of %d", data, err, a.Codec, a.Cap)
	}
	mustDo(t, d.Store(ctx, map[string][]int{"a": {1, 2}}))
	set := func(text string, want string) error {
		return a.Update(ctx, func(data []byte) ([]byte, error) {
			if string(data) != want {
				t.Errorf("got %s, want %s", data, want)
			}
			return []byte(text), nil
		})
	}
	n := 0
	for data, err := range a.Watch(ctx) {
		mustDo(t, err)
		if n++; n == 2 {
			if string(data) != `{"b":[3]}` {
				t.Errorf("got %s", data)
			}
			break
		}
		mustDo(t, set(`{"b":[3]}`, `{"a":[1,2]}`))
	}
	if value, err := d.Load(); len(value["b"]) != 1 || err != nil {
		t.Errorf("got %v (%v)", value, err)
	}
	if err := set(`{"much":["too long to fit into 40 bytes"]}`, `{"b":[3]}`); !errors.Is(err, sysvipc.ErrTooBig) {
		t.Errorf("got %v", err)
	}
	if err := a.Update(ctx, func([]byte) ([]byte, error) { return nil, io.EOF }); !errors.Is(err, io.EOF) {
		t.Errorf("got %v", err)
	}
	if p, err := a.Position(); p.In != 2 || err != nil {
		t.Errorf("%v (%v)", p, err)
	}
	short, cancel := context.WithTimeout(ctx, 5*time.Millisecond)
	defer cancel()
	for _, err = range a.Watch(short) {
	}
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
}
