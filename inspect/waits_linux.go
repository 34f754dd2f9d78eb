package inspect

import (
	"errors"
	"io/fs"

	"github.com/sysvipc/sysvipc"
)

// waits turns the threads that were seen to wait into waits on objects.
func (r *resolver) waits() {
	for i := range r.scan.blocked {
		b := &r.scan.blocked[i]
		kind := sysvipc.KindQueue
		if b.call.op == Operate {
			kind = sysvipc.KindSemaphores
		}
		o := r.Object(kind, b.call.id)
		if o == nil {
			continue // it was removed meanwhile, or its kind is not wanted
		}
		w := Wait{
			PID: b.pid, TID: b.tid, Process: r.process(b.pid), Kind: kind, ID: b.call.id, Operation: b.call.op,
			Semaphore: -1, Since: b.since, elsewhere: o.elsewhere,
		}
		if b.hasTimeout {
			w.Timeout = max(b.timeout, 1)
		}
		switch w.Operation {
		case Operate:
			w.Ops = b.ops
			if o.Semaphores != nil {
				w.Semaphore = stuckSemaphore(w.Ops, o.Semaphores)
			}
		case Send:
			w.Size, w.Type = clampInt(b.call.size), b.msgtype
		case Receive:
			w.Size, w.Type = clampInt(b.call.size), b.call.typ
			w.Except = w.Type > 0 && b.call.flags&flagExcept != 0
		}
		o.Users = append(o.Users, User{PID: w.PID, TID: w.TID, Role: Waiting, Status: Alive, Process: w.Process, At: w.Since})
		o.Waiters++
		r.Waits = append(r.Waits, w)
	}
}

// maxPeeked is how many messages of a queue are looked at: each look goes through all before it.
const maxPeeked = 1000

// peek looks at the types on queues that have messages and waiting receivers.
func (s *Snapshot) peek() {
	seen := map[int]map[int64]int{}
	for i := range s.Waits {
		w := &s.Waits[i]
		o := s.Object(w.Kind, w.ID)
		if w.Operation != Receive || o == nil || o.Queue.Messages == 0 {
			continue
		}
		types, ok := seen[w.ID]
		if !ok {
			types = typesOn(w.ID)
			seen[w.ID] = types
			if types == nil {
				o.unknown("types")
			}
		}
		w.Queued = types
	}
}

// typesOn counts the messages of each type, or returns nil where this user may not look.
func typesOn(id int) map[int64]int {
	q, types := sysvipc.QueueByID(id), map[int64]int{}
	for i := range maxPeeked {
		m, err := q.Peek(i)
		switch {
		case errors.Is(err, sysvipc.ErrWouldBlock):
			return types
		case errors.Is(err, fs.ErrPermission), err != nil:
			return nil
		}
		types[m.Type]++
	}
	return types
}
