package bridge

import (
	"sync"
	"time"

	"github.com/sysvipc/sysvipc"
)

// idlePause is how often a kernel's queue is looked at that has no messages to send. The kernel
// has no call that waits for a message and leaves it.
const idlePause = 5 * time.Millisecond

// idlers looks at the empty queues of all bridges of this process together, so that a hundred
// cost little more than one.
type idlers struct {
	mu      sync.Mutex
	queues  map[chan<- struct{}]*sysvipc.Queue
	running bool
}

var idle idlers

// watch returns a channel that is closed when the queue is not empty, or not there any more, and what
// ends the watching.
func (w *idlers) watch(q *sysvipc.Queue) (<-chan struct{}, func()) {
	came := make(chan struct{})
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.queues == nil {
		w.queues = map[chan<- struct{}]*sysvipc.Queue{}
	}
	w.queues[came] = q
	if !w.running {
		w.running = true
		go w.run()
	}
	return came, func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		delete(w.queues, came)
	}
}

// run looks at the queues until none is watched.
func (w *idlers) run() {
	tick := time.NewTicker(idlePause)
	defer tick.Stop()
	for range tick.C {
		if !w.look() {
			return
		}
	}
}

// look looks at each once, and reports whether any is still watched.
func (w *idlers) look() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	for came, q := range w.queues {
		if st, err := q.Stat(); err != nil || st.Messages > 0 {
			close(came)
			delete(w.queues, came)
		}
	}
	w.running = len(w.queues) > 0
	return w.running
}
