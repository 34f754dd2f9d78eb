package cluster

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/sysvipc/sysvipc"
)

// semState is a semaphore set as its entry holds it. Whoever changes it does what the
// kernel would do: it makes its operations, and then those of all who wait and can go on.
type semState struct {
	Values   []int             `json:"values"`
	Token    uint64            `json:"token"`              // of the last grant; never goes back
	Made     int64             `json:"made"`               // when, in Unix nanoseconds; with a new set it is another
	Operated int64             `json:"operated,omitempty"` // when last
	Hold     map[string][]int  `json:"hold,omitempty"`     // by session: what to add to each value when it ends
	Wait     []*semWait        `json:"wait,omitempty"`     // in order
	Done     map[string]*grant `json:"done,omitempty"`     // by wait: granted, and the waiter has not said that it knows
	Removed  bool              `json:"removed,omitempty"`
}

// semWait is one who waits.
type semWait struct {
	ID      string  `json:"id"`
	Session string  `json:"session"`
	Ops     []semOp `json:"ops"`
}

// grant is what came of a wait.
type grant struct {
	Session string  `json:"session"`
	Token   uint64  `json:"token"`
	Range   bool    `json:"range,omitempty"` // refused: a value would have passed the limit
	Ops     []semOp `json:"ops,omitempty"`   // to take back if the session ends before the waiter knows
}

// semOp is [sysvipc.Op] in the open: index, delta, and 1 for undo.
type semOp [3]int

const maxValue = 32767

// semOps are those that were read before: programs have few.
var semOps sync.Map

// readOp reads an operation, which shows itself by its text only, as the command takes it.
func readOp(op sysvipc.Op) (semOp, error) {
	if o, ok := semOps.Load(op); ok {
		return o.(semOp), nil
	}
	var o semOp
	text, undo := strings.CutSuffix(op.String(), ":undo")
	if undo {
		o[2] = 1
	}
	at := strings.LastIndexAny(text, "=+-")
	if at < 1 {
		return o, fmt.Errorf("operation %q is not understood", text)
	}
	var err1, err2 error
	o[0], err1 = strconv.Atoi(text[:at])
	if text[at] != '=' {
		o[1], err2 = strconv.Atoi(text[at:])
	}
	if err1 != nil || err2 != nil {
		return o, fmt.Errorf("operation %q is not understood", text)
	}
	semOps.Store(op, o)
	return o, nil
}

// outcome of operations
type outcome int

const (
	done    outcome = iota
	blocked         // they have to wait
	tooBig          // a value would pass the limit
)

// apply makes all operations or none.
func (s *semState) apply(session string, ops []semOp) outcome {
	var room [8]int
	values := append(room[:0], s.Values...)
	var undo []int
	for _, op := range ops {
		v := values[op[0]] + op[1]
		switch {
		case op[1] == 0 && values[op[0]] != 0, v < 0:
			return blocked
		case v > maxValue:
			return tooBig
		}
		values[op[0]] = v
		if op[2] != 0 && op[1] != 0 {
			if undo == nil {
				undo = make([]int, len(s.Values))
				copy(undo, s.Hold[session])
			}
			if undo[op[0]] -= op[1]; undo[op[0]] > maxValue || undo[op[0]] < -maxValue {
				return tooBig
			}
		}
	}
	copy(s.Values, values)
	if undo != nil {
		s.setHold(session, undo)
	}
	return done
}

func (s *semState) setHold(session string, undo []int) {
	if !slices.ContainsFunc(undo, func(n int) bool { return n != 0 }) {
		delete(s.Hold, session)
		return
	}
	if s.Hold == nil {
		s.Hold = map[string][]int{}
	}
	s.Hold[session] = undo
}

// settle lets those go on who can, in order.
func (s *semState) settle() {
	for i := 0; i < len(s.Wait); {
		w := s.Wait[i]
		result := s.apply(w.Session, w.Ops)
		if result == blocked {
			i++
			continue
		}
		g := &grant{Session: w.Session, Range: result == tooBig}
		if result == done {
			s.Token++
			g.Token = s.Token
			for _, op := range w.Ops {
				if op[2] == 0 && op[1] != 0 {
					g.Ops = append(g.Ops, op)
				}
			}
		}
		if s.Done == nil {
			s.Done = map[string]*grant{}
		}
		s.Done[w.ID] = g
		s.Wait = slices.Delete(s.Wait, i, i+1)
		i = 0 // it may have made way for one before it
	}
}

// end does what the kernel does when a process ends: it gives back, without letting a
// value pass its limits, and forgets the waits. It reports whether there was anything.
func (s *semState) end(session string) bool {
	found := false
	add := func(i, n int) { s.Values[i] = min(max(s.Values[i]+n, 0), maxValue) }
	for i, n := range s.Hold[session] {
		add(i, n)
		found = true
	}
	delete(s.Hold, session)
	for id, g := range s.Done {
		if g.Session == session {
			for _, op := range g.Ops {
				add(op[0], -op[1])
			}
			delete(s.Done, id)
			found = true
		}
	}
	n := len(s.Wait)
	s.Wait = slices.DeleteFunc(s.Wait, func(w *semWait) bool { return w.Session == session })
	return found || len(s.Wait) < n
}

// sessions returns those that the set depends on.
func (s *semState) sessions() map[string]bool {
	all := map[string]bool{}
	for id := range s.Hold {
		all[id] = true
	}
	for _, g := range s.Done {
		all[g.Session] = true
	}
	for _, w := range s.Wait {
		all[w.Session] = true
	}
	return all
}

func (s *semState) encode() []byte {
	text, err := json.Marshal(s)
	if err != nil {
		panic(err) // it has nothing that JSON cannot hold
	}
	return text
}

// decodeState reads an entry, which others have written.
func decodeState(data []byte) (*semState, error) {
	s := &semState{}
	if err := json.Unmarshal(data, s); err != nil {
		return nil, fmt.Errorf("the entry is not understood: %w", err)
	}
	bad := func(ops []semOp) bool {
		return slices.ContainsFunc(ops, func(o semOp) bool { return o[0] < 0 || o[0] >= len(s.Values) })
	}
	wrong := slices.ContainsFunc(s.Values, func(v int) bool { return v < 0 || v > maxValue })
	for _, h := range s.Hold {
		wrong = wrong || len(h) != len(s.Values)
	}
	for _, w := range s.Wait {
		wrong = wrong || w == nil || bad(w.Ops)
	}
	for _, g := range s.Done {
		wrong = wrong || g == nil || bad(g.Ops)
	}
	if wrong {
		return nil, fmt.Errorf("the entry contradicts itself: %.80q", data)
	}
	return s, nil
}
