//go:build !linux

package inspect

import (
	"context"
	"errors"
	"fmt"
)

// Namespaces needs Linux.
func Namespaces(context.Context, *Options) (*NamespaceList, error) {
	return nil, fmt.Errorf("inspect: only Linux has IPC namespaces: %w", errors.ErrUnsupported)
}

// In needs Linux.
func In(string, func() error) error {
	return fmt.Errorf("inspect: only Linux has IPC namespaces: %w", errors.ErrUnsupported)
}

// Here returns 0: there are no namespaces.
func Here() uint64 { return 0 }
