package cluster

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/sysvipc/sysvipc"
)

// semState is a semaphore set as its entry holds it. Its writer does what the
// kernel would do: it makes its operations, and then those of all who wait and can go on.
type semState struct {
	Values   []int             `json:"values"`
	Token    uint64            `json:"token"`              // of the last grant; never goes back
	Made     int64             `json:"made"`               // when, in Unix nanoseconds; with a new set it is another
	Operated int64             `json:"operated,omitempty"` // when last
	Hold     map[string]undos  `json:"hold,omitempty"`     // by session, of all that are in
	Wait     []*semWait        `json:"wait,omitempty"`     // in order
	Done     map[string]*grant `json:"done,omitempty"`     // by wait: granted, and the waiter has not said that it knows
	Removed  bool              `json:"removed,omitempty"`
}

// undos are what to add to values when a session ends: pairs of an index and a number that
// is not 0. A session that holds nothing has none, and is in all the same, until it ends.
type undos [][2]int

// add returns a copy with n more for a semaphore.
func (u undos) add(index, n int) undos {
	c := slices.Clone(u)
	at := slices.IndexFunc(c, func(p [2]int) bool { return p[0] == index })
	if at < 0 {
		at, c = len(c), append(c, [2]int{index, 0})
	}
	if c[at][1] += n; c[at][1] == 0 {
		c = slices.Delete(c, at, at+1)
	}
	return c
}

// of returns the number for a semaphore.
func (u undos) of(index int) int {
	for _, p := range u {
		if p[0] == index {
			return p[1]
		}
	}
	return 0
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
	Ops     []semOp `json:"ops,omitempty"`   // to take back if the waiter does not get to know
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

// apply makes all operations or none. The session of those with undo must be in.
func (s *semState) apply(session string, ops []semOp) outcome {
	var room [8]int
	values := append(room[:0], s.Values...)
	undo, changed := s.Hold[session], false
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
			undo, changed = undo.add(op[0], -op[1]), true
			if n := undo.of(op[0]); n > maxValue || n < -maxValue {
				return tooBig
			}
		}
	}
	copy(s.Values, values)
	if changed {
		s.Hold[session] = undo
	}
	return done
}

// takeBack undoes a grant that nobody got to know of.
func (s *semState) takeBack(id string) {
	g := s.Done[id]
	delete(s.Done, id)
	for _, op := range g.Ops {
		s.add(op[0], -op[1])
		if op[2] != 0 {
			s.Hold[g.Session] = s.Hold[g.Session].add(op[0], op[1])
		}
	}
}

// add changes a value without letting it pass its limits, as the kernel undoes.
func (s *semState) add(index, n int) { s.Values[index] = min(max(s.Values[index]+n, 0), maxValue) }

// grants returns the token of the next grant. It is the time in microseconds, or more: so
// tokens do not go back when the servers do.
func (s *semState) grants() uint64 {
	s.Token = max(s.Token+1, uint64(max(time.Now().UnixMicro(), 0)))
	return s.Token
}

// grantWaiters grants the waiters that can go on, in order.
func (s *semState) grantWaiters() {
	for i := 0; i < len(s.Wait); {
		w := s.Wait[i]
		result := s.apply(w.Session, w.Ops)
		if result == blocked {
			i++
			continue
		}
		g := &grant{Session: w.Session, Range: result == tooBig}
		if result == done {
			g.Token, g.Ops = s.grants(), w.Ops
		}
		if s.Done == nil {
			s.Done = map[string]*grant{}
		}
		s.Done[w.ID] = g
		s.Wait = slices.Delete(s.Wait, i, i+1)
		i = 0 // it may have made way for one before it
	}
}

// in reports whether a session is in.
func (s *semState) in(session string) bool {
	_, ok := s.Hold[session]
	return ok
}

// end does what the kernel does when a process ends: it gives back, and forgets the waits.
// It reports whether the session was in.
func (s *semState) end(session string) bool {
	if _, in := s.Hold[session]; !in {
		return false
	}
	s.Wait = slices.DeleteFunc(s.Wait, func(w *semWait) bool { return w.Session == session })
	for id, g := range s.Done {
		if g.Session == session {
			s.takeBack(id)
		}
	}
	for _, p := range s.Hold[session] {
		s.add(p[0], p[1])
	}
	delete(s.Hold, session)
	return true
}

// abandon takes a wait out, or takes back what it was granted. It reports whether there was
// anything.
func (s *semState) abandon(id string) bool {
	if s.Done[id] != nil {
		s.takeBack(id)
		return true
	}
	n := len(s.Wait)
	s.Wait = slices.DeleteFunc(s.Wait, func(w *semWait) bool { return w.ID == id })
	return len(s.Wait) < n
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
		wrong = wrong || slices.ContainsFunc(h, func(p [2]int) bool { return p[0] < 0 || p[0] >= len(s.Values) })
	}
	for _, w := range s.Wait {
		wrong = wrong || w == nil || bad(w.Ops) || !s.in(w.Session)
	}
	for _, g := range s.Done {
		wrong = wrong || g == nil || bad(g.Ops) || !s.in(g.Session)
	}
	if wrong {
		return nil, fmt.Errorf("the entry contradicts itself: %.80q", data)
	}
	return s, nil
}
