package shared_test

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/sysvipc/sysvipc/internal/ipctest"
	"github.com/sysvipc/sysvipc/shared"
)

// A channel that two participants use does what a queue does, whatever its capacity.
func TestChanIsAQueue(t *testing.T) {
	t.Parallel()
	key := ipctest.Key(t)
	regions := []*shared.Region{ensure(t, key), ensure(t, key)}
	round := 0
	rapid.Check(t, func(rt *rapid.T) {
		capacity := 1 << rapid.IntRange(0, 5).Draw(rt, "capacity")
		round++
		var sides []*shared.Chan[int64]
		for _, r := range regions {
			c, err := shared.ChanOf[int64](r, fmt.Sprint(round), capacity)
			if err != nil {
				rt.Fatal(err)
			}
			sides = append(sides, c)
		}
		var model []int64
		closed, next := false, int64(0)
		side := func() *shared.Chan[int64] { return rapid.SampledFrom(sides).Draw(rt, "side") }
		got := func(message int64, ok bool, err error) {
			switch {
			case len(model) == 0 && closed:
				if err != io.EOF {
					rt.Fatalf("at the end: %d, %v, %v", message, ok, err)
				}
			case err != nil || ok != (len(model) > 0) || ok && message != model[0]:
				rt.Fatalf("received %d, %v, %v, and %v wait", message, ok, err, model)
			case ok:
				model = model[1:]
			}
		}
		rt.Repeat(map[string]func(*rapid.T){
			"": func(rt *rapid.T) {
				if n, err := side().Len(); err != nil || n != len(model) {
					rt.Fatalf("%d messages (%v), want %d", n, err, len(model))
				}
			},
			"TrySend": func(rt *rapid.T) {
				next++
				ok, err := side().TrySend(next)
				if closed {
					if !errors.Is(err, shared.ErrChanClosed) {
						rt.Fatal(ok, err)
					}
					return
				}
				if err != nil || ok != (len(model) < capacity) {
					rt.Fatalf("sent %v, %v to %d of %d", ok, err, len(model), capacity)
				}
				if ok {
					model = append(model, next)
				}
			},
			"SendBatch": func(rt *rapid.T) {
				room := capacity - len(model)
				if closed || room == 0 {
					rt.Skip()
				}
				var messages []int64
				for range rapid.IntRange(1, room).Draw(rt, "n") {
					next++
					messages = append(messages, next)
				}
				if n, err := side().SendBatch(background, messages); err != nil || n != len(messages) {
					rt.Fatal(n, err)
				}
				model = append(model, messages...)
			},
			"TryReceive": func(rt *rapid.T) { got(side().TryReceive()) },
			"ReceiveBatch": func(rt *rapid.T) {
				if len(model) == 0 {
					rt.Skip()
				}
				buf := make([]int64, rapid.IntRange(1, 2*capacity).Draw(rt, "n"))
				n, err := side().ReceiveBatch(background, buf)
				if want := min(len(buf), len(model)); err != nil || n != want || !slices.Equal(buf[:n], model[:n]) {
					rt.Fatalf("received %v, %v of %v", buf[:n], err, model)
				}
				model = model[n:]
			},
			"Handle": func(rt *rapid.T) {
				if len(model) == 0 {
					rt.Skip()
				}
				var refuse error
				if rapid.Bool().Draw(rt, "refuse") {
					refuse = errors.New("refused")
				}
				err := side().Handle(background, func(message int64) error {
					if message != model[0] {
						rt.Fatalf("handled %d, and %v wait", message, model)
					}
					return refuse
				})
				if err != refuse {
					rt.Fatal(err)
				}
				if refuse == nil {
					model = model[1:]
				}
			},
			"Close": func(rt *rapid.T) {
				if rapid.IntRange(0, 9).Draw(rt, "really") > 0 {
					rt.Skip()
				}
				if err := side().Close(); err != nil {
					rt.Fatal(err)
				}
				closed = true
			},
		})
	})
}
