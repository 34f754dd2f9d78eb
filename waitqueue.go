package sysvipc

import (
	"container/list"
	"context"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"

	"github.com/sysvipc/sysvipc/internal/sysv"
)

// A goroutine that waits in the kernel holds a thread, Go never gives threads back,
// and it aborts at 10,000 of them. So goroutines that wait for the same operation stand
// in a wait queue, in order, and only the first of each queue waits in the kernel. That
// changes nothing for them: what lets one of two equal calls through lets the first.
//
// Wait queues have slots in the kernel, a few for each object and some hundred in all. One
// without a slot is served by the overflow poll, which tries its call now and then.
//
// A few waiters need no queue, as long as none has formed: they wait in the kernel, which
// keeps their order.
const (
	maxSlots          = 128
	maxSlotsPerObject = 8
	maxDirect         = 4
)

// waitKey says what a wait queue waits for. Calls with equal keys can be exchanged.
type waitKey struct {
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

// waitQueue is the waiters of one key.
type waitQueue struct {
	key     waitKey
	object  *objectQueues
	waiters list.List     // of *waiter; the first is being served
	elem    *list.Element // in object.overflow; nil if the first waiter waits in the kernel
}

// waiter is one goroutine in a wait queue.
type waiter struct {
	call   call
	turn   chan struct{} // closed when it may enter the kernel, was served, or may leave
	elem   *list.Element
	tried  bool // the overflow poll is making its call
	leaves bool // it was cancelled meanwhile
	served bool // the overflow poll made its call, with this answer
	errno  syscall.Errno
}

// waiting is every waiter of this process.
var waiting = waitQueues{
	queues:   make(map[waitKey]*waitQueue),
	objects:  make(map[objectKey]*objectQueues),
	progress: make(chan struct{}, 1),
}

type waitQueues struct {
	count  atomic.Int32 // waiters in queues; 0 lets a call skip the lock
	direct atomic.Int32 // waiters without a queue

	mu       sync.Mutex
	queues   map[waitKey]*waitQueue
	objects  map[objectKey]*objectQueues
	slots    int       // wait queues whose first waiter may be in the kernel
	overflow list.List // of *objectQueues: objects with wait queues that have no slot
	poller   pollerState
	progress chan struct{} // ends the pause of the overflow poll
}

// objectQueues are the wait queues of one object.
type objectQueues struct {
	key      objectKey
	taken    int
	queues   int
	overflow list.List     // of *waitQueue: those without a slot
	elem     *list.Element // in waitQueues.overflow
}

// queued reports whether another goroutine of this process waits for the same already, so
// that a newcomer has to queue.
func (r *waitQueues) queued(key *waitKey) bool {
	if r.count.Load() == 0 {
		return false
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.queues[*key] != nil
}

// beginDirect reports whether the caller may wait in the kernel without a queue. If so,
// it calls endDirect when it has. Such waiters allocate nothing.
func (r *waitQueues) beginDirect() bool {
	if r.count.Load() != 0 {
		return false
	}
	n := r.direct.Add(1)
	if n > maxDirect {
		r.direct.Add(-1)
		return false
	}
	if n > 1 {
		runtime.Gosched() // see enqueue
	}
	return true
}

func (r *waitQueues) endDirect(errno syscall.Errno) syscall.Errno {
	r.direct.Add(-1)
	return gone(errno)
}

// enqueue makes the call in the kernel when it is its turn, until there is an answer
// that is not "not now", or ctx is done.
func (r *waitQueues) enqueue(ctx context.Context, key *waitKey, c call) (errno syscall.Errno, cancelled bool) {
	w := &waiter{call: c}
	l, first := r.enter(key, w)
	if !first {
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
	// A waiter that enters the kernel keeps a processor of the Go scheduler, until that notices. Where
	// many wait, many have something to do: they come first, and the wait may be over then.
	runtime.Gosched()
	if cancelled = ctx.Err() != nil; !cancelled {
		if errno = c(false); mustWait(errno) {
			errno, cancelled = block(ctx, c)
		}
	}
	r.leave(l, w)
	return gone(errno), cancelled
}

// gone: a waiter has seen the object, so that EINVAL is no wrong argument, but
// the answer to a call that was made again after the object was removed.
func gone(errno syscall.Errno) syscall.Errno {
	if errno == syscall.EINVAL {
		return eidrm
	}
	return errno
}

// enter puts w at the end of its queue, and reports whether it may enter the kernel.
// If not, w.turn tells when.
func (r *waitQueues) enter(key *waitKey, w *waiter) (*waitQueue, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.count.Add(1)
	l := r.queues[*key]
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

// leave takes w out of its queue: it was cancelled, or had its turn. It returns false
// for a waiter that wants to go when it was served.
func (r *waitQueues) leave(l *waitQueue, w *waiter) bool {
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

// drop removes w from its queue, and a queue that is empty then.
func (r *waitQueues) drop(l *waitQueue, w *waiter) {
	l.waiters.Remove(w.elem)
	r.count.Add(-1)
	if l.waiters.Len() == 0 {
		r.close(l)
	}
}

func (l *waitQueue) first() *waiter { return l.waiters.Front().Value.(*waiter) }

// proceed lets a waiter that is asleep go on.
func (w *waiter) proceed() {
	if w.turn != nil {
		close(w.turn)
	}
}

// open makes a wait queue, with a slot if there is one that no other queue waits for.
func (r *waitQueues) open(key waitKey) *waitQueue {
	o := r.objects[key.object]
	if o == nil {
		o = &objectQueues{key: key.object}
		r.objects[key.object] = o
	}
	o.queues++
	l := &waitQueue{key: key, object: o}
	r.queues[key] = l
	if o.overflow.Len() == 0 && r.hasSlot(o) {
		r.takeSlot(o)
	} else {
		r.overflows(l)
	}
	return l
}

func (r *waitQueues) hasSlot(o *objectQueues) bool {
	return o.taken < maxSlotsPerObject && r.slots < maxSlots
}

func (r *waitQueues) takeSlot(o *objectQueues) {
	r.slots++
	o.taken++
}

// overflows notes that a queue has no slot.
func (r *waitQueues) overflows(l *waitQueue) {
	o := l.object
	if l.elem = o.overflow.PushBack(l); o.elem == nil {
		o.elem = r.overflow.PushBack(o)
	}
	if r.poller == pollerEnded {
		r.poller = pollerActive
		go r.pollOverflow()
	}
}

// leaveOverflow undoes overflows.
func (r *waitQueues) leaveOverflow(l *waitQueue) {
	o := l.object
	o.overflow.Remove(l.elem)
	if l.elem = nil; o.overflow.Len() == 0 {
		r.overflow.Remove(o.elem)
		o.elem = nil
	}
}

// close removes an empty queue. If it had a slot, the next queue gets it at once, or from
// the overflow poll that is active, if its call is not let through before.
func (r *waitQueues) close(l *waitQueue) {
	delete(r.queues, l.key)
	o := l.object
	if o.queues--; o.queues == 0 {
		delete(r.objects, l.key.object)
	}
	if l.elem != nil {
		r.leaveOverflow(l)
		return
	}
	r.slots--
	o.taken--
	if r.poller != pollerPauses {
		return
	}
	r.promoteOf(o) // its own queues first, since this one may have kept them waiting
	r.promote()
	select {
	case r.progress <- struct{}{}:
	default:
	}
}

// promote gives the free slots to queues that have none, and sends their first waiters to
// the kernel.
func (r *waitQueues) promote() {
	for e := r.overflow.Front(); e != nil && r.slots < maxSlots; {
		o := e.Value.(*objectQueues)
		e = e.Next()
		r.promoteOf(o)
	}
}

func (r *waitQueues) promoteOf(o *objectQueues) {
	for o.overflow.Len() > 0 && r.hasSlot(o) {
		l := o.overflow.Front().Value.(*waitQueue)
		r.leaveOverflow(l)
		r.takeSlot(o)
		l.first().proceed()
	}
}
