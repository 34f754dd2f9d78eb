//go:build linux

package sysvipc_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"reflect"
	"testing"
	"time"

	"github.com/sysvipc/sysvipc"
	"github.com/sysvipc/sysvipc/internal/ipctest"
)

// No method of a zero value asks the kernel for an object: the one with ID 0 belongs to another program.
func TestZeroValues(t *testing.T) {
	t.Parallel()
	if !ipctest.Alone(t) {
		return
	}
	// The first objects of a namespace have ID 0. They must live, and keep all that they have.
	seg := must(sysvipc.CreateSegment(sysvipc.Private, 1, 0o600))(t)
	set := must(sysvipc.CreateSemaphores(sysvipc.Private, 0o600, 1))(t)
	q := must(sysvipc.CreateQueue(sysvipc.Private, 0o600))(t)
	if seg.ID() != 0 || set.ID() != 0 || q.ID() != 0 {
		t.Skipf("needs a kernel that begins with ID 0, not with %d, %d and %d", seg.ID(), set.ID(), q.ID())
	}
	check(t, q.Send(bg, 1, []byte("whole")))
	before := ipctest.Snapshot()

	var zeroSet sysvipc.SemaphoreSet
	for _, zero := range []any{new(sysvipc.Queue), new(sysvipc.Segment), new(sysvipc.SemaphoreSet), new(sysvipc.Memory), zeroSet.At(0), zeroSet.At(0).Undo(), sysvipc.Semaphore{}} {
		v := reflect.ValueOf(zero)
		for i := range v.NumMethod() {
			name := fmt.Sprintf("%T.%s", zero, v.Type().Method(i).Name)
			if err, fails := callZero(v.Method(i)); fails {
				if !errors.Is(err, fs.ErrInvalid) {
					t.Errorf("%s of a zero value: %v, want a not-opened error", name, err)
				}
				wantError(t, err, "", fs.ErrInvalid)
			}
		}
	}
	const want = "sysvipc: remove object: not opened (it is a zero value: get one from Create, Open, Ensure, ByID or Attach)"
	var zero sysvipc.Queue
	wantError(t, zero.Remove(), want, fs.ErrInvalid)
	if zero.ID() != -1 || zero.Key() != sysvipc.Private || zero.String() != "object" {
		t.Errorf("a zero queue is %d, %v, %v", zero.ID(), zero.Key(), &zero)
	}
	if after := ipctest.Snapshot(); after != before {
		t.Errorf("zero values changed objects:\n%s\n%s", before, after)
	}
	check(t, seg.Remove())
	check(t, set.Remove())
	check(t, q.Remove())
}

// callZero calls a method with the arguments that come closest to nothing, and returns its error if it can return one.
func callZero(method reflect.Value) (err error, fails bool) {
	ctx, cancel := context.WithTimeout(bg, time.Second)
	defer cancel()
	in := make([]reflect.Value, 0, method.Type().NumIn())
	for i := range method.Type().NumIn() {
		switch arg := method.Type().In(i); {
		case arg == reflect.TypeFor[context.Context]():
			in = append(in, reflect.ValueOf(ctx))
		case i == method.Type().NumIn()-1 && method.Type().IsVariadic():
			if arg.Elem() == reflect.TypeFor[sysvipc.Op]() {
				in = append(in, reflect.ValueOf(sysvipc.Add(0, 1)))
			}
		case arg.Kind() == reflect.Int, arg.Kind() == reflect.Int64: // what is allowed everywhere
			in = append(in, reflect.ValueOf(1).Convert(arg))
		default:
			in = append(in, reflect.Zero(arg))
		}
	}
	for _, out := range method.Call(in) {
		switch got := out.Interface().(type) {
		case error:
			return got, true
		case iter.Seq2[sysvipc.Message, error]:
			return firstError(got), true
		}
		if out.Type() == reflect.TypeFor[error]() {
			return nil, true
		}
	}
	return nil, false
}

// What an object says of itself costs no call, and is what it was made or found with.
func TestNames(t *testing.T) {
	t.Parallel()
	key := newKey(t)
	type named interface {
		fmt.Stringer
		ID() int
		Key() sysvipc.Key
	}
	made := map[string]named{
		"segment":       must(sysvipc.CreateSegment(key, 1, 0o600))(t),
		"semaphore set": must(sysvipc.CreateSemaphores(key, 0o600, 1))(t),
		"queue":         must(sysvipc.CreateQueue(key, 0o600))(t),
	}
	for kind, o := range made {
		want := fmt.Sprintf("%s %d (key %v)", kind, o.ID(), key)
		if got := fmt.Sprint(o); got != want || o.Key() != key {
			t.Errorf("got %s and key %v, want %s", got, o.Key(), want)
		}
	}
	for want, o := range map[string]named{
		"segment 7":       sysvipc.SegmentByID(7),
		"semaphore set 7": sysvipc.SemaphoresByID(7),
		"queue 7":         sysvipc.QueueByID(7),
		"queue":           sysvipc.QueueByID(-7),
	} {
		if got := o.String(); got != want || o.Key() != sysvipc.Private {
			t.Errorf("got %s and key %v, want %s", got, o.Key(), want)
		}
	}
}
