package core

import (
	"runtime"
	"sync"
	"sync/atomic"
)

// A handle is the region as the users of one structure have it. Its view is one of its own, so
// that it can be taken from them when the structure is removed, as Close takes the region's; and
// so that the collector finds when the last of them has left.

// entryPlace is which entry of the directory a handle is of.
type entryPlace struct {
	name          string
	index, offset uint64
	size          uint64
}

// there reports whether the structure is still in the directory. Its bytes are not given to another
// one before this participant has said that it knows of the removal.
func (l *entryPlace) there(r *Region, v *View) bool {
	e := (*Entry)(v.At(r.Plan.Table + l.index*EntryLen))
	return atomic.LoadUint32(&e.state) == entryReady && atomic.LoadUint64(&e.offset) == l.offset
}

// handle returns the region for the users of a structure, or false if that was removed meanwhile. A
// process that only reads has the region itself.
func (r *Region) handle(v *View, e *Entry, t Structure) (*Region, bool) {
	r = r.root
	lies := &entryPlace{t.Name, indexOf(v, r.Plan, e), t.Offset, t.Size}
	if r.Slot < 0 {
		return r, lies.there(r, v)
	}
	r.mu.Lock()
	h := r.handles[t.Offset]
	if h == nil || h.last.Load() == nil {
		h = &Region{
			Name: r.Name, Segment: r.Segment, File: r.File, memory: r.memory, stale: r.stale, kinds: r.kinds, made: r.made,
			Config: r.Config, Plan: r.Plan, Slot: r.Slot, ID: r.ID, Owner: r.Owner, lies: lies, participant: r.participant,
		}
		own := &View{Bytes: v.Bytes, hold: v.hold}
		h.last.Store(own)
		if r.View.Load() != nil {
			h.View.Store(own)
		}
		r.handles[t.Offset] = h
	}
	r.mu.Unlock()
	// Who looks for removals finds the handle from here on.
	return h, lies.there(r, v)
}

// eachHandle calls do with the region itself and with all handles, under the mutex.
func (r *Region) eachHandle(do func(h *Region)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	do(r.root)
	for _, h := range r.handles {
		do(h)
	}
}

// shut takes the view from all who use the region, reopen gives it back, and forget does not.
func (r *Region) shut()   { r.eachHandle(func(h *Region) { h.View.Store(nil) }) }
func (r *Region) reopen() { r.eachHandle(func(h *Region) { h.View.Store(h.last.Load()) }) }
func (r *Region) forget() { r.eachHandle(func(h *Region) { h.last.Store(nil) }) }

// left counts the views of removed structures that goroutines of this process may still have in
// their hands.
type left struct {
	mu      sync.Mutex
	views   int
	noticed uint64 // the last removal that this process knows of
}

// watchView has r's slot say that the removal is known here once nobody has the view any more.
func (r *Region) watchView(v *View) {
	r.left.views++
	runtime.AddCleanup(v, func(r *Region) {
		l := &r.left
		l.mu.Lock()
		defer l.mu.Unlock()
		l.views--
		r.sayLeft()
	}, r.root)
}

// sayLeft says in the slot which removals are known here, if no views are left.
func (r *Region) sayLeft() {
	l := &r.left
	if l.views > 0 {
		return
	}
	if v := r.root.View.Load(); v != nil {
		atomic.StoreUint64(&v.Slot(r.Plan, r.Slot).left, l.noticed)
		v.Done()
	}
}
