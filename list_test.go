//go:build linux

package sysvipc_test

import (
	"fmt"
	"iter"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/sysvipc/sysvipc"
	"github.com/sysvipc/sysvipc/internal/ipctest"
)

// lister says what it sees of all objects, with or without the kernel's own list.
var lister = ipctest.Register("lister", func(c *ipctest.ChildEnv) {
	if c.Args[0] == "hidden" {
		sysvipc.HideTables()
	}
	for st, err := range sysvipc.Segments() {
		c.Check(err)
		if known := c.Args[0] != "hidden"; (st.Resident >= 0) != known || (st.SwappedOut >= 0) != known {
			c.Fatalf("%d bytes are resident, %d in swap", st.Resident, st.SwappedOut)
		}
		st.Resident, st.SwappedOut = -1, -1 // the two ways differ in this
		c.Say("%+v", st)
	}
	for st, err := range sysvipc.SemaphoreSets() {
		c.Check(err)
		c.Say("%+v", st)
	}
	for st, err := range sysvipc.Queues() {
		c.Check(err)
		c.Say("%+v", withPIDs(st))
	}
})

// withPIDs returns what a queue is, under qemu-user without what its struct msqid_ds has in another place.
func withPIDs(st sysvipc.QueueStat) sysvipc.QueueStat {
	if ipctest.UnderQEMU() {
		st.LastSendPID, st.LastReceivePID = 0, 0
	}
	return st
}

// attached holds a segment attached.
var attached = ipctest.Register("attached", func(c *ipctest.ChildEnv) {
	_, err := segmentArg(c, 0).Attach(nil)
	c.Check(err)
	c.Say("attached")
	c.Listen()
})

// Everybody sees every object, whose ever it is and whether or not /proc is there, as its owner sees it.
func TestLists(t *testing.T) {
	t.Parallel()
	needModes(t)
	if !ipctest.Alone(t) {
		return
	}
	key := newKey(t)
	var want []string
	say := func(st any, err error) {
		t.Helper()
		check(t, err)
		want = append(want, fmt.Sprintf("%+v", st))
	}
	const many = 150
	segs := make([]*sysvipc.Segment, many)
	for i := range segs {
		segs[i] = newSegment(t, int64(1+i*1000))
	}
	if segs[0].ID() != 0 {
		t.Errorf("the first segment of a namespace has ID %d, want 0", segs[0].ID())
	}
	keyed := must(sysvipc.CreateSegment(key, 1<<20, 0o200))(t)
	segs = append(segs, keyed)
	negative := must(sysvipc.CreateSegment(-key, 1, 0o666))(t)
	t.Cleanup(func() { _ = negative.Remove() })
	segs = append(segs, negative)
	check(t, segs[3].Chmod(0))
	check(t, segs[7].Remove()) // a hole
	segs = slices.Delete(segs, 7, 8)
	removedOne := segs[9]
	// Not by this process: under qemu-user it forks to start others, which then detach.
	holder := ipctest.Start(t, attached, nil, fmt.Sprint(removedOne.ID()))
	holder.Expect("attached")
	check(t, removedOne.Remove())
	for _, seg := range segs {
		say(seg.Stat())
	}
	sets := []*sysvipc.SemaphoreSet{newSet(t, 1), newSet(t, make([]int, 3000)...), must(sysvipc.CreateSemaphores(key, 0, 1))(t)}
	for _, set := range sets {
		say(set.Stat())
	}
	queues := []*sysvipc.Queue{newQueue(t), newQueue(t), must(sysvipc.CreateQueue(key, 0o222))(t)}
	check(t, queues[1].Send(bg, 1, []byte("seven b")))
	check(t, queues[1].SetMaxBytes(4321))
	for _, q := range queues {
		st, err := q.Stat()
		say(withPIDs(st), err)
	}

	readers := map[string]*ipctest.Options{"creator": nil}
	if ipctest.CanBecome(ipctest.Nobody) == nil {
		readers["nobody"] = &ipctest.Options{UID: ipctest.Nobody}
	}
	for who, opts := range readers {
		for _, how := range []string{"listed", "hidden"} {
			if ipctest.UnderQEMU() && (how == "hidden" || who != "creator") {
				continue // it has no STAT_ANY
			}
			p := ipctest.Start(t, lister, opts, how)
			var got []string
			for line := range p.Lines() {
				got = append(got, line)
			}
			p.Finish()
			if diff := cmp.Diff(strings.Join(want, "\n"), strings.Join(got, "\n")); diff != "" {
				t.Errorf("%s, %s (-want +got):\n%s", who, how, diff)
			}
		}
	}
	holder.Finish()
	count := 0
	for range sysvipc.Segments() {
		count++
	}
	if count != len(segs)-1 {
		t.Errorf("%d segments, want %d: the removed one has gone with its last attach", count, len(segs)-1)
	}
}

// A loop may end early, and an empty namespace lists nothing.
func TestListEnds(t *testing.T) {
	t.Parallel()
	if !ipctest.Alone(t) {
		return
	}
	empty := func() {
		t.Helper()
		wantCount(t, sysvipc.Segments(), 0)
		wantCount(t, sysvipc.SemaphoreSets(), 0)
		wantCount(t, sysvipc.Queues(), 0)
	}
	one := func() {
		t.Helper()
		for st, err := range sysvipc.Queues() {
			check(t, err)
			if st.MaxBytes != 16384 {
				t.Errorf("the queue holds %d bytes", st.MaxBytes)
			}
			break
		}
		wantCount(t, sysvipc.Queues(), 3)
	}
	empty()
	queues := []*sysvipc.Queue{newQueue(t), newQueue(t), newQueue(t)}
	one()
	if !ipctest.UnderQEMU() {
		sysvipc.HideTables() // this test has its process for itself
		one()
		for _, q := range queues {
			check(t, q.Remove())
		}
		empty()
	}
}

func wantCount[T any](t *testing.T, all iter.Seq2[T, error], want int) {
	t.Helper()
	n := 0
	for _, err := range all {
		check(t, err)
		n++
	}
	if n != want {
		t.Errorf("%d are listed, want %d", n, want)
	}
}

// While objects come and go, a list has all that are there from its beginning to its end, once, and no error.
func TestListDuringChange(t *testing.T) {
	t.Parallel()
	stay := []*sysvipc.Queue{newQueue(t), newQueue(t), newQueue(t)}
	p := ipctest.Start(t, restless, nil)
	p.Expect("started")
	for range 300 {
		seen := map[int]int{}
		for st, err := range sysvipc.Queues() {
			check(t, err)
			seen[st.ID]++
		}
		for _, q := range stay {
			if seen[q.ID()] != 1 {
				t.Fatalf("queue %d is listed %d times", q.ID(), seen[q.ID()])
			}
		}
	}
	p.Tell("stop")
	p.Finish()
}

var restless = ipctest.Register("restless", func(c *ipctest.ChildEnv) {
	stop := make(chan struct{})
	go func() {
		c.Listen()
		close(stop)
	}()
	for started := false; ; started = true {
		q, err := sysvipc.CreateQueue(sysvipc.Private, 0o600)
		c.Check(err)
		if !started {
			c.Say("started")
		}
		c.Check(q.Remove())
		select {
		case <-stop:
			return
		default:
		}
	}
})
