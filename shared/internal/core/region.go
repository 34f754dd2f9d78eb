package core

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
	"unsafe"

	"github.com/sysvipc/sysvipc"
)

// Region is a segment, or a file, in which structures lie, as one participant has it open; or as
// the users of one structure have it: see handle.go.
type Region struct {
	Name    string           // or the path of the file
	Segment *sysvipc.Segment // or nil
	File    *regionFile      // or nil
	memory  memory
	View    atomic.Pointer[View] // nil once closed
	last    atomic.Pointer[View] // nil once the memory is given back, which is later
	stale   bool                 // it lies in a file that nobody has opened since the system was started, or is a copy
	kinds   Kinds
	blank   bool                // this process has made the segment
	made    sysvipc.SegmentStat // what the kernel said of the segment, if it is one
	Config  Config              // this process's own copy, checked
	Plan    plan
	Slot    int
	ID      Owner
	Owner   *RobustOwner // of the slot
	lies    *entryPlace  // of the one structure, or nil
	*participant
}

// participant is what the region has in common with all handles to its structures.
type participant struct {
	root     *Region
	closing  atomic.Bool
	removed  atomic.Bool // its users get ErrRemoved: see removed.go
	words    [8]words
	Waker    *waker
	Sleepers sleepers

	mu      sync.Mutex
	local   map[uint64]chan struct{} // see LocalLock
	read    map[uint64]bool          // where this participant's counts of readers are
	locks   map[uint64]any           // what MutexOf and RWMutexOf have returned, by offset
	handles map[uint64]*Region       // by offset
	left    left                     // the views of structures that were removed
}

// memory is the mapping of a segment or a file: see [sysvipc.Memory].
type memory interface {
	Hold() (bytes []byte, hold any)
	Close() error
}

// attach maps what the region lies in, once more if need be.
func (r *Region) attach() (memory, error) {
	if r.File != nil {
		return r.File.attach()
	}
	return r.Segment.Attach(nil)
}

// View is the region's memory. Its user may touch the memory: the address range
// is not given back before the collector finds that nobody has it.
type View struct {
	Bytes []byte
	hold  any
}

// At returns a pointer to size bytes at offset, which were checked against the region's
// size when the structure that lies there was found.
func (v *View) At(offset uint64) unsafe.Pointer {
	return unsafe.Pointer(&v.Bytes[offset])
}

func (v *View) Header() *Header { return (*Header)(v.At(0)) }

// OpenSegment opens the region with this key, and this name, if that is not "".
func OpenSegment(ctx context.Context, name string, key sysvipc.Key, all Kinds) (*Region, error) {
	seg, err := sysvipc.OpenSegment(key)
	if err != nil && name != "" { // which the key is a hash of
		return nil, fmt.Errorf("shared: open region %q: %w", name, err)
	}
	if err != nil {
		return nil, err
	}
	return attach(ctx, name, seg, nil, false, all)
}

// Ensure opens the region with this key, or makes it.
func Ensure(ctx context.Context, name string, key sysvipc.Key, opts *Options, all Kinds) (*Region, error) {
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
			seg, err = opts.creator().CreateSegment(key, int64(c.size), perm)
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
		r, err := attach(ctx, name, seg, &c, made, all)
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
func attach(ctx context.Context, name string, seg *sysvipc.Segment, fresh *Config, blank bool, all Kinds) (*Region, error) {
	r := newRegion(name, all)
	r.Segment, r.blank = seg, blank
	if err := StartRobustOwners(); err != nil {
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
	err = r.enter(func(v *View) (err error) {
		if err = r.initialise(ctx, v, fresh); err == nil {
			copied, err = r.takeOver(ctx, v)
		}
		return err
	})
	if err != nil {
		mem.Close()
		return nil, fmt.Errorf("shared: region %q (shm:%d): %w", name, seg.ID(), err)
	}
	if copied {
		v := r.View.Load()
		defer v.Done()
		r.ReapDead(v)
	}
	return r, nil
}

func newRegion(name string, all Kinds) *Region {
	r := &Region{Name: name, kinds: all, participant: &participant{
		local: make(map[uint64]chan struct{}), read: make(map[uint64]bool), handles: make(map[uint64]*Region), Waker: newWaker(),
	}}
	r.root = r
	return r
}

// enter joins the region in the memory, which settle checks first.
func (r *Region) enter(settle func(v *View) error) error {
	bytes, hold := r.memory.Hold()
	v := &View{Bytes: bytes, hold: hold}
	if err := settle(v); err != nil {
		return err
	}
	if err := r.join(v); err != nil {
		return err
	}
	r.last.Store(v)
	r.View.Store(v)
	r.watch()
	return nil
}

// words counts the goroutines that are just writing a word of the region, such as a [Counter],
// by a single instruction. Where memory is given back under it nobody could tell whether it
// had been written. There are several, so that who writes to different structures does not meet.
type words struct {
	writers atomic.Int64
	_       [Line - 8]byte
}

// BeginWord is Use for writers of a word of the structure: Close waits until EndWord, or
// BeginWord finds the region closed.
func (t *Structure) BeginWord() (*View, error) {
	t.wordsOf().writers.Add(1)
	if v := t.Region.View.Load(); v != nil {
		return v, nil
	}
	t.EndWord()
	return nil, t.Region.Closed()
}

func (t *Structure) EndWord() {
	t.wordsOf().writers.Add(-1)
	Closes.Wake()
}

func (t *Structure) wordsOf() *words {
	return &t.Region.words[t.Offset/Line%uint64(len(t.Region.words))]
}

// Inside is Use for calls that give back what Close waits for.
func (r *Region) Inside() (*View, error) {
	if v := r.last.Load(); v != nil {
		return v, nil
	}
	return nil, r.Closed()
}

// Use returns the region's memory, or an error after Close. Call done with it when the
// memory is no longer touched.
func (r *Region) Use() (*View, error) {
	if v := r.View.Load(); v != nil {
		return v, nil
	}
	return nil, r.Closed()
}

// open tells whether the region is still that of the view. If not, what was read may be zeros.
func (r *Region) open(v *View) error {
	if r.View.Load() != v {
		return r.Closed()
	}
	return nil
}

func (v *View) Done() { runtime.KeepAlive(v) }

// Close leaves the region: see Close of package shared.
func (r *Region) Close() error {
	// Of each kind of operation one of these holds. So none that has returned nil is lost, and
	// none that has returned an error was done:
	//
	//   - It writes with a lock held: here Close finds the lock and waits, or the lock is not
	//     taken (see door).
	//   - It writes a word, or counts a reader in: likewise, by a count (see BeginWord and
	//     RWMutex.enter).
	//   - It claims a cell or a record by a compare-and-swap, and its last step is another one
	//     that wants the claim's value. leave takes the memory away in one instant, after which
	//     there are zeros. No such value is 0; so both steps were made in the region, or the
	//     second one fails, and leave mends what the first has claimed.
	//   - It only reads, and looks at the view once more when it has read.
	//
	// The wake-ups that go to zeros are made good by leave's WakeAll.
	v := r.last.Load()
	if v == nil || !r.closing.CompareAndSwap(false, true) {
		return fmt.Errorf("shared: region %q: %w", r.Name, fs.ErrClosed)
	}
	closed := false
	defer func() {
		if !closed {
			r.closing.Store(false)
		}
	}()
	if n := r.readLocks(v); n > 0 {
		return fmt.Errorf("shared: close region %q: this process holds %d locks in it for reading", r.Name, n)
	}
	if _, n := heldIn(v); n > 0 {
		return fmt.Errorf("shared: close region %q: this process holds %d locks in it", r.Name, n)
	}
	r.shut()
	if !r.quiet(v) {
		r.Waker.WakeIf(func(uint64) bool { return true }) // some hold a lock as they wait
		r.Wake(v, r.Slot)
		Closes.await(time.Second, func() bool { _, kept := heldIn(v); return kept > 0 || r.quiet(v) })
		if !r.quiet(v) {
			all, kept := heldIn(v)
			if r.reopen(); r.removed.Load() {
				r.shut()
			}
			return fmt.Errorf("shared: close region %q: this process holds %d locks in it, or writes", r.Name, max(kept, all-1)+int(r.readLocks(v)))
		}
	}
	closed = true
	r.forget()
	r.unwatch()
	r.Sleepers.sendAway()
	err := r.leave(v)
	r.Waker.WakeIf(func(uint64) bool { return true })
	if r.File != nil {
		err = errors.Join(err, r.File.close())
	}
	return err
}

// quiet reports whether no goroutine of this process holds a lock in the region, but for the
// slot's, or writes a word. The view is shut.
func (r *Region) quiet(v *View) bool {
	for i := range r.words {
		if r.words[i].writers.Load() > 0 {
			return false
		}
	}
	all, _ := heldIn(v)
	return all <= 1 && r.readLocks(v) == 0
}

// LocalLock returns what orders the goroutines of this process that want the lock at
// this offset, so that only one of them sleeps in the kernel.
func (r *Region) LocalLock(offset uint64) chan struct{} {
	r.mu.Lock()
	defer r.mu.Unlock()
	c := r.local[offset]
	if c == nil {
		c = make(chan struct{}, 1)
		r.local[offset] = c
	}
	return c
}

// Once returns the lock at this offset: the one that was made before, if any, which knows
// whether it is held.
func Once[L any](r *Region, offset uint64, made *L) *L {
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

// CountReaders notes where this participant's count of the readers of a lock is, the number of
// which lies in the lower half of a word: Close fails while there are any.
func (r *Region) CountReaders(at uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.read[at] = true
}

// readLocks counts what this process holds for reading in the region.
func (r *Region) readLocks(v *View) (count uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for own := range r.read {
		count += atomic.LoadUint64((*uint64)(v.At(own))) & math.MaxUint32
	}
	return count
}
