//go:build linux

package sysvipc_test

import (
	"fmt"
	"testing"

	"github.com/sysvipc/sysvipc"
	"github.com/sysvipc/sysvipc/internal/ipctest"
)

// A call that moves much does not keep the processor to itself: another goroutine gets the only one meanwhile, and so
// does the garbage collector, which stops all.
func TestLargeCopies(t *testing.T) {
	t.Parallel()
	if !ipctest.Alone(t) {
		return
	}
	const size = 64 << 20
	ipctest.SetLimit(t, "msgmax", fmt.Sprint(size))
	ipctest.SetLimit(t, "msgmnb", fmt.Sprint(size))
	q, text := newQueue(t), make([]byte, size)
	mem := attach(t, newSegment(t, 4*size), nil)
	bytes := make([]byte, mem.Len())
	nothing := func() error { return nil }
	send := func() error { return q.Send(bg, 1, text) }
	receive := func() error { return err2(q.ReceiveInto(bg, sysvipc.Any, text)) }
	for _, c := range []struct {
		name                string
		before, call, after func() error
	}{
		{"Send", nothing, send, receive},
		{"ReceiveInto", send, receive, nothing},
		{"Receive", send, func() error { return err1(q.Receive(bg, sysvipc.Any)) }, nothing},
		{"ReceiveInto, cut off", send, func() error { return err2(q.ReceiveInto(bg, sysvipc.Any.Truncated(), text[:5])) }, nothing},
		{"Peek", send, func() error { return err1(q.Peek(0)) }, receive},
		{"WriteAt", nothing, func() error { return err1(mem.WriteAt(bytes, 0)) }, nothing},
		{"ReadAt", nothing, func() error { return err1(mem.ReadAt(bytes, 0)) }, nothing},
	} {
		t.Run(c.name, func(t *testing.T) {
			for range 40 { // the runtime takes up to 20 ms to notice
				check(t, c.before())
				var err error
				others := ipctest.Meanwhile(func() { err = c.call() })
				check(t, err)
				check(t, c.after())
				if others > 0 {
					return
				}
			}
			t.Error("no other goroutine gets the processor meanwhile")
		})
	}
}
