package core

import (
	"context"
	"encoding/binary"
	"fmt"
	"hash/fnv"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// A segment can be a copy of another: "sysvipc restore" makes such, after a reboot or beside
// the original. In the copy those who had the original open stand as if they lived, and the
// locks that they held as if they were held, for ever: the kernel marks the locks of the dead
// in the memory that they had mapped. So a region's header says in which boot of the system,
// and in which segment, it was made. A process that finds itself elsewhere counts all of them as
// killed before it joins, as in a file that was open when the system went down.

// bootStamp returns what tells this boot from others, or 0 if that cannot be known.
var bootStamp = sync.OnceValue(func() uint64 {
	boot, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return 0
	}
	h := fnv.New64a()
	h.Write(boot)
	return max(h.Sum64(), 1)
})

// stampOf returns what the header of a region in a segment says, or zeros.
func stampOf(id int) (stamp [16]byte) {
	if boot := bootStamp(); boot != 0 {
		binary.NativeEndian.PutUint64(stamp[:8], boot)
		binary.NativeEndian.PutUint64(stamp[8:], uint64(id))
	}
	return stamp
}

// copied reports whether the segment is a copy that nobody has opened yet.
func (r *Region) copied(v *View) bool {
	is, was := stampOf(r.Segment.ID()), v.Header().Boot
	switch {
	case is == was, is == [16]byte{}, was == [16]byte{}: // the last was made by an earlier release
		return false
	case [8]byte(is[8:]) != [8]byte(was[8:]):
		return true
	}
	// IDs begin again with each boot; but a container may say another boot than its host.
	return !r.someAlive(v)
}

// someAlive reports whether a participant may be alive, whatever its life word says.
func (r *Region) someAlive(v *View) bool {
	pidns := pidNamespace()
	for i := range int(r.Config.Slots) {
		s := v.Slot(r.Plan, i)
		tid := atomic.LoadUint32(&s.Life.Word) & TIDMask
		if tid == 0 {
			continue
		}
		if ns := atomic.LoadUint64(&s.PIDNS); ns != 0 && ns != pidns || threadOf(s.PID, tid) {
			return true
		}
	}
	return false
}

// waitForTakeOver is how long another may take for it at most.
const waitForTakeOver = 5 * time.Second

// takeOver counts all participants of a copy as killed, and reports whether it is one.
func (r *Region) takeOver(ctx context.Context, v *View) (bool, error) {
	if r.Segment == nil || !r.copied(v) {
		return false, nil
	}
	h := v.Header()
	h.Init.markDead(func(tid uint32) bool { return !ThreadExists(tid) }) // of who made the original
	soon, cancel := context.WithTimeout(ctx, waitForTakeOver)
	defer cancel()
	g, _, err := LockNode(soon, &h.Init, Door{}, func(word uint32) { FutexWait(&h.Init.Word, word, 0) })
	if err != nil && ctx.Err() == nil {
		err = fmt.Errorf("%w: it is a copy, whose init lock thread %d does not give back", ErrCorrupt, atomic.LoadUint32(&h.Init.Word)&TIDMask)
	}
	if err != nil {
		return false, err
	}
	defer g.Unlock(&h.Init)
	if !r.copied(v) {
		return false, nil // another was first
	}
	r.outlive(v)
	h.Boot = stampOf(r.Segment.ID())
	return true, nil
}
