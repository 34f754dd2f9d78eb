package sysvipc

import (
	"runtime"
	"syscall"
	"time"

	"github.com/sysvipc/sysvipc/internal/sysv"
)

// A sweep tries the calls of lines that have no place in the kernel. It is the price
// of bounded threads, paid only by processes that wait for very many different
// things at once. As long as it lets enough of them through, it goes on at once. Else it
// pauses until a waiter in the kernel goes on, which shows that something happens, and not
// for longer than a millisecond. What it tries in vain takes at most a tenth of one processor.
const (
	sweepShare    = 10
	sweepPause    = time.Millisecond
	maxSweepPause = 250 * time.Millisecond
	// A call that is let through is worth so many that are not, and a sweep may save up
	// some of them: then it need not pause for each message that comes a little late.
	sweepWorth     = 8
	maxSweepCredit = 4096
	// As many calls are made while those who wait for them cannot leave.
	sweepBatch = 64
)

type sweeperState byte

const (
	sweeperEnded sweeperState = iota
	sweeperAtWork
	sweeperPauses
)

// sweep serves lines without a place until there are none.
func (r *waitingRoom) sweep() {
	var s sweep
	timer := time.NewTimer(sweepPause)
	for {
		s.all(r)
		s.credit = min(s.credit+s.served*sweepWorth-s.tried, maxSweepCredit)
		if s.served > 0 && s.served*sweepWorth >= s.tried {
			runtime.Gosched() // to those who were served
			continue
		}
		if !r.pauseSweep() {
			return
		}
		if s.credit < 0 {
			inVain := s.took * time.Duration(-s.credit) / time.Duration(s.tried)
			time.Sleep(min(inVain*(sweepShare-1), maxSweepPause))
			s.credit = 0
		}
		timer.Reset(sweepPause)
		select {
		case <-r.progress:
		case <-timer.C:
		}
		r.mu.Lock()
		r.sweeper = sweeperAtWork
		r.mu.Unlock()
	}
}

// pauseSweep reports whether the sweep goes on at all.
func (r *waitingRoom) pauseSweep() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.promote()
	r.sweeper = sweeperPauses
	if r.overflow.Len() == 0 {
		r.sweeper = sweeperEnded
	}
	return r.sweeper != sweeperEnded
}

// sweep is what one sweep knows, and keeps for the next.
type sweep struct {
	tried, served int           // its calls, and those that were let through
	took          time.Duration // the calls alone
	credit        int           // calls that may be tried in vain

	objects []*places
	lines   []*line
	batch   []try
}

// try is the call of a line's first waiter.
type try struct {
	l     *line
	w     *waiter
	errno syscall.Errno
}

// all tries all lines without a place.
func (s *sweep) all(r *waitingRoom) {
	s.tried, s.served, s.took = 0, 0, 0
	r.mu.Lock()
	s.objects = s.objects[:0]
	for e := r.overflow.Front(); e != nil; e = e.Next() {
		s.objects = append(s.objects, e.Value.(*places))
	}
	r.mu.Unlock()
	for _, o := range s.objects {
		empty := o.empty()
		r.mu.Lock()
		s.lines = s.lines[:0]
		for e := o.overflow.Front(); e != nil; e = e.Next() {
			if l := e.Value.(*line); !(empty && l.key.call == 'r') {
				s.lines = append(s.lines, l)
			}
		}
		r.mu.Unlock()
		for rest := s.lines; len(rest) > 0; {
			n := min(len(rest), sweepBatch)
			s.some(r, rest[:n])
			rest = rest[n:]
		}
	}
	clear(s.objects)
	clear(s.lines[:cap(s.lines)])
}

// empty reports whether the object is a queue without a message: one call instead of one
// for each receiver.
func (o *places) empty() bool {
	if o.key.kind != KindQueue {
		return false
	}
	ds, _, errno := sysv.MsgctlStat(o.key.id, sysv.IPC_STAT)
	return errno == 0 && ds.Qnum == 0
}

// some makes the calls of the first waiters of some lines, for as long as the kernel lets
// them through. The lock is not held meanwhile: who is cancelled waits until it is
// known whether its call was made.
func (s *sweep) some(r *waitingRoom, lines []*line) {
	r.mu.Lock()
	defer r.mu.Unlock()
	s.batch = s.batch[:0]
	for _, l := range lines {
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

// try begins the call of the line's first waiter.
func (l *line) try() try {
	w := l.first()
	w.tried = true
	return try{l: l, w: w}
}
