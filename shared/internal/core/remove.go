package core

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"runtime"
	"slices"
	"sync/atomic"
	"time"
	"unsafe"
)

// A structure is removed in three steps: its entry goes, its users get ErrRemoved, and its bytes
// are given to others.
//
// The entry goes by one store, with the structure's locks held, so that no write is under way; the
// locks say then that they are of no use any more, and a process that gets one looks here. The removals
// are counted in the header. Each participant looks for them when it is woken, and once a second: it
// takes the view from the handles of structures that are not there any more (see handle.go), and
// when no goroutine of it has such a view in its hands, says in its slot how many removals it knows
// of. The entry keeps where the bytes are, and the number of its removal; they are used again when
// each slot is free or knows that number. C programs never say so: they hold the bytes until they
// leave, and those that never joined until they detach.
//
// A kill leaves the structure as it was, or removed. If its users were not woken, the next one who
// takes the directory's lock finds that its holder died, and counts a removal.

// kindRoom is the kind of an entry that is none any more, and has bytes to give.
const kindRoom = 1 << 31

func indexOf(v *View, p plan, e *Entry) uint64 {
	return uint64((uintptr(unsafe.Pointer(e)) - uintptr(v.At(p.Table))) / EntryLen)
}

// lockDirectory takes the directory's lock, and ends what a holder that was killed has begun.
func (r *Region) lockDirectory(ctx context.Context, v *View) (*RobustOwner, error) {
	g, died, err := r.Lock(ctx, v, &v.Header().Dir, nil)
	if err == nil && died {
		r.announce(v)
	}
	return g, err
}

// RemoveEntry removes the structure with this name.
func (r *Region) RemoveEntry(ctx context.Context, name string) error {
	v, err := r.Use()
	if err != nil {
		return err
	}
	defer v.Done()
	failed := func(err error) error {
		return fmt.Errorf("shared: remove %q from region %q: %w", name, r.Name, err)
	}
	g, err := r.lockDirectory(ctx, v)
	if err != nil {
		return failed(err)
	}
	defer g.Unlock(&v.Header().Dir)
	e, err := r.Find(v, name, nil)
	if err != nil {
		return err
	}
	if e == nil {
		return failed(fs.ErrNotExist)
	}
	t, ok := r.entryStructure(v, e)
	if !ok {
		return failed(ErrCorrupt)
	}
	unlock, err := r.lockAll(ctx, v, e.Kind, t)
	if err != nil {
		return failed(err)
	}
	r.discard(v, e, t)
	unlock(NotRecoverable)
	r.announce(v)
	return nil
}

// errHeld: a Mutex or an RWMutex cannot be removed while it is held.
var errHeld = errors.New("it is held: it can be removed when its holder has released it (\"sysvipc region show\" names the process)")

// lockAll takes all locks of a structure, so that nobody changes it. Those that their holders
// keep for themselves it does not wait for. Unlock gives them back, with this for their owner.
func (r *Region) lockAll(ctx context.Context, v *View, kind uint32, t Structure) (unlock func(owner uint32), err error) {
	type held struct {
		g    *RobustOwner
		n    *Node
		died bool
	}
	var all []held
	unlock = func(owner uint32) {
		for _, h := range all {
			if owner != 0 {
				atomic.StoreUint32(&h.n.Owner, owner)
			} else if h.died {
				h.g.Abandon(h.n) // its next owner has to know, too
				continue
			}
			h.g.Unlock(h.n)
		}
	}
	k := r.kinds.Of(kind)
	r.locksOf(kind, t, func(at uint64) {
		n := (*Node)(v.At(at))
		var g *RobustOwner
		var died bool
		switch {
		case err != nil:
			return
		case k.Retire != nil:
			if g, died, err = r.TryLockOf(v, n, k.Name, t.Name); err == nil && g == nil {
				err = errHeld
			}
		default:
			g, died, err = r.Lock(ctx, v, n, nil)
		}
		if err == nil {
			all = append(all, held{g, n, died})
		}
	})
	if err == nil && k.Retire != nil && !k.Retire(v, t) {
		err = errHeld
	}
	if err != nil {
		unlock(0)
		return nil, err
	}
	return unlock, nil
}

// discard takes an entry out of the directory. Its bytes, and those of its type's text behind them,
// can be used again. The directory's lock is held.
func (r *Region) discard(v *View, e *Entry, t Structure) {
	size := RoundUp(t.Size, Line)
	if e.ShapeLen > uint32(len(e.Shape)) && e.ShapeLen <= maxShape {
		size += RoundUp(uint64(e.ShapeLen), Line)
	}
	atomic.StoreUint32(&e.state, entryStarted)
	e.Fingerprint = v.Header().removals + 1
	e.size, e.nameLen, e.ShapeLen = size, 0, 0
	atomic.StoreUint32(&e.Kind, kindRoom)
}

// announce counts a removal, and has all look for it.
func (r *Region) announce(v *View) {
	atomic.AddUint64(&v.Header().removals, 1)
	r.WakeAll(v)
	r.root.notice(v)
}

// lookForRemovals is notice for the goroutine that asks now and then. It reports whether views are
// left that the collector should look for.
func (r *Region) lookForRemovals() bool {
	v, err := r.Use()
	if err != nil {
		return false
	}
	defer v.Done()
	r.notice(v)
	r.left.mu.Lock()
	defer r.left.mu.Unlock()
	return r.left.views > 0
}

// notice takes the views from the users of structures that were removed.
func (r *Region) notice(v *View) {
	n := atomic.LoadUint64(&v.Header().removals)
	l := &r.left
	l.mu.Lock()
	defer l.mu.Unlock()
	if n == l.noticed || r.Slot < 0 {
		return
	}
	gone := false
	r.mu.Lock()
	for offset, h := range r.handles {
		if h.lies.there(r, v) {
			continue
		}
		h.View.Store(nil)
		if own := h.last.Swap(nil); own != nil {
			gone = true
			r.watchView(own)
		}
		delete(r.handles, offset)
		end := offset + h.lies.size
		for at := range r.read {
			if at >= offset && at < end {
				delete(r.read, at)
			}
		}
		delete(r.locks, offset)
	}
	r.mu.Unlock()
	l.noticed = n
	r.sayLeft()
	if gone {
		r.Waker.WakeIf(func(uint64) bool { return true })
		r.Wake(v, r.Slot) // the leader, who may have gone to sleep between the removal and this
	}
}

// unlessRemoved returns the lock that was just taken, unless that of a structure that was removed.
func (r *Region) unlessRemoved(v *View, n *Node, g *RobustOwner, died bool) (*RobustOwner, bool, error) {
	if r != r.root && atomic.LoadUint32(&n.Owner) == NotRecoverable {
		if r.root.notice(v); r.View.Load() != v {
			g.Unlock(n)
			return nil, false, r.Closed()
		}
	}
	return g, died, nil
}

// waitForRoom is how long a declaration that finds no room waits at most until all know of what was
// removed, and lookForRoom how often it looks.
const (
	waitForRoom = 5 * time.Second
	lookForRoom = 20 * time.Millisecond
)

// letGo has this process let go of the structures that were removed, and gives others time to.
func (r *Region) letGo(v *View) {
	r.root.notice(v)
	runtime.GC()
	time.Sleep(lookForRoom)
}

// waiting reports whether bytes of removed structures wait for processes that used them.
func (r *Region) waiting(v *View) bool {
	if atomic.LoadUint64(&v.Header().removals) == 0 {
		return false
	}
	_, waiting := r.rooms(v)
	return waiting > 0
}

// room is a range of bytes that was a structure's.
type room struct {
	e            *Entry
	offset, size uint64
}

// rooms returns the ranges that nobody uses any more, in their order, and how many bytes wait
// for processes that do.
func (r *Region) rooms(v *View) (free []room, waiting uint64) {
	known := uint64(1<<64 - 1) // to all
	for i := range int(r.Config.Slots) {
		if s := v.Slot(r.Plan, i); atomic.LoadUint32(&s.Life.Word) != 0 {
			known = min(known, atomic.LoadUint64(&s.left))
		}
	}
	if r.outsiders(v) {
		known = 0
	}
	for i := range uint64(r.Config.entries) {
		e := (*Entry)(v.At(r.Plan.Table + i*EntryLen))
		if atomic.LoadUint32(&e.state) != entryStarted || atomic.LoadUint32(&e.Kind) != kindRoom || e.size == 0 {
			continue
		}
		if _, ok := r.nameless(e); !ok || e.size%Line != 0 {
			continue // no participant made this
		}
		if e.Fingerprint > known {
			waiting += e.size
			continue
		}
		free = append(free, room{e, e.offset, e.size})
	}
	slices.SortFunc(free, func(a, b room) int { return int(int64(a.offset) - int64(b.offset)) })
	return free, waiting
}

// outsiders reports whether a process has the segment attached that is no participant. A C program may use
// what it found in the directory without joining, and nothing says what it knows: it holds the bytes
// until it detaches, as one does that died a moment ago or that only looks. One that attaches later
// finds no structure that was removed before.
func (r *Region) outsiders(v *View) bool {
	if r.Segment == nil {
		return false // a file: no C program uses one
	}
	participants := 0
	for i := range int(r.Config.Slots) {
		if w := atomic.LoadUint32(&v.Slot(r.Plan, i).Life.Word); w != 0 && w&OwnerDied == 0 {
			participants++
		}
	}
	st, err := r.Segment.Stat()
	return err != nil || st.Attaches > participants
}

// reuse takes so many bytes from the ranges that were structures' once, the last of one, or
// returns 0. Ranges side by side become one first, and what borders on the heap's free part goes back
// to it. A kill leaves some bytes unused. The directory's lock is held.
func (r *Region) reuse(v *View, size uint64) (start, waiting uint64) {
	h := v.Header()
	if h.removals == 0 {
		return 0, 0
	}
	free, waiting := r.rooms(v)
	for i := len(free) - 1; i >= 0; i-- {
		if i > 0 && free[i-1].offset+free[i-1].size == free[i].offset {
			free[i].e.size = 0
			free[i-1].size += free[i].size
			free[i-1].e.size = free[i-1].size
			free[i].size = 0
		} else if free[i].offset+free[i].size == h.free && size <= r.Config.size-free[i].offset {
			free[i].e.size = 0
			atomic.StoreUint64(&h.free, free[i].offset)
			free[i].size = 0
		}
	}
	best := -1
	for i, f := range free {
		if f.size >= size && (best < 0 || f.size < free[best].size) {
			best = i
		}
	}
	if best < 0 {
		return 0, waiting
	}
	f := free[best]
	f.e.size = f.size - size
	return f.offset + f.size - size, waiting
}
