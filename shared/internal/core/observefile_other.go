//go:build !linux

package core

import (
	"errors"
	"fmt"
)

// LookFile is look for a region in a file.
func LookFile(path string, _ Kinds) (*Region, error) {
	return nil, fmt.Errorf("shared: region in %s: %w", path, errors.ErrUnsupported)
}
