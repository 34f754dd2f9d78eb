package cluster_test

import (
	"context"
	"math"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"

	"github.com/sysvipc/sysvipc"
	"github.com/sysvipc/sysvipc/cluster"
)

// What a semaphore is to do, as porcupine wants it.
type (
	semInput  string // take (or find that nothing is there), give, read, reap
	semOutput struct {
		unknown bool // the call failed: it was done, or will be, or never
		ok      bool
		token   uint64
		value   int
	}
	semModel struct {
		value int
		token uint64 // of the last grant
	}
)

// semaphoreOf is a semaphore with this value at first. What never happened takes its place
// at the end, where nobody sees it.
func semaphoreOf(value int) porcupine.Model {
	return porcupine.Model{
		Init: func() any { return semModel{value: value} },
		Step: func(state, input, output any) (bool, any) {
			s, in, out := state.(semModel), input.(semInput), output.(semOutput)
			switch {
			case in == "reap": // the dead holder's, which is no grant
				return true, semModel{s.value + 1, s.token}
			case in == "read":
				return out.value == s.value, s
			case in == "take" && (out.unknown || !out.ok) && s.value == 0:
				return true, s
			case in == "take" && (!out.unknown && !out.ok || s.value == 0):
				return false, s
			case !out.unknown && out.token != 0 && out.token <= s.token:
				return false, s
			case in == "take":
				return true, semModel{s.value - 1, max(s.token, out.token)}
			}
			return true, semModel{s.value + 1, s.token}
		},
		DescribeOperation: func(in, out any) string { return string(in.(semInput)) },
	}
}

func op(client int, in semInput, call, ret int64, out semOutput) porcupine.Operation {
	return porcupine.Operation{ClientId: client, Input: in, Output: out, Call: call, Return: ret}
}

// history is what clients see of one semaphore. Safe for concurrent use.
type history struct {
	t     *testing.T
	began time.Time

	mu  sync.Mutex
	all []porcupine.Operation
	ok  map[int]int // by client: what succeeded
}

func newHistory(t *testing.T) *history {
	return &history{t: t, began: time.Now(), ok: map[int]int{}}
}

func (h *history) now() int64 { return int64(time.Since(h.began)) }

// note notes a call that began then, and ends now.
func (h *history) note(client int, call int64, in semInput, out semOutput, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	end := h.now()
	if end-call > 3e9 {
		h.t.Logf("client %d: %s took %v: %v", client, in, time.Duration(end-call), err)
	}
	if err != nil {
		h.t.Logf("client %d: %s: %v", client, in, err)
		if in == "read" {
			return
		}
		out.unknown, end = true, math.MaxInt64
	} else {
		h.ok[client]++
	}
	h.all = append(h.all, op(client, in, call, end, out))
}

// succeeded returns how many calls of these clients did.
func (h *history) succeeded(clients ...int) (n int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, i := range clients {
		n += h.ok[i]
	}
	return n
}

// between returns how many calls of a client began and succeeded between these times.
func (h *history) between(client int, from, to int64) (n int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, o := range h.all {
		if o.ClientId == client && o.Call >= from && o.Return <= to {
			n++
		}
	}
	return n
}

// take takes one, now or as soon as there is one.
func (h *history) take(ctx context.Context, client int, s *cluster.SemaphoreSet, wait bool) *cluster.Grant {
	call := h.now()
	var g *cluster.Grant
	var err error
	if wait {
		g, err = s.Take(ctx, sysvipc.Add(0, -1))
	} else {
		g, err = s.TryTake(ctx, sysvipc.Add(0, -1))
	}
	out := semOutput{ok: g != nil}
	if g != nil {
		out.token = g.Token
	}
	h.note(client, call, "take", out, err)
	return g
}

func (h *history) give(ctx context.Context, client int, g *cluster.Grant) {
	call := h.now()
	err := g.Give(ctx)
	h.note(client, call, "give", semOutput{ok: true}, err)
}

// use takes, gives and reads until stop is closed.
func (h *history) use(client int, s *cluster.SemaphoreSet, stop <-chan struct{}) {
	var held *cluster.Grant
	for {
		select {
		case <-stop:
			if held != nil { // others may wait for it
				h.give(h.t.Context(), client, held)
			}
			return
		case <-time.After(time.Duration(rand.IntN(40)) * time.Millisecond): // so that the history is not too long to check
		}
		ctx, cancel := context.WithTimeout(h.t.Context(), 20*time.Second)
		switch r := rand.IntN(4); {
		case r == 0:
			call := h.now()
			value, err := s.At(0).Value(ctx)
			h.note(client, call, "read", semOutput{value: value}, err)
		case held == nil:
			held = h.take(ctx, client, s, r == 1)
		default:
			h.give(ctx, client, held)
			held = nil
		}
		cancel()
	}
}

// check fails the test unless the history is one of a semaphore that had this value at
// first, whose every grant has a larger token.
func (h *history) check(value int) {
	h.t.Helper()
	h.mu.Lock()
	defer h.mu.Unlock()
	switch result, _ := porcupine.CheckOperationsVerbose(semaphoreOf(value), h.all, 30*time.Second); result {
	case porcupine.Ok:
		h.t.Logf("%d operations are linearizable", len(h.all))
	case porcupine.Unknown:
		h.t.Errorf("no answer in 30s for %d operations, which should be few enough", len(h.all))
	default:
		slices.SortFunc(h.all, func(a, b porcupine.Operation) int { return int(a.Call - b.Call) })
		h.t.Errorf("%d operations are not linearizable", len(h.all))
		for _, o := range h.all {
			h.t.Logf("%d: %v to %v: %v %+v", o.ClientId, time.Duration(o.Call), time.Duration(o.Return), o.Input, o.Output)
		}
	}
}

// The check finds what it is to find.
func TestHistoryFindsFaults(t *testing.T) {
	t.Parallel()
	one := op(1, "take", 0, 1, semOutput{ok: true, token: 1})
	for what, ops := range map[string][]porcupine.Operation{
		"two holders":     {one, op(2, "take", 2, 3, semOutput{ok: true, token: 2})},
		"a token twice":   {one, op(1, "give", 2, 3, semOutput{ok: true}), op(2, "take", 4, 5, semOutput{ok: true, token: 1})},
		"a stale read":    {one, op(2, "read", 2, 3, semOutput{value: 1})},
		"a stale refusal": {one, op(1, "give", 2, 3, semOutput{ok: true}), op(2, "take", 4, 5, semOutput{})},
	} {
		if porcupine.CheckOperations(semaphoreOf(1), ops) {
			t.Errorf("%s is not found", what)
		}
	}
	if !porcupine.CheckOperations(semaphoreOf(1), []porcupine.Operation{one, op(2, "take", 2, math.MaxInt64, semOutput{unknown: true}), op(2, "reap", 2, math.MaxInt64, semOutput{}), op(3, "take", 4, 5, semOutput{ok: true, token: 2})}) {
		t.Error("what is right is refused")
	}
}
