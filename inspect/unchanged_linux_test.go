package inspect

import (
	"errors"
	"io/fs"
	"os"
	"testing"

	"github.com/sysvipc/sysvipc"
	"github.com/sysvipc/sysvipc/internal/ipctest"
)

// Whatever happens to an object between a look and its removal is noticed.
func TestUnchanged(t *testing.T) {
	t.Parallel()
	shm, sem, msg := sysvipc.KindSegment, sysvipc.KindSemaphores, sysvipc.KindQueue
	segment, set, queue := newSegment(t, sysvipc.Private, 100), newSet(t, 1, 0), newQueue(t)
	p := play(t, nil)
	for _, c := range []struct {
		what string
		kind sysvipc.Kind
		id   int
		do   func()
	}{
		{"attach", shm, segment, func() { p.do("attach %d", segment) }},
		{"detach", shm, segment, func() { p.do("detach") }},
		{"chmod", shm, segment, func() { check(t, sysvipc.SegmentByID(segment).Chmod(0o640)) }},
		{"operate", sem, set, func() { p.do("op %d 0 1", set) }},
		{"set a value", sem, set, func() { check(t, sysvipc.SemaphoresByID(set).At(1).SetValue(7)) }},
		{"wait", sem, set, func() {
			p.do("block op %d 1 -30000", set)
			ipctest.WaitBlockedOn(t, p.PID, ipctest.Sem, set, 1)
		}},
		{"send", msg, queue, func() { p.do("send %d 1", queue) }},
		{"receive", msg, queue, func() { p.do("recv %d", queue) }},
		{"chown", msg, queue, func() { check(t, sysvipc.QueueByID(queue).Chmod(0o640)) }},
	} {
		o := object(t, look(t), c.kind, c.id)
		if err := o.Unchanged(); err != nil {
			t.Errorf("before %s: got %v, want no change", c.what, err)
		}
		c.do()
		if err := o.Unchanged(); !errors.Is(err, ErrChanged) {
			t.Errorf("%s: got %v, want that it changed", c.what, err)
		}
	}

	// What this process holds does not count, what others do meanwhile does, even if they are gone again.
	held := newSegment(t, sysvipc.Private, 100)
	o := object(t, look(t), shm, held)
	m, err := sysvipc.SegmentByID(held).Attach(nil)
	check(t, err)
	if err := o.UnchangedHeld(os.Getpid()); err != nil {
		t.Errorf("after an attach of our own: %v", err)
	}
	if err := o.Unchanged(); !errors.Is(err, ErrChanged) {
		t.Errorf("got %v, want that it changed", err)
	}
	p.do("attach %d", held)
	p.do("detach")
	if err := o.UnchangedHeld(os.Getpid()); !errors.Is(err, ErrChanged) {
		t.Errorf("got %v, want that another process has used it", err)
	}
	check(t, m.Close())

	q := object(t, look(t), msg, queue)
	check(t, sysvipc.QueueByID(queue).Remove())
	if err := q.Unchanged(); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v for a queue that is gone", err)
	}
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
