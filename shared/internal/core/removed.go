package core

import (
	"fmt"
	"io/fs"
	"math"
	"runtime"
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
// asks it, once a second, for all regions that are open. A process that removes a region by
// remove says so in its header, too, and has all who wait look there at once. What the
// header says is not believed: it makes them ask the kernel.

// removalCheck is how often the kernel is asked.
const removalCheck = time.Second

// OpenRegions are those of this process.
var OpenRegions struct {
	sync.Mutex
	all  map[*Region]struct{}
	Stop chan struct{} // ends the goroutine that asks; nil if there is none
}

// watch has the kernel asked for r until unwatch.
func (r *Region) watch() {
	o := &OpenRegions
	o.Lock()
	defer o.Unlock()
	if o.all == nil {
		o.all = make(map[*Region]struct{})
	}
	o.all[r] = struct{}{}
	if o.Stop == nil {
		o.Stop = make(chan struct{})
		go askForRemovals(o.Stop)
	}
}

func (r *Region) unwatch() {
	o := &OpenRegions
	o.Lock()
	defer o.Unlock()
	if delete(o.all, r); len(o.all) == 0 && o.Stop != nil {
		close(o.Stop)
		o.Stop = nil
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
		OpenRegions.Lock()
		var all []*Region
		for r := range OpenRegions.all {
			all = append(all, r)
		}
		OpenRegions.Unlock()
		collect := false
		for _, r := range all {
			r.askIfRemoved()
			collect = r.lookForRemovals() || collect
		}
		if collect {
			runtime.GC()
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
	r.shut()
	r.Sleepers.cancelAll()
	r.Waker.WakeIf(func(uint64) bool { return true })
	r.Wake(v, r.Slot)
}

// isRemoved reports whether the segment is marked for removal, or no name of the file is
// left. A process that has gone to another IPC namespace, where the segment's ID means
// another one or nothing, does not know.
func (r *Region) isRemoved() bool {
	if r.File != nil {
		return r.File.isRemoved()
	}
	st, err := r.Segment.Stat()
	return err == nil && st.Destroyed && st.Size == r.made.Size && st.CreatorPID == r.made.CreatorPID && st.CUID == r.made.CUID
}

// Remove removes the segment or the file, and has all who wait look.
func (r *Region) Remove() error {
	var err error
	if r.File != nil {
		err = r.File.remove()
	} else {
		err = r.Segment.Remove()
	}
	v := r.last.Load()
	if err != nil || v == nil {
		return err
	}
	defer v.Done()
	atomic.StoreUint32(&v.Header().Removed, 1)
	r.WakeAll(v)
	r.EachLock(v, func(n *Node) { futexWake(&n.Word, math.MaxInt32) })
	r.askIfRemoved()
	return nil
}

// CheckRemoved asks the kernel whether the region was removed if its header says so, and looks
// whether structures were.
func (r *Region) CheckRemoved(v *View) {
	if atomic.LoadUint32(&v.Header().Removed) != 0 {
		r.root.askIfRemoved()
	}
	r.root.notice(v)
}

// Closed is why nothing can be done in the region any more.
func (r *Region) Closed() error {
	if h := r; r != r.root {
		r = r.root
		if r.View.Load() != nil {
			return fmt.Errorf("shared: %q in region %q: %w (declare it again)", h.lies.name, r.Name, sysvipc.ErrRemoved)
		}
	}
	if r.removed.Load() && r.last.Load() != nil {
		return fmt.Errorf("shared: region %q: %w (close it, and open it again)", r.Name, sysvipc.ErrRemoved)
	}
	return fmt.Errorf("shared: region %q: %w", r.Name, fs.ErrClosed)
}
