//go:build linux

package sysvipc_test

import (
	"errors"
	"math"
	"slices"
	"syscall"
	"testing"

	"github.com/sysvipc/sysvipc"
	"pgregory.net/rapid"
)

// setModel is what a set should be: its values, and what this process would undo.
type setModel struct {
	values, undo []int
}

// operation is one that a test can look into.
type operation struct {
	index, delta int
	undo         bool
}

func (o operation) op() sysvipc.Op {
	op := sysvipc.Add(o.index, o.delta)
	if o.undo {
		op = op.Undo()
	}
	return op
}

// do returns the outcome of operations: 0, EAGAIN if they would wait, or why they are refused.
func (m *setModel) do(ops []operation) syscall.Errno {
	// What no call can ask for is refused in its order, and then what the set does not have.
	if i := slices.IndexFunc(ops, func(o operation) bool { return o.index < 0 || o.index > math.MaxUint16 }); i >= 0 && ops[i].index < 0 {
		return syscall.EINVAL
	}
	if slices.ContainsFunc(ops, func(o operation) bool { return o.index >= len(m.values) }) {
		return syscall.EFBIG
	}
	values, undo := slices.Clone(m.values), slices.Clone(m.undo)
	for _, o := range ops {
		v := &values[o.index]
		if o.delta == 0 && *v != 0 || *v+o.delta < 0 {
			return syscall.EAGAIN
		}
		if *v += o.delta; *v > 32767 {
			return syscall.ERANGE
		}
		if o.undo {
			if undo[o.index] -= o.delta; undo[o.index] > 32767 || undo[o.index] < -32768 {
				return syscall.ERANGE
			}
		}
	}
	m.values, m.undo = values, undo
	return 0
}

// A set does what the model says, whatever operations are asked for together.
func TestSetModel(t *testing.T) {
	t.Parallel()
	const n = 3
	set := newSet(t, make([]int, n)...)
	deltas := rapid.OneOf(rapid.IntRange(-3, 3), rapid.IntRange(-3, 3), rapid.IntRange(-32767, 32767))
	operations := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) operation {
		index := rapid.IntRange(0, n-1).Draw(t, "index")
		if rapid.IntRange(0, 30).Draw(t, "wrong") == 30 {
			index = rapid.SampledFrom([]int{-1, n, 65535, 65536, 1 << 30}).Draw(t, "wrong index")
		}
		return operation{index, deltas.Draw(t, "delta"), rapid.Bool().Draw(t, "undo")}
	}), 1, 5)
	values := rapid.OneOf(rapid.IntRange(0, 4), rapid.IntRange(0, 32767))
	is := func(err error, errno syscall.Errno) bool {
		return errno == 0 && err == nil || errno != 0 && errors.Is(err, errno) && errors.Is(err, sysvipc.ErrTooBig) == (errno != syscall.EINVAL)
	}
	rapid.Check(t, func(t *rapid.T) {
		m := &setModel{make([]int, n), make([]int, n)}
		if err := set.SetValues(m.values...); err != nil {
			t.Fatal(err)
		}
		t.Repeat(map[string]func(*rapid.T){
			"do": func(t *rapid.T) {
				list := operations.Draw(t, "operations")
				var ops []sysvipc.Op
				for _, o := range list {
					ops = append(ops, o.op())
				}
				want := m.do(list)
				if want != syscall.EAGAIN && rapid.Bool().Draw(t, "waiting") {
					if err := set.Do(bg, ops...); !is(err, want) {
						t.Fatalf("Do: %v, want %v", err, want)
					}
					return
				}
				ok, err := set.TryDo(ops...)
				if want == syscall.EAGAIN {
					want = 0
					if ok {
						t.Fatal("TryDo did what should wait")
					}
				} else if ok != (want == 0) {
					t.Fatalf("TryDo: %v, want errno %d", ok, want)
				}
				if !is(err, want) {
					t.Fatalf("TryDo: %v, want %v", err, want)
				}
			},
			"acquire and release": func(t *rapid.T) {
				i, k, undo := rapid.IntRange(0, n-1).Draw(t, "index"), rapid.IntRange(1, 5).Draw(t, "n"), rapid.Bool().Draw(t, "undo")
				sem := set.At(i)
				if undo {
					sem = sem.Undo()
				}
				if rapid.Bool().Draw(t, "release") {
					if err, want := sem.Release(k), m.do([]operation{{i, k, undo}}); !is(err, want) {
						t.Fatalf("Release: %v, want %v", err, want)
					}
					return
				}
				want := m.do([]operation{{i, -k, undo}})
				ok, err := sem.TryAcquire(k)
				if want == syscall.EAGAIN && (ok || err != nil) || want != syscall.EAGAIN && (ok != (want == 0) || !is(err, want)) {
					t.Fatalf("TryAcquire: %v, %v; want %v", ok, err, want)
				}
			},
			"cancelled": func(t *rapid.T) {
				if err := set.Do(done, operation{0, 1, false}.op()); err == nil {
					t.Fatal("a context that is over changed nothing, it seems")
				}
			},
			"set a value": func(t *rapid.T) {
				i, v := rapid.IntRange(0, n-1).Draw(t, "index"), values.Draw(t, "value")
				if err := set.At(i).SetValue(v); err != nil {
					t.Fatal(err)
				}
				m.values[i], m.undo[i] = v, 0
			},
			"set values": func(t *rapid.T) {
				m.values = rapid.SliceOfN(values, n, n).Draw(t, "values")
				m.undo = make([]int, n)
				if err := set.SetValues(m.values...); err != nil {
					t.Fatal(err)
				}
			},
			"": func(t *rapid.T) {
				got, err := set.Values()
				if err != nil || !slices.Equal(got, m.values) {
					t.Fatalf("values are %d, %v; want %d", got, err, m.values)
				}
			},
		})
	})
}
