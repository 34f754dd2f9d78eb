package sysvipc

import "time"

// A sweep tries the calls of lines that have no place in the kernel. It is the price
// of bounded threads, paid only by processes that wait for very many different
// things at once. It takes at most a tenth of one processor.
const (
	sweepShare    = 10
	minSweepPause = time.Millisecond
	maxSweepPause = 250 * time.Millisecond
)

// sweep serves lines without a place until there are none.
func (r *waitingRoom) sweep() {
	for lines := r.sweepable(); lines != nil; lines = r.sweepable() {
		start := time.Now()
		for _, l := range lines {
			r.try(l)
		}
		pause := time.Since(start) * (sweepShare - 1)
		time.Sleep(min(max(pause, minSweepPause), maxSweepPause))
	}
}

// sweepable returns the lines to try, or nil if the sweep may end.
func (r *waitingRoom) sweepable() []*line {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.swept.Len() == 0 {
		r.sweeping = false
		return nil
	}
	lines := make([]*line, 0, r.swept.Len())
	for e := r.swept.Front(); e != nil; e = e.Next() {
		lines = append(lines, e.Value.(*line))
	}
	return lines
}

// try makes the calls of a line's waiters for as long as the kernel lets them
// through. The lock keeps a waiter from being cancelled in the same moment.
func (r *waitingRoom) try(l *line) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for l.sweep != nil {
		w := l.first()
		errno := w.call(false)
		if mustWait(errno) {
			return
		}
		w.served, w.errno = true, errno
		r.drop(l, w)
		w.proceed()
		if l.waiters.Len() == 0 {
			r.close(l)
		}
	}
}
