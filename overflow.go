package sysvipc

import (
	"runtime"
	"syscall"
	"time"

	"github.com/sysvipc/sysvipc/internal/sysv"
)

// The overflow poll tries the calls of wait queues that have no slot in the kernel. It is the price
// of bounded threads, paid only by processes that wait for very many different
// operations at once. As long as it lets enough of them through, it goes on at once. Else it
// pauses until a waiter in the kernel goes on, which shows that something happens, and not
// for longer than a millisecond. What it tries in vain takes at most a tenth of one processor, or more
// where it takes over 28 ms to try all: no pause is longer than 250 ms.
const (
	pollShare    = 10
	pollPause    = time.Millisecond
	maxPollPause = 250 * time.Millisecond
	// A call that is let through is worth so many that are not, and the poll may save up
	// some of them: then it need not pause for each message that comes a little late.
	pollWorth     = 8
	maxPollCredit = 4096
	// As many calls are made while their waiters cannot leave.
	pollBatch = 64
)

type pollerState byte

const (
	pollerEnded pollerState = iota
	pollerActive
	pollerPauses
)

// pollOverflow serves wait queues without a slot until there are none.
func (r *waitQueues) pollOverflow() {
	var s overflowPoll
	timer := time.NewTimer(pollPause)
	for {
		s.all(r)
		s.credit = min(s.credit+s.served*pollWorth-s.tried, maxPollCredit)
		if s.served > 0 && s.served*pollWorth >= s.tried {
			runtime.Gosched() // to the waiters that were served
			continue
		}
		if !r.pausePoll() {
			return
		}
		if debt := s.debt(); debt > pollPause {
			time.Sleep(min(debt, maxPollPause))
			s.credit = 0
		}
		timer.Reset(pollPause)
		select {
		case <-r.progress:
		case <-timer.C:
			s.credit = max(s.credit, 0) // the pause has paid for it
		}
		r.mu.Lock()
		r.poller = pollerActive
		r.mu.Unlock()
	}
}

// debt is how long the poll has to pause for what it has tried in vain.
func (s *overflowPoll) debt() time.Duration {
	if s.credit >= 0 || s.tried == 0 {
		return 0
	}
	return s.took * time.Duration(-s.credit) / time.Duration(s.tried) * (pollShare - 1)
}

// pausePoll reports whether the poll goes on at all.
func (r *waitQueues) pausePoll() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.promote()
	r.poller = pollerPauses
	if r.overflow.Len() == 0 {
		r.poller = pollerEnded
	}
	return r.poller != pollerEnded
}

// overflowPoll is what one poll knows, and keeps for the next.
type overflowPoll struct {
	tried, served int           // its calls, and those that were let through
	took          time.Duration // the calls alone
	credit        int           // calls that may be tried in vain

	objects []*objectQueues
	queues  []*waitQueue
	batch   []try
}

// try is the call of a queue's first waiter.
type try struct {
	l     *waitQueue
	w     *waiter
	errno syscall.Errno
}

// all tries all queues without a slot.
func (s *overflowPoll) all(r *waitQueues) {
	s.tried, s.served, s.took = 0, 0, 0
	r.mu.Lock()
	s.objects = s.objects[:0]
	for e := r.overflow.Front(); e != nil; e = e.Next() {
		s.objects = append(s.objects, e.Value.(*objectQueues))
	}
	r.mu.Unlock()
	for _, o := range s.objects {
		empty := s.empty(o.key)
		r.mu.Lock()
		s.queues = s.queues[:0]
		for e := o.overflow.Front(); e != nil; e = e.Next() {
			if l := e.Value.(*waitQueue); !(empty && l.key.call == 'r') {
				s.queues = append(s.queues, l)
			}
		}
		r.mu.Unlock()
		for rest := s.queues; len(rest) > 0; {
			n := min(len(rest), pollBatch)
			s.some(r, rest[:n])
			rest = rest[n:]
		}
	}
	clear(s.objects)
	clear(s.queues[:cap(s.queues)])
}

// empty reports whether the object is a queue without a message: one call instead of one
// for each receiver.
func (s *overflowPoll) empty(o objectKey) bool {
	if o.kind != KindQueue {
		return false
	}
	start := time.Now()
	ds, _, errno := sysv.MsgctlStat(o.id, sysv.IPC_STAT)
	s.took += time.Since(start)
	s.tried++
	return errno == 0 && ds.Qnum == 0
}

// some makes the calls of the first waiters of some queues, for as long as the kernel lets
// them through. The lock is not held meanwhile: a cancelled waiter waits until it is
// known whether its call was made.
func (s *overflowPoll) some(r *waitQueues, queues []*waitQueue) {
	r.mu.Lock()
	defer r.mu.Unlock()
	s.batch = s.batch[:0]
	for _, l := range queues {
		if l.elem != nil { // it was not closed meanwhile
			s.batch = append(s.batch, l.try())
		}
	}
	for len(s.batch) > 0 {
		r.mu.Unlock()
		start := time.Now()
		for i := range s.batch {
			s.batch[i].errno = s.batch[i].w.call(false)
		}
		s.took += time.Since(start)
		r.mu.Lock()
		s.tried += len(s.batch)
		again := s.batch[:0]
		for _, t := range s.batch {
			w := t.w
			w.tried, w.served, w.errno = false, !mustWait(t.errno), t.errno
			if !w.served && !w.leaves {
				continue
			}
			r.drop(t.l, w)
			w.proceed()
			if w.served {
				s.served++
				if t.l.elem != nil {
					again = append(again, t.l.try())
				}
			}
		}
		clear(s.batch[len(again):])
		s.batch = again
	}
}

// try begins the call of the queue's first waiter.
func (l *waitQueue) try() try {
	w := l.first()
	w.tried = true
	return try{l: l, w: w}
}
