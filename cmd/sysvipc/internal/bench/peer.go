//go:build linux && (amd64 || arm64)

package bench

import (
	"errors"
	"fmt"
	"io"
	"runtime"
	"time"
)

// peer is a second process: it does what the first one orders.
type peer struct {
	control
	placed
	talks  map[int]end
	locks  map[int]locker
	states map[int]state
	turns  int
}

// servePeer serves until the first process has ended.
func servePeer() error {
	runtime.LockOSThread() // a signal is for a thread
	p := &peer{control: control{3}, talks: map[int]end{}, locks: map[int]locker{}, states: map[int]state{}}
	calm()
	for {
		var o order
		fds, err := p.hear(&o)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		o.Link.fds = fds
		var a answer
		if err := p.obey(&o); err != nil {
			a.Error = err.Error()
		}
		a.Reply = o.Link.Reply
		if p.turns++; p.turns%64 == 0 {
			runtime.GC()
		}
		if err := p.say(a); err != nil {
			return err
		}
	}
}

func (p *peer) obey(o *order) error {
	m := all[o.Mechanism]
	switch o.Do {
	case "open":
		return measured(m, func() (err error) {
			switch o.Use {
			case "talk":
				p.talks[o.ID], err = m.talk.join(&o.Link)
			case "lock":
				p.locks[o.ID], err = joinMarked(m, &o.Link)
			case "read":
				p.states[o.ID], err = m.state.join(&o.Link)
			}
			return err
		})
	case "close":
		return measured(m, func() error {
			for _, e := range []interface{ close() }{p.talks[o.ID], p.locks[o.ID], p.states[o.ID]} {
				if e != nil {
					e.close()
				}
			}
			delete(p.talks, o.ID)
			delete(p.locks, o.ID)
			delete(p.states, o.ID)
			return nil
		})
	}
	if err := p.move(o.CPU); err != nil {
		return err
	}
	return measured(m, func() error {
		if err := p.say(answer{}); err != nil {
			return err
		}
		switch o.Do {
		case "echo":
			return echo(p.talks[o.ID], o)
		case "sink":
			return sink(p.talks[o.ID], o)
		case "hold":
			return hold(p.locks[o.ID], o)
		case "store":
			buf := make([]byte, small)
			fill(buf, o.Seq)
			return p.states[o.ID].store(buf)
		}
		return fmt.Errorf("unknown order %q", o.Do)
	})
}

// joinMarked joins a lock, and the marks of its turns, whose descriptor comes last.
func joinMarked(m *means, l *link) (locker, error) {
	mem, err := joinMemory(l, 4096)
	if err != nil {
		return nil, err
	}
	l.fds = l.fds[:len(l.fds)-1]
	lock, err := m.lock.join(l)
	return marked{lock, marks{mem}}, err
}

// offerMarked is the same in the first process.
func offerMarked(m *means, l *link) (locker, error) {
	lock, err := m.lock.offer(l)
	if err != nil {
		return nil, err
	}
	mem, err := offerMemory(l, 4096)
	return marked{lock, marks{mem}}, err
}

// marked is a lock with marks.
type marked struct {
	locker
	marks marks
}

func (m marked) close() {
	m.locker.close()
	m.marks.memory.close()
}

// measured runs what takes part in a measurement: in the thread of the process, or as a goroutine like any other where
// the mechanism waits in the way of goroutines.
func measured(m *means, f func() error) error {
	if !m.library {
		return f()
	}
	done := make(chan error)
	go func() { done <- f() }()
	return <-done
}

// echo answers messages.
func echo(e end, o *order) error {
	buf := make([]byte, o.Bytes)
	for i := range uint64(o.Count) {
		if _, err := e.receive(buf); err != nil {
			return err
		}
		if err := check(buf, o.Seq+i); err != nil {
			return err
		}
		fill(buf, ^(o.Seq + i))
		if err := e.send(buf); err != nil {
			return err
		}
	}
	return nil
}

// sink reads messages, and answers the last one.
func sink(e end, o *order) error {
	buf := make([]byte, o.Bytes)
	for i := range uint64(o.Count) {
		if _, err := e.receive(buf); err != nil {
			return err
		}
		if err := check(buf, o.Seq+i); err != nil {
			return err
		}
	}
	return e.send(buf[:small])
}

const (
	// settle is how long a holder keeps its lock, so that the other process waits for it.
	settle = 60 * time.Microsecond
	// pause is how long a process sleeps that waits for the other's turn to end.
	pause = 20 * time.Microsecond
)

// hold takes the lock again and again, and gives it while the first process waits for it.
func hold(l locker, o *order) error {
	m := l.(marked).marks
	for i := range uint64(o.Count) {
		if err := l.lock(); err != nil {
			return err
		}
		m.held().Store(o.Seq + i)
		rest(settle)
		m.given().Store(clock())
		if err := l.unlock(); err != nil {
			return err
		}
		for m.done().Load() != o.Seq+i {
			rest(pause)
		}
	}
	return nil
}
