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

// WithNamespace needs Linux.
func WithNamespace(string, func() error) error {
	return fmt.Errorf("inspect: only Linux has IPC namespaces: %w", errors.ErrUnsupported)
}

// NamespaceOf needs Linux.
func NamespaceOf(int) (uint64, error) {
	return 0, fmt.Errorf("inspect: only Linux has IPC namespaces: %w", errors.ErrUnsupported)
}

// CurrentNamespace returns 0: there are no namespaces.
func CurrentNamespace() uint64 { return 0 }
