//go:build !race

package shared

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/sysvipc/sysvipc"
	"github.com/sysvipc/sysvipc/shared/internal/core"
)

// stepRole is one call that a participant makes, and may be killed in.
type stepRole struct {
	name string
	// before makes the region, as another participant; check is called after the kill, or
	// after the call's end.
	before func(t *testing.T, key sysvipc.Key) (check func(ctx context.Context, k kill) error, region []byte, err error)
	// victim opens the region in a process of its own.
	victim func(key sysvipc.Key) (call func() error, err error)
}

func smallRegion(key sysvipc.Key) (*Region, error) {
	return EnsureKey(context.Background(), key, &Options{Size: 1 << 15, Entries: 16, Participants: 4})
}

// roleOf is a role on one structure.
func roleOf[H any](name string, open func(r *Region) (H, error), before, call func(ctx context.Context, h H) error, check func(ctx context.Context, h H, k kill) error) stepRole {
	return stepRole{
		name: name,
		before: func(t *testing.T, key sysvipc.Key) (func(context.Context, kill) error, []byte, error) {
			r, err := smallRegion(key)
			if err != nil {
				return nil, nil, err
			}
			t.Cleanup(func() { _ = r.Close() })
			h, err := open(r)
			if err == nil && before != nil {
				err = before(t.Context(), h)
			}
			return func(ctx context.Context, k kill) error {
				if err := check(ctx, h, k); err != nil {
					return err
				}
				// Once more when the dead one's work is repaired, and beside a new participant.
				if _, err := r.Reap(); err != nil {
					return err
				}
				again, err := smallRegion(key)
				if err != nil {
					return err
				}
				defer again.Close()
				_, err = open(again)
				return err
			}, core.Of(r).View.Load().Bytes, err
		},
		victim: func(key sysvipc.Key) (func() error, error) {
			r, err := smallRegion(key)
			if err != nil {
				return nil, err
			}
			h, err := open(r)
			return func() error { return call(context.Background(), h) }, err
		},
	}
}

func openMutex(r *Region) (*Mutex, error)           { return MutexOf(r, "x") }
func openRWMutex(r *Region) (*RWMutex, error)       { return RWMutexOf(r, "x") }
func openVar(r *Region) (*Var[[3]int64], error)     { return VarOf[[3]int64](r, "x") }
func openWord(r *Region) (*Var[int32], error)       { return VarOf[int32](r, "x") }
func openCounter(r *Region) (*Counter, error)       { return CounterOf(r, "x") }
func openChan(r *Region) (*Chan[int64], error)      { return ChanOf[int64](r, "x", 4) }
func openTopic(r *Region) (*Topic[int64], error)    { return TopicOf[int64](r, "x", 4) }
func openMap(r *Region) (*Map[int32, int64], error) { return MapOf[int32, int64](r, "x", 8) }
func openDoc(r *Region) (*Doc[[]int], error)        { return DocOf[[]int](r, "x", 64) }
func openRecords(r *Region) (*Records, error)       { return RecordsOf(r, "x", 256) }
func openNothing(r *Region) (*Region, error)        { return r, nil }

// kill is how far a victim came.
type kill struct {
	points []string // where it has changed the region
	ended  bool     // its call had ended
}

// passed tells whether one of these points lies in a function.
func (k kill) passed(function string) bool {
	return slices.ContainsFunc(k.points, func(p string) bool { return strings.HasSuffix(p, "."+function) })
}

// dead has a lock be that of a holder who was killed, as the kernel leaves it.
func dead(n *core.Node) { atomic.StoreUint32(&n.Word, core.OwnerDied) }

// canceled has a call give up as soon as it would wait.
func canceled(call func(ctx context.Context) error) error {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := call(ctx); !errors.Is(err, context.Canceled) {
		return fmt.Errorf("it ended with %v", err)
	}
	return nil
}

// one takes the first value that a watch yields.
func one[T any](all iter.Seq2[T, error]) error {
	for _, err := range all {
		return err
	}
	return errors.New("it yields nothing")
}

// errNotNow is what a function that the victim gives fails with.
var errNotNow = errors.New("not now")
