//go:build !linux

package sysvipc_test

import (
	"context"
	"errors"
	"runtime"
	"strings"
	"testing"

	"github.com/sysvipc/sysvipc"
)

// On other systems than Linux every call says that it is not supported, and where it would be.
func TestUnsupported(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	seg, set, q := sysvipc.SegmentByID(0), sysvipc.SemaphoresByID(0), sysvipc.QueueByID(0)
	for name, call := range map[string]func() error{
		"CreateSegment":    func() error { _, err := sysvipc.CreateSegment(1, 1, 0o600); return err },
		"OpenSegment":      func() error { _, err := sysvipc.OpenSegment(1); return err },
		"EnsureSegment":    func() error { _, err := sysvipc.EnsureSegment(1, 1, 0o600); return err },
		"Segment.Stat":     func() error { _, err := seg.Stat(); return err },
		"Segment.Attach":   func() error { _, err := seg.Attach(nil); return err },
		"Segment.Remove":   seg.Remove,
		"Segment.Lock":     seg.Lock,
		"CreateSemaphores": func() error { _, err := sysvipc.CreateSemaphores(1, 0o600, 1); return err },
		"EnsureSemaphores": func() error { _, err := sysvipc.EnsureSemaphores(ctx, 1, 0o600, 1); return err },
		"SemaphoreSet.Do":  func() error { return set.Do(ctx, sysvipc.Add(0, -1)) },
		"Values":           func() error { _, err := set.Values(); return err },
		"Semaphore.Value":  func() error { _, err := set.At(0).Value(); return err },
		"CreateQueue":      func() error { _, err := sysvipc.CreateQueue(1, 0o600); return err },
		"Queue.Send":       func() error { return q.Send(ctx, 1, nil) },
		"Queue.Receive":    func() error { _, err := q.Receive(ctx, sysvipc.Any); return err },
		"Queue.Peek":       func() error { _, err := q.Peek(0); return err },
		"ReadLimits":       func() error { _, err := sysvipc.ReadLimits(); return err },
		"Segments": func() (err error) {
			for _, err = range sysvipc.Segments() {
				break
			}
			return err
		},
	} {
		err := call()
		var e *sysvipc.Error
		if !errors.As(err, &e) || !errors.Is(err, errors.ErrUnsupported) {
			t.Errorf("%s: %v, want errors.ErrUnsupported", name, err)
			continue
		}
		if want := "this package talks to Linux kernels; on " + runtime.GOOS + " it only compiles"; !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want it to say %q", name, err, want)
		}
	}
}
