package calls

import (
	"cmp"
	"slices"
	"time"

	"github.com/sysvipc/sysvipc/internal/output"
	"github.com/sysvipc/sysvipc/trace"
)

// Handovers learns from events which process gave what another took: of a semaphore the last process that added to it or,
// for one that waited for zero, took from it; of a queue the sender of the message, by type in their order.
type Handovers struct {
	here  uint64
	edges map[edge]*output.Handover
	added map[place]trace.Process // the last one
	took  map[place]trace.Process
	sent  map[place][]trace.Process // by type, oldest first
	owed  map[place][]receipt       // received before its sender's call was seen to end
}

// place is a semaphore of a set, or a type of message of a queue.
type place struct {
	trace.Object
	at int64
}

type edge struct {
	place
	from, to trace.Process
}

type receipt struct {
	process trace.Process
	took    time.Duration
}

// keptMessages bounds what is remembered of a queue that is sent to and never received from while this looks.
const keptMessages = 1 << 14

// NewHandovers knows of none.
func NewHandovers(here uint64) *Handovers {
	return &Handovers{
		here: here, edges: map[edge]*output.Handover{}, added: map[place]trace.Process{}, took: map[place]trace.Process{}, sent: map[place][]trace.Process{}, owed: map[place][]receipt{},
	}
}

// Add learns from the next event.
func (h *Handovers) Add(e *trace.Event) {
	if e.Errno() != 0 {
		return
	}
	switch e.Op {
	case trace.Semop, trace.Semtimedop:
		waited := false // one call waits once, whatever it takes
		for _, op := range e.Ops {
			at := place{e.Object, int64(op.Index)}
			givers := h.added
			if op.Delta == 0 {
				givers = h.took
			}
			if op.Delta <= 0 && !waited {
				waited = true
				h.note(at, givers[at], e.Process, e.Took)
			}
			switch {
			case op.Delta > 0:
				h.added[at] = e.Process
			case op.Delta < 0:
				h.took[at] = e.Process
			}
		}
	case trace.Msgsnd:
		at := place{e.Object, e.Type}
		if owed := h.owed[at]; len(owed) > 0 {
			h.note(at, e.Process, owed[0].process, owed[0].took)
			h.owed[at] = owed[1:]
		} else if len(h.sent[at]) < keptMessages {
			h.sent[at] = append(h.sent[at], e.Process)
		}
	case trace.Msgrcv:
		at := place{e.Object, e.Type}
		if sent := h.sent[at]; len(sent) > 0 {
			h.note(at, sent[0], e.Process, e.Took)
			h.sent[at] = sent[1:]
		} else if len(h.owed[at]) < keptMessages {
			h.owed[at] = append(h.owed[at], receipt{e.Process, e.Took})
		}
	}
}

func (h *Handovers) note(at place, from, to trace.Process, took time.Duration) {
	k := edge{at, from, to}
	isQueue := at.Kind == trace.Msgsnd.Kind()
	if isQueue {
		k.at = 0
	}
	n := h.edges[k]
	if n == nil {
		n = &output.Handover{Ref: Name(at.Object, h.here), To: to.PID, FromComm: from.Comm, ToComm: to.Comm}
		if !isQueue {
			index := int(at.at)
			n.SemNum = &index
		}
		if from.PID != 0 {
			n.From = &from.PID
		}
		h.edges[k] = n
	}
	n.Count++
	if took > 0 {
		n.Waited += int64(took)
		n.Max = max(n.Max, int64(took))
	}
}

// List is all hand-overs; what was waited for longest comes first.
func (h *Handovers) List() []output.Handover {
	for at, owed := range h.owed { // what was received had been sent before the trace
		for _, r := range owed {
			h.note(at, trace.Process{}, r.process, r.took)
		}
	}
	clear(h.owed)
	list := make([]output.Handover, 0, len(h.edges))
	for _, n := range h.edges {
		list = append(list, *n)
	}
	slices.SortFunc(list, func(a, b output.Handover) int {
		return cmp.Or(cmp.Compare(b.Waited, a.Waited), cmp.Compare(b.Count, a.Count), cmp.Compare(a.Ref, b.Ref), cmp.Compare(a.To, b.To))
	})
	return list
}
