package shared

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
	"unsafe"

	"github.com/sysvipc/sysvipc"
)

// Region is a segment that holds named, typed things: variables, locks, counters. Safe
// for concurrent use. Close it; its things are then closed too.
//
// A process that is killed, at any instant, leaves the region usable for the others: see
// each type for what becomes of its work. In a copy of the segment, such as "sysvipc restore"
// makes, who had the original open counts as killed.
type Region struct {
	name     string           // or the path of the file
	segment  *sysvipc.Segment // or nil
	file     *regionFile      // or nil
	memory   memory
	view     atomic.Pointer[view] // nil once closed
	last     atomic.Pointer[view] // nil once the memory is given back, which is later
	closing  atomic.Bool
	removed  atomic.Bool         // its users are told: see removed.go
	blank    bool                // this process has made the segment
	made     sysvipc.SegmentStat // what the kernel said of the segment, if it is one
	words    [8]words
	config   config // this process's own copy, checked
	plan     plan
	slot     int
	id       owner
	guardian *guardian // of the slot
	bell     *bell
	sleepers sleepers

	mu    sync.Mutex
	local map[uint64]chan struct{} // see localLock
	read  map[uint64]bool          // where this participant's counts of readers are
	locks map[uint64]any           // what MutexOf and RWMutexOf have returned, by offset
}

// memory is the mapping of a segment or a file: see [sysvipc.Memory].
type memory interface {
	Hold() (bytes []byte, hold any)
	Close() error
}

// attach maps what the region lies in, once more if need be.
func (r *Region) attach() (memory, error) {
	if r.file != nil {
		return r.file.attach()
	}
	return r.segment.Attach(nil)
}

// view is the region's memory. Whoever has one may touch the memory: the address range
// is not given back before the collector finds that nobody has it.
type view struct {
	bytes []byte
	hold  any
}

// at returns a pointer to size bytes at offset, which were checked against the region's
// size when the thing that lies there was found.
func (v *view) at(offset uint64) unsafe.Pointer {
	return unsafe.Pointer(&v.bytes[offset])
}

func (v *view) header() *header { return (*header)(v.at(0)) }

// Ensure opens the region with this name, or makes it. However many processes race, one
// region comes out, and one that was killed while it made it is replaced. One that lets in
// others than [Options.Perm] does is refused with [sysvipc.ErrUnsafe].
func Ensure(ctx context.Context, name string, opts *Options) (*Region, error) {
	return ensure(ctx, name, sysvipc.KeyOf(name), opts)
}

// EnsureKey is Ensure for a region that is known by its key, and has no name.
func EnsureKey(ctx context.Context, key sysvipc.Key, opts *Options) (*Region, error) {
	return ensure(ctx, "", key, opts)
}

// Open opens the region with this name. It fails with [fs.ErrNotExist] if there is none.
func Open(ctx context.Context, name string) (*Region, error) {
	return openSegment(ctx, name, sysvipc.KeyOf(name))
}

// OpenKey is Open for a region that is known by its key.
func OpenKey(ctx context.Context, key sysvipc.Key) (*Region, error) { return openSegment(ctx, "", key) }

func openSegment(ctx context.Context, name string, key sysvipc.Key) (*Region, error) {
	seg, err := sysvipc.OpenSegment(key)
	if err != nil && name != "" { // which the key is a hash of
		return nil, fmt.Errorf("shared: open region %q: %w", name, err)
	}
	if err != nil {
		return nil, err
	}
	return attach(ctx, name, seg, nil, false)
}

func ensure(ctx context.Context, name string, key sysvipc.Key, opts *Options) (*Region, error) {
	if len(name) > maxName {
		return nil, fmt.Errorf("shared: region %q: a name has at most %d bytes", name, maxName)
	}
	c, perm, err := opts.config(name)
	if err != nil {
		return nil, err
	}
	for ctx.Err() == nil {
		seg, err := sysvipc.OpenSegment(key)
		made := errors.Is(err, fs.ErrNotExist)
		if made {
			seg, err = sysvipc.Creator{NoReserve: true}.CreateSegment(key, int64(c.size), perm)
			if errors.Is(err, fs.ErrExist) {
				continue // another process was first
			}
		}
		if err == nil && !made {
			var st sysvipc.SegmentStat
			if st, err = seg.Stat(); errors.Is(err, sysvipc.ErrRemoved) {
				continue
			}
			if err == nil {
				err = opts.check(st.Object, perm)
			}
		}
		if err != nil {
			return nil, err
		}
		r, err := attach(ctx, name, seg, &c, made)
		if errors.Is(err, sysvipc.ErrRemoved) {
			continue
		}
		if err != nil && made && neverAttached(seg) {
			// This process cannot attach it, such as one that is too large: it would be in the
			// way of those that can be.
			_ = seg.Remove()
		}
		return r, err
	}
	return nil, fmt.Errorf("shared: ensure region %q: %w", name, ctx.Err())
}

func neverAttached(seg *sysvipc.Segment) bool {
	st, err := seg.Stat()
	return err == nil && st.Attaches == 0 && st.Attached.IsZero()
}

// attach joins the region in seg. Fresh, if not nil, is what it is made with if it is raw. Blank
// says that this process has made the segment, which is all zeros as long as it is raw.
func attach(ctx context.Context, name string, seg *sysvipc.Segment, fresh *config, blank bool) (*Region, error) {
	r := newRegion(name)
	r.segment, r.blank = seg, blank
	if err := startGuardians(); err != nil {
		return nil, err
	}
	mem, err := r.attach()
	if err != nil {
		return nil, err
	}
	r.memory = mem
	if r.made, err = seg.Stat(); err == nil && r.made.Destroyed { // others still have it attached
		err = fmt.Errorf("shared: region %q (shm:%d): %w", name, seg.ID(), sysvipc.ErrRemoved)
	}
	if err != nil {
		mem.Close()
		return nil, err
	}
	copied := false
	err = r.enter(func(v *view) (err error) {
		if err = r.settle(ctx, v, fresh); err == nil {
			copied, err = r.takeOver(ctx, v)
		}
		return err
	})
	if err != nil {
		mem.Close()
		return nil, fmt.Errorf("shared: region %q (shm:%d): %w", name, seg.ID(), err)
	}
	if copied {
		v := r.view.Load()
		defer v.done()
		r.reapDead(v)
	}
	return r, nil
}

func newRegion(name string) *Region {
	return &Region{name: name, local: make(map[uint64]chan struct{}), read: make(map[uint64]bool), bell: newBell()}
}

// enter joins the region in the memory, which settle checks first.
func (r *Region) enter(settle func(v *view) error) error {
	bytes, hold := r.memory.Hold()
	v := &view{bytes: bytes, hold: hold}
	if err := settle(v); err != nil {
		return err
	}
	if err := r.join(v); err != nil {
		return err
	}
	r.last.Store(v)
	r.view.Store(v)
	r.watch()
	return nil
}

// words counts the goroutines that are just writing a word of the region, such as a [Counter],
// by a single instruction. Where memory is given back under it nobody could tell whether it
// had been written. There are several, so that who writes to different things does not meet.
type words struct {
	writers atomic.Int64
	_       [line - 8]byte
}

// beginWord is use for whoever writes a word of the thing: Close waits until endWord, or
// beginWord finds the region closed.
func (t *thing) beginWord() (*view, error) {
	t.wordsOf().writers.Add(1)
	if v := t.region.view.Load(); v != nil {
		return v, nil
	}
	t.endWord()
	return nil, t.region.closed()
}

func (t *thing) endWord() {
	t.wordsOf().writers.Add(-1)
	leavers.tell()
}

func (t *thing) wordsOf() *words { return &t.region.words[t.offset/line%uint64(len(t.region.words))] }

// inside is use for whoever gives back what Close waits for.
func (r *Region) inside() (*view, error) {
	if v := r.last.Load(); v != nil {
		return v, nil
	}
	return nil, r.closed()
}

// use returns the region's memory, or an error after Close. Call done with it when the
// memory is no longer touched.
func (r *Region) use() (*view, error) {
	if v := r.view.Load(); v != nil {
		return v, nil
	}
	return nil, r.closed()
}

// open tells whether the region is still that of the view. If not, what was read may be zeros.
func (r *Region) open(v *view) error {
	if r.view.Load() != v {
		return r.closed()
	}
	return nil
}

func (v *view) done() { runtime.KeepAlive(v) }

// Close leaves the region. It fails, and changes nothing, while this process holds a
// [Mutex] or an [RWMutex] in it. Goroutines that wait in the region get [fs.ErrClosed]. For
// those that are just writing it waits; if one of them does so for a second, in a function
// that it was given, Close fails.
//
// What other goroutines do in the region meanwhile is done, and they are told so, or is not
// done and returns fs.ErrClosed.
func (r *Region) Close() error {
	// Of each kind of operation one of these holds. So none that has returned nil is lost, and
	// none that has returned an error was done:
	//
	//   - It writes with a lock held: here Close finds the lock and waits, or the lock is not
	//     taken (see door).
	//   - It writes a word, or counts a reader in: likewise, by a count (see beginWord and
	//     RWMutex.enter).
	//   - It claims a cell or a record by a compare-and-swap, and its last step is another one
	//     that wants the claim's value. leave takes the memory away in one instant, after which
	//     there are zeros. No such value is 0; so both steps were made in the region, or the
	//     second one fails, and leave mends what the first has claimed.
	//   - It only reads, and looks at the view once more when it has read.
	//
	// The wake-ups that go to zeros are made good by leave's alarm.
	v := r.last.Load()
	if v == nil || !r.closing.CompareAndSwap(false, true) {
		return fmt.Errorf("shared: region %q: %w", r.name, fs.ErrClosed)
	}
	closed := false
	defer func() {
		if !closed {
			r.closing.Store(false)
		}
	}()
	if n := r.readLocks(v); n > 0 {
		return fmt.Errorf("shared: close region %q: this process holds %d locks in it for reading", r.name, n)
	}
	if _, n := heldIn(v); n > 0 {
		return fmt.Errorf("shared: close region %q: this process holds %d locks in it", r.name, n)
	}
	r.view.Store(nil)
	if !r.quiet(v) {
		r.bell.wakeIf(func(uint64) bool { return true }) // some hold a lock as they wait
		r.ring(v, r.slot)
		leavers.await(time.Second, func() bool { _, kept := heldIn(v); return kept > 0 || r.quiet(v) })
		if !r.quiet(v) {
			all, kept := heldIn(v)
			if r.view.Store(v); r.removed.Load() {
				r.view.Store(nil)
			}
			return fmt.Errorf("shared: close region %q: this process holds %d locks in it, or writes", r.name, max(kept, all-1)+int(r.readLocks(v)))
		}
	}
	closed = true
	r.last.Store(nil)
	r.unwatch()
	r.sleepers.sendAway()
	err := r.leave(v)
	r.bell.wakeIf(func(uint64) bool { return true })
	if r.file != nil {
		err = errors.Join(err, r.file.close())
	}
	return err
}

// quiet reports whether no goroutine of this process holds a lock in the region, but for the
// slot's, or writes a word. The view is shut.
func (r *Region) quiet(v *view) bool {
	for i := range r.words {
		if r.words[i].writers.Load() > 0 {
			return false
		}
	}
	all, _ := heldIn(v)
	return all <= 1 && r.readLocks(v) == 0
}

// Segment returns the segment that the region lies in, or nil if that is a file.
func (r *Region) Segment() *sysvipc.Segment { return r.segment }

// localLock returns what orders the goroutines of this process that want the lock at
// this offset, so that only one of them sleeps in the kernel.
func (r *Region) localLock(offset uint64) chan struct{} {
	r.mu.Lock()
	defer r.mu.Unlock()
	c := r.local[offset]
	if c == nil {
		c = make(chan struct{}, 1)
		r.local[offset] = c
	}
	return c
}

// lockAt returns the lock at this offset: the one that was made before, if any, which knows
// whether it is held.
func lockAt[L any](r *Region, offset uint64, made *L) *L {
	r.mu.Lock()
	defer r.mu.Unlock()
	if l, ok := r.locks[offset].(*L); ok {
		return l
	}
	if r.locks == nil {
		r.locks = make(map[uint64]any)
	}
	r.locks[offset] = made
	return made
}
