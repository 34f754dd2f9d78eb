package shared

import (
	"fmt"
	"io/fs"
	"math"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sysvipc/sysvipc"
)

// A region that is removed while processes have it open: they keep their memory, and would
// wait in it for ever for others, who make a new one under its name. So they get
// [sysvipc.ErrRemoved] from then on, whatever they do.
//
// The kernel tells nobody that a segment was marked for removal. One goroutine of each process
// asks it, once a second, for all regions that are open. Whoever removes a region by
// [Region.Remove] says so in its header, too, and has all who wait look there at once. What the
// header says is not believed: it makes them ask the kernel.

// removalCheck is how often the kernel is asked.
const removalCheck = time.Second

// openRegions are those of this process.
var openRegions struct {
	sync.Mutex
	all  map[*Region]struct{}
	stop chan struct{} // ends the goroutine that asks; nil if there is none
}

// watch has the kernel asked for r until unwatch.
func (r *Region) watch() {
	o := &openRegions
	o.Lock()
	defer o.Unlock()
	if o.all == nil {
		o.all = make(map[*Region]struct{})
	}
	o.all[r] = struct{}{}
	if o.stop == nil {
		o.stop = make(chan struct{})
		go askForRemovals(o.stop)
	}
}

func (r *Region) unwatch() {
	o := &openRegions
	o.Lock()
	defer o.Unlock()
	if delete(o.all, r); len(o.all) == 0 && o.stop != nil {
		close(o.stop)
		o.stop = nil
	}
}

func askForRemovals(stop <-chan struct{}) {
	tick := time.NewTicker(removalCheck)
	defer tick.Stop()
	for {
		select {
		case <-stop:
			return
		case <-tick.C:
		}
		openRegions.Lock()
		var all []*Region
		for r := range openRegions.all {
			all = append(all, r)
		}
		openRegions.Unlock()
		for _, r := range all {
			r.askIfRemoved()
		}
	}
}

// askIfRemoved asks the kernel whether the region was removed, and if so ends what this
// process does in it.
func (r *Region) askIfRemoved() {
	if r.removed.Load() || !r.isRemoved() {
		return
	}
	r.removed.Store(true)
	v := r.last.Load()
	if v == nil {
		return // closed
	}
	r.view.CompareAndSwap(v, nil)
	r.sleepers.cancelAll()
	r.bell.wakeIf(func(uint64) bool { return true })
	r.ring(v, r.slot)
}

// isRemoved reports whether the segment is marked for removal, or no name of the file is
// left. A process that has gone to another IPC namespace, where the segment's ID means
// another one or nothing, does not know.
func (r *Region) isRemoved() bool {
	if r.file != nil {
		return r.file.isRemoved()
	}
	st, err := r.segment.Stat()
	return err == nil && st.Destroyed && st.Size == r.made.Size && st.CreatorPID == r.made.CreatorPID && st.CUID == r.made.CUID
}

// Remove removes the segment or the file. All who have the region open get
// [sysvipc.ErrRemoved] from then on: those who wait in it at once, others within a second or
// so. They close it, and may make a new one. So they do where others remove it, such as by
// ipcrm(1), within a second.
func (r *Region) Remove() error {
	var err error
	if r.file != nil {
		err = r.file.remove()
	} else {
		err = r.segment.Remove()
	}
	v := r.last.Load()
	if err != nil || v == nil {
		return err
	}
	defer v.done()
	atomic.StoreUint32(&v.header().removed, 1)
	r.alarm(v)
	r.eachLock(v, func(n *node) { futexWake(&n.word, math.MaxInt32) })
	r.askIfRemoved()
	return nil
}

// glance asks the kernel whether the region was removed if its header says so.
func (r *Region) glance(v *view) {
	if atomic.LoadUint32(&v.header().removed) != 0 {
		r.askIfRemoved()
	}
}

// closed is why nothing can be done in the region any more.
func (r *Region) closed() error {
	if r.removed.Load() && r.last.Load() != nil {
		return fmt.Errorf("shared: region %q: %w (close it, and open it anew)", r.name, sysvipc.ErrRemoved)
	}
	return fmt.Errorf("shared: region %q: %w", r.name, fs.ErrClosed)
}
