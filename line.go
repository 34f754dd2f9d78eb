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
	object  *places
	waiters list.List     // of *waiter; the first is being served
	elem    *list.Element // in object.overflow; nil if the first waiter waits in the kernel
}

// waiter is one goroutine in a line.
type waiter struct {
	call   call
	turn   chan struct{} // closed when it may enter the kernel, was served, or may leave
	elem   *list.Element
	tried  bool // a sweep is making its call
	leaves bool // it was cancelled meanwhile
	served bool // a sweep made its call, with this answer
	errno  syscall.Errno
}

// waiting is everybody in this process who waits for the kernel.
var waiting = waitingRoom{
	lines:    make(map[lineKey]*line),
	objects:  make(map[objectKey]*places),
	progress: make(chan struct{}, 1),
}

type waitingRoom struct {
	count  atomic.Int32 // waiters in lines; 0 lets a call skip the lock
	direct atomic.Int32 // waiters without a line

	mu       sync.Mutex
	lines    map[lineKey]*line
	objects  map[objectKey]*places
	places   int       // lines that wait in the kernel
	overflow list.List // of *places: objects with lines that have no place
	sweeper  sweeperState
	progress chan struct{} // ends the pause of the sweep
}

// places are those that the lines of one object have.
type places struct {
	key      objectKey
	taken    int
	lines    int
	overflow list.List     // of *line: those without a place
	elem     *list.Element // in waitingRoom.overflow
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

// beginDirect reports whether the caller may wait in the kernel without a line. If so,
// it calls endDirect when it has. Those who wait so allocate nothing.
func (r *waitingRoom) beginDirect() bool {
	if r.count.Load() != 0 {
		return false
	}
	if r.direct.Add(1) <= maxDirect {
		return true
	}
	r.direct.Add(-1)
	return false
}

func (r *waitingRoom) endDirect(errno syscall.Errno) syscall.Errno {
	r.direct.Add(-1)
	return gone(errno)
}

// standInLine makes the call in the kernel when it is its turn, until there is an answer
// that is not "not now", or ctx is done.
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
	if l.elem == nil && l.waiters.Len() == 1 {
		return l, true
	}
	w.turn = make(chan struct{})
	return l, false
}

// leave takes w out of its line: it was cancelled, or had its turn. It returns false
// for a waiter that wants to go when it was served.
func (r *waitingRoom) leave(l *line, w *waiter) bool {
	r.mu.Lock()
	if w.tried {
		w.leaves = true
		r.mu.Unlock()
		<-w.turn
		return !w.served
	}
	defer r.mu.Unlock()
	if w.served {
		return false
	}
	first := l.waiters.Front() == w.elem
	r.drop(l, w)
	if first && l.elem == nil && l.waiters.Len() > 0 {
		l.first().proceed()
	}
	return true
}

// drop removes w from its line, and a line that is empty then.
func (r *waitingRoom) drop(l *line, w *waiter) {
	l.waiters.Remove(w.elem)
	r.count.Add(-1)
	if l.waiters.Len() == 0 {
		r.close(l)
	}
}

func (l *line) first() *waiter { return l.waiters.Front().Value.(*waiter) }

// proceed lets a waiter that is asleep go on.
func (w *waiter) proceed() {
	if w.turn != nil {
		close(w.turn)
	}
}

// open makes a line, with a place if there is one that no other line waits for.
func (r *waitingRoom) open(key lineKey) *line {
	o := r.objects[key.object]
	if o == nil {
		o = &places{key: key.object}
		r.objects[key.object] = o
	}
	o.lines++
	l := &line{key: key, object: o}
	r.lines[key] = l
	if o.overflow.Len() == 0 && r.hasPlace(o) {
		r.place(o)
	} else {
		r.spill(l)
	}
	return l
}

func (r *waitingRoom) hasPlace(o *places) bool {
	return o.taken < maxPlacesPerObject && r.places < maxPlaces
}

func (r *waitingRoom) place(o *places) {
	r.places++
	o.taken++
}

// spill notes that a line has no place.
func (r *waitingRoom) spill(l *line) {
	o := l.object
	if l.elem = o.overflow.PushBack(l); o.elem == nil {
		o.elem = r.overflow.PushBack(o)
	}
	if r.sweeper == sweeperEnded {
		r.sweeper = sweeperAtWork
		go r.sweep()
	}
}

// unspill undoes spill.
func (r *waitingRoom) unspill(l *line) {
	o := l.object
	o.overflow.Remove(l.elem)
	if l.elem = nil; o.overflow.Len() == 0 {
		r.overflow.Remove(o.elem)
		o.elem = nil
	}
}

// close removes an empty line. If it had a place, the next line gets it at once, or from
// the sweep that is at work, if its call is not let through before.
func (r *waitingRoom) close(l *line) {
	delete(r.lines, l.key)
	o := l.object
	if o.lines--; o.lines == 0 {
		delete(r.objects, l.key.object)
	}
	if l.elem != nil {
		r.unspill(l)
		return
	}
	r.places--
	o.taken--
	if r.sweeper != sweeperPauses {
		return
	}
	r.promoteOf(o) // its own lines first, since this one may have kept them waiting
	r.promote()
	select {
	case r.progress <- struct{}{}:
	default:
	}
}

// promote gives the places that are free to lines that have none, and sends their first
// waiters there.
func (r *waitingRoom) promote() {
	for e := r.overflow.Front(); e != nil && r.places < maxPlaces; {
		o := e.Value.(*places)
		e = e.Next()
		r.promoteOf(o)
	}
}

func (r *waitingRoom) promoteOf(o *places) {
	for o.overflow.Len() > 0 && r.hasPlace(o) {
		l := o.overflow.Front().Value.(*line)
		r.unspill(l)
		r.place(o)
		l.first().proceed()
	}
}
