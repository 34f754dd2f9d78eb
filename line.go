package sysvipc

import (
	"container/list"
	"context"
	"sync"
	"sync/atomic"
	"syscall"

	"github.com/sysvipc/sysvipc/internal/sysv"
)

// A goroutine that waits in the kernel holds a thread, Go never gives threads back,
// and it aborts at 10,000 of them. So goroutines that wait for the same thing stand
// in a line, in order, and only the first of each line waits in the kernel. That
// changes nothing for them: what lets one of two equal calls through lets the first.
//
// Lines have places in the kernel, a few for each object and some hundred in all. A
// line without a place is served by a sweep, which tries its call now and then.
//
// A few waiters need no line, as long as none has formed: they wait in the kernel, which
// keeps their order.
const (
	maxPlaces          = 128
	maxPlacesPerObject = 8
	maxDirect          = 4
)

// lineKey says what a line waits for. Calls with equal keys can be exchanged.
type lineKey struct {
	object objectKey
	call   byte           // 'o' operations, 's' send, 'r' receive
	number int64          // send: the size; receive: the wanted type
	flags  int            // receive: MSG_EXCEPT, MSG_NOERROR
	ops    [4]sysv.Sembuf // operations: the first four
	rest   string         // operations: the others
}

type objectKey struct {
	kind Kind
	id   int
}

// line is the waiters of one key.
type line struct {
	key     lineKey
	waiters list.List // of *waiter; the first is being served
	placed  bool      // the first waits in the kernel
	where   *list.List
	elem    *list.Element // in where, while it has no place
	sweep   *list.Element // in waiting.swept, likewise
}

// waiter is one goroutine in a line.
type waiter struct {
	call   call
	turn   chan struct{} // closed when it may enter the kernel, or was served
	served bool          // a sweep made its call, with this answer
	errno  syscall.Errno
	elem   *list.Element
}

// waiting is everybody in this process who waits for the kernel.
var waiting waitingRoom

type waitingRoom struct {
	count  atomic.Int32 // waiters in lines; 0 lets a call skip the lock
	direct atomic.Int32 // waiters without a line

	mu       sync.Mutex
	lines    map[lineKey]*line
	objects  map[objectKey]*places
	places   int       // lines that wait in the kernel
	overflow list.List // of *line: no place is left in all
	swept    list.List // of *line: all without a place
	sweeping bool
}

// places are those that the lines of one object have.
type places struct {
	taken    int
	lines    int
	overflow list.List // of *line: no place is left on this object
}

// queued reports whether somebody of this process waits for the same already, so
// that a newcomer has to stand in line.
func (r *waitingRoom) queued(key *lineKey) bool {
	if r.count.Load() == 0 {
		return false
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.lines[*key] != nil
}

// wait makes the call in the kernel, standing in line for it if need be, until there is
// an answer that is not "not now", or ctx is done.
func (r *waitingRoom) wait(ctx context.Context, key func() *lineKey, c call) (errno syscall.Errno, cancelled bool) {
	if r.count.Load() == 0 {
		if r.direct.Add(1) <= maxDirect {
			errno, cancelled = block(ctx, c)
			r.direct.Add(-1)
			return gone(errno), cancelled
		}
		r.direct.Add(-1)
	}
	return r.standInLine(ctx, key(), c)
}

func (r *waitingRoom) standInLine(ctx context.Context, key *lineKey, c call) (errno syscall.Errno, cancelled bool) {
	w := &waiter{call: c}
	l, placed := r.enter(key, w)
	if !placed {
		select {
		case <-w.turn:
		case <-ctx.Done():
			if r.leave(l, w) {
				return 0, true
			}
		}
	}
	if w.served {
		return gone(w.errno), false
	}
	if errno, cancelled = 0, ctx.Err() != nil; !cancelled {
		errno, cancelled = block(ctx, c)
	}
	r.leave(l, w)
	return gone(errno), cancelled
}

// gone: whoever waited has seen the object, so that EINVAL is no wrong argument, but
// the answer to a call that was made again after the object was removed.
func gone(errno syscall.Errno) syscall.Errno {
	if errno == syscall.EINVAL {
		return eidrm
	}
	return errno
}

// enter puts w at the end of its line, and reports whether it may enter the kernel.
// If not, w.turn tells when.
func (r *waitingRoom) enter(key *lineKey, w *waiter) (*line, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.count.Add(1)
	l := r.lines[*key]
	if l == nil {
		l = r.open(*key)
	}
	w.elem = l.waiters.PushBack(w)
	if l.placed && l.waiters.Len() == 1 {
		return l, true
	}
	w.turn = make(chan struct{})
	return l, false
}

// leave takes w out of its line: it was cancelled, or had its turn. It returns false
// for a waiter that wants to go when its turn has just come.
func (r *waitingRoom) leave(l *line, w *waiter) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if w.served {
		return false
	}
	first := l.waiters.Front() == w.elem
	r.drop(l, w)
	switch {
	case l.waiters.Len() == 0:
		r.close(l)
	case first && l.placed:
		l.first().proceed()
	}
	return true
}

// drop removes w from its line.
func (r *waitingRoom) drop(l *line, w *waiter) {
	l.waiters.Remove(w.elem)
	r.count.Add(-1)
}

func (l *line) first() *waiter { return l.waiters.Front().Value.(*waiter) }

// proceed lets a waiter that is asleep go on.
func (w *waiter) proceed() {
	if w.turn != nil {
		close(w.turn)
	}
}

// open makes a line, with a place if there is one.
func (r *waitingRoom) open(key lineKey) *line {
	if r.lines == nil {
		r.lines = make(map[lineKey]*line)
		r.objects = make(map[objectKey]*places)
	}
	o := r.objects[key.object]
	if o == nil {
		o = &places{}
		r.objects[key.object] = o
	}
	o.lines++
	l := &line{key: key}
	r.lines[key] = l
	switch {
	case o.taken >= maxPlacesPerObject:
		r.spill(l, &o.overflow)
	case r.places >= maxPlaces:
		r.spill(l, &r.overflow)
	default:
		r.place(l)
	}
	return l
}

// place gives a line a place in the kernel.
func (r *waitingRoom) place(l *line) {
	r.places++
	r.objects[l.key.object].taken++
	l.placed = true
}

// spill notes that a line has none.
func (r *waitingRoom) spill(l *line, where *list.List) {
	l.where, l.elem = where, where.PushBack(l)
	l.sweep = r.swept.PushBack(l)
	if !r.sweeping {
		r.sweeping = true
		go r.sweep()
	}
}

// unspill undoes spill.
func (r *waitingRoom) unspill(l *line) {
	l.where.Remove(l.elem)
	r.swept.Remove(l.sweep)
	l.where, l.elem, l.sweep = nil, nil, nil
}

// close removes an empty line, and gives its place to one that has none: of the same
// object first, since it may have been kept waiting by this one.
func (r *waitingRoom) close(l *line) {
	delete(r.lines, l.key)
	o := r.objects[l.key.object]
	if o.lines--; o.lines == 0 {
		delete(r.objects, l.key.object)
	}
	if !l.placed {
		r.unspill(l)
		return
	}
	r.places--
	o.taken--
	if next := o.overflow.Front(); next != nil {
		r.promote(next.Value.(*line))
		return
	}
	for next := r.overflow.Front(); next != nil; next = r.overflow.Front() {
		l := next.Value.(*line)
		o := r.objects[l.key.object]
		if o.taken < maxPlacesPerObject {
			r.promote(l)
			return
		}
		r.overflow.Remove(next)
		l.where, l.elem = &o.overflow, o.overflow.PushBack(l)
	}
}

// promote gives a place to a line that has none, and sends its first waiter there.
func (r *waitingRoom) promote(l *line) {
	r.unspill(l)
	r.place(l)
	l.first().proceed()
}
