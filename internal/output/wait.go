package output

import (
	"cmp"
	"slices"
	"time"

	"github.com/sysvipc/sysvipc/inspect"
)

// Wait is a thread that is blocked on a set or a queue.
type Wait struct {
	PID     int           `json:"pid"`
	TID     int           `json:"tid"`
	Comm    *string       `json:"comm"`
	UID     *int          `json:"uid"`
	Ref     string        `json:"ref"`
	Type    string        `json:"type" enum:"shm,sem,msg"`
	ID      int           `json:"id"`
	SemNum  *int          `json:"semnum"`                         // at which semaphore the operations are stuck
	Op      string        `json:"op" enum:"operate,send,receive"` // "operate", "send" or "receive"
	Ops     []SemaphoreOp `json:"ops" nullable:"yes"`             // they are done together or not at all
	MsgType *int64        `json:"msgtype"`                        // as in msgrcv(2)
	Except  *bool         `json:"except"`
	Size    *int          `json:"size"` // bytes of the message, or of the receiver's buffer
	What    string        `json:"what"` // the operation in words
	Since   *time.Time    `json:"since"`
	Seconds *int64        `json:"seconds"` // since Since
	Timeout *float64      `json:"timeout"` // seconds
	Holders []Holder      `json:"holders"`
	Cycle   *int          `json:"cycle"`
	Stuck   bool          `json:"stuck"`
	Queued  []TypeCount   `json:"types_on_queue" nullable:"yes"`
	Unknown []string      `json:"unknown"`
}

// SemaphoreOp is one operation of semop(2).
type SemaphoreOp struct {
	SemNum int  `json:"semnum"`
	Delta  int  `json:"delta"` // 0 waits for zero
	Undo   bool `json:"undo"`
	NoWait bool `json:"nowait"`
}

// Holder is a process that a wait is probably waiting for.
type Holder struct {
	PID      int      `json:"pid"`
	Comm     *string  `json:"comm"`
	Alive    bool     `json:"alive"`    // if not, what it took without undo stays taken
	Self     bool     `json:"self"`     // the waiting process
	Probably bool     `json:"probably"` // false: a trace has seen it taking
	Why      string   `json:"why"`
	Unknown  []string `json:"unknown"`
}

// TypeCount is how many messages of a type there are.
type TypeCount struct {
	Type     int64 `json:"type"`
	Messages int   `json:"messages"`
}

// WaitOf is a wait of a snapshot.
func WaitOf(snap *inspect.Snapshot, w *inspect.Wait) *Wait {
	out := &Wait{
		PID: w.PID, TID: w.TID, Ref: w.Ref(), Type: Type(w.Kind), ID: w.ID, Op: w.Operation.String(), What: w.What(),
		Holders: make([]Holder, len(w.Holders)), Cycle: OrNil(w.Cycle), Stuck: w.Stuck(),
	}
	if w.Process != nil {
		out.Comm = &w.Process.Comm
		if w.Process.UID >= 0 {
			out.UID = &w.Process.UID
		}
	}
	out.Unknown = missing(out.Unknown, "comm", out.Comm == nil, "uid", out.UID == nil)
	for i, h := range w.Holders {
		out.Holders[i] = Holder{PID: h.PID, Comm: OrNil(h.Comm()), Alive: !h.Ended, Self: h.Self, Probably: !h.Certain, Why: h.Why}
		out.Holders[i].Unknown = missing(nil, "comm", h.Comm() == "" && !h.Ended)
	}
	if w.Since.IsZero() {
		out.Unknown = append(out.Unknown, "since", "seconds")
	} else {
		out.Since = &w.Since
		sec := int64(max(0, snap.Time.Sub(w.Since)) / time.Second)
		out.Seconds = &sec
	}
	if w.Timeout > 0 {
		sec := w.Timeout.Seconds()
		out.Timeout = &sec
	}
	if w.Operation == inspect.Operate {
		out.operation(w)
	} else {
		out.message(snap, w)
	}
	return out
}

// operation adds what a wait on a set has.
func (out *Wait) operation(w *inspect.Wait) {
	if w.Semaphore >= 0 {
		out.SemNum = &w.Semaphore
	} else {
		out.Unknown = append(out.Unknown, "semnum")
	}
	if len(w.Ops) == 0 {
		out.Unknown = append(out.Unknown, "ops")
		return
	}
	for _, op := range w.Ops {
		out.Ops = append(out.Ops, SemaphoreOp{op.Index, op.Delta, op.Undo, op.NoWait})
	}
}

// message adds what a wait on a queue has.
func (out *Wait) message(snap *inspect.Snapshot, w *inspect.Wait) {
	out.MsgType, out.Size = &w.Type, &w.Size
	if w.Operation == inspect.Send && w.Type == 0 {
		out.MsgType = nil
		out.Unknown = append(out.Unknown, "msgtype")
	}
	if w.Operation != inspect.Receive {
		return
	}
	out.Except = &w.Except
	if w.Queued != nil {
		out.Queued = TypeCounts(w.Queued)
	} else if o := snap.Object(w.Kind, w.ID); o != nil && o.Queue.Messages > 0 {
		out.Unknown = append(out.Unknown, "types_on_queue")
	}
}

// TypeCounts are the types of messages, lowest first.
func TypeCounts(types map[int64]int) []TypeCount {
	list := make([]TypeCount, 0, len(types))
	for typ, n := range types {
		list = append(list, TypeCount{typ, n})
	}
	slices.SortFunc(list, func(a, b TypeCount) int { return cmp.Compare(a.Type, b.Type) })
	return list
}
