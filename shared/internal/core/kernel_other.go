//go:build !linux

package core

import (
	"context"
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"

	"github.com/sysvipc/sysvipc"
)

// Elsewhere there are no robust futexes. All of the package compiles, and no region can be
// opened, so that nothing else here is ever reached.

func newRobustOwner() (*RobustOwner, error) {
	return nil, fmt.Errorf("shared: robust locks (Linux has them): %w", errors.ErrUnsupported)
}

func FutexWait(*uint32, uint32, time.Duration) syscall.Errno { return 0 }

func futexWake(*uint32, int) int { return 0 }

func (r *Region) listen(*View, *uint32, uint32) bool { return false }

func registerExiting() {}

func stopExiting() {}

func pidNamespace() uint64 { return 0 }

func ThreadExists(uint32) bool { return true }

func threadOf(int32, uint32) bool { return false }

func awaitEnd(int32, time.Duration) {}

type regionFile struct {
	*os.File
	fresh bool
}

func (r *Region) enterFile(context.Context, *Config) error { return errors.ErrUnsupported }

func (f *regionFile) owned() (sysvipc.Object, error) { return sysvipc.Object{}, errors.ErrUnsupported }

func (f *regionFile) attach() (memory, error) { return nil, errors.ErrUnsupported }

func (f *regionFile) sync(*View) error { return errors.ErrUnsupported }

func (f *regionFile) remove() error { return errors.ErrUnsupported }

func (f *regionFile) isRemoved() bool { return false }

func (f *regionFile) close() error { return f.Close() }
