package inspect

import "slices"

// findHolders finds the processes that each wait is probably waiting for.
func (s *Snapshot) findHolders() {
	requests := s.unanswered()
	for i := range s.Waits {
		w := &s.Waits[i]
		o := s.Object(w.Kind, w.ID)
		if o == nil || w.heldBySeen(o) {
			continue
		}
		for j := range o.Users {
			u := &o.Users[j]
			if !u.Gone() && (u.Status != Alive || u.Process == nil) {
				continue
			}
			switch {
			case u.Role == Operator && w.Operation == Operate && w.Semaphore >= 0 && !w.isHeldBy(u.PID):
				// A process is one user, whatever number of semaphores it operated on.
				if o.Semaphores[w.Semaphore].LastPID == u.PID {
					w.heldBy(u, "operated on semaphore "+string(appendInt(nil, w.Semaphore))+" last")
				}
			case u.Role == Sender && w.Operation == Receive && !u.Gone():
				w.heldBy(u, "sent last")
			case u.Role == Sender && w.Operation == Receive && requests[u.PID] != "": // other senders come and go
				w.heldBy(u, "sent last, left messages on "+requests[u.PID])
			case u.Role == Receiver && w.Operation == Send:
				w.heldBy(u, "received last")
			}
		}
	}
}

// unanswered finds the queues whose messages no process receives any more, by the process that received from them last and
// has ended: a server that was killed, whose clients wait for an answer on another queue.
func (s *Snapshot) unanswered() map[int]string {
	queues := map[int]string{}
	for i := range s.Objects {
		o := &s.Objects[i]
		if o.Queue == nil || o.Queue.Messages == 0 || o.Waiters > 0 {
			continue
		}
		for j := range o.Users {
			if u := &o.Users[j]; u.Role == Receiver && u.Gone() {
				queues[u.PID] = o.Ref()
			}
		}
	}
	return queues
}

func (w *Wait) isHeldBy(pid int) bool {
	return slices.ContainsFunc(w.Holders, func(h Holder) bool { return h.PID == pid })
}

func (w *Wait) heldBy(u *User, why string) {
	h := Holder{PID: u.PID, Process: u.Process, Self: u.PID == w.PID, Why: why}
	if u.Gone() {
		h.Process, h.Self, h.Ended, h.Why = nil, false, true, why+", and has ended"
	}
	w.Holders = append(w.Holders, h)
}

// findCycles numbers the probable deadlocks: processes that wait for one another in a ring. A wait
// for a time is none, since it ends. A process that operated last on the semaphore that it waits
// for is no ring: consumers do so all day long.
func (s *Snapshot) findCycles() {
	waits := map[int][]*Wait{} // by process
	for i := range s.Waits {
		if w := &s.Waits[i]; w.Timeout == 0 {
			waits[w.PID] = append(waits[w.PID], w)
		}
	}
	// Tarjan's strongly connected components, on a stack of its own: chains may be long.
	type frame struct{ pid, wait, holder int }
	var (
		order, low = map[int]int{}, map[int]int{}
		onStack    = map[int]bool{}
		stack      []int
		component  = map[int]int{}
		cycles     int
	)
	for _, start := range sortedKeys(waits) {
		if order[start] != 0 {
			continue
		}
		frames := []frame{{pid: start}}
		for len(frames) > 0 {
			f := &frames[len(frames)-1]
			if order[f.pid] == 0 {
				order[f.pid] = len(order) + 1
				low[f.pid] = order[f.pid]
				stack, onStack[f.pid] = append(stack, f.pid), true
			}
			next := 0
			for f.wait < len(waits[f.pid]) && next == 0 {
				holders := waits[f.pid][f.wait].Holders
				if f.holder == len(holders) {
					f.wait, f.holder = f.wait+1, 0
					continue
				}
				h := holders[f.holder]
				f.holder++
				switch {
				case h.Self || h.Ended || waits[h.PID] == nil:
				case order[h.PID] == 0:
					next = h.PID
				case onStack[h.PID]:
					low[f.pid] = min(low[f.pid], order[h.PID])
				}
			}
			if next != 0 {
				frames = append(frames, frame{pid: next})
				continue
			}
			done := f.pid
			frames = frames[:len(frames)-1]
			if len(frames) > 0 {
				up := frames[len(frames)-1].pid
				low[up] = min(low[up], low[done])
			}
			if low[done] != order[done] {
				continue
			}
			from := slices.Index(stack, done)
			ring := stack[from:]
			if len(ring) > 1 {
				cycles++
			}
			for _, pid := range ring {
				onStack[pid] = false
				if len(ring) > 1 {
					component[pid] = cycles
				}
			}
			stack = stack[:from]
		}
	}
	for i := range s.Waits {
		w := &s.Waits[i]
		c := component[w.PID]
		if c == 0 || w.Timeout != 0 {
			continue
		}
		for _, h := range w.Holders {
			if !h.Self && component[h.PID] == c {
				w.Cycle = c // and not another thread of the same process
			}
		}
	}
}

func sortedKeys[V any](m map[int]V) []int {
	keys := make([]int, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
