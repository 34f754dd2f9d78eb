//go:build !linux

package inspect

import (
	"context"
	"errors"
	"fmt"
)

func take(context.Context, *Options) (*Snapshot, error) {
	return nil, fmt.Errorf("inspect: only Linux shows the users of objects: %w", errors.ErrUnsupported)
}

// AttachedProcesses needs Linux.
func AttachedProcesses() ([]AttachedProcess, int, error) {
	_, err := take(context.Background(), nil)
	return nil, 0, err
}

// Mappings needs Linux.
func Mappings(int) ([]Mapping, error) {
	_, err := take(context.Background(), nil)
	return nil, err
}

// FindProcess needs Linux.
func FindProcess(int) (*Process, error) {
	_, err := take(context.Background(), nil)
	return nil, err
}

// Posix needs Linux.
func Posix(context.Context) (*PosixObjects, error) {
	_, err := take(context.Background(), nil)
	return nil, err
}
