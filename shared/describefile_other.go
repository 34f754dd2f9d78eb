//go:build !linux

package shared

import (
	"errors"
	"fmt"
)

// LookFile is [Look] for a region in a file.
func LookFile(path string) (*Observer, error) {
	return nil, fmt.Errorf("shared: region in %s: %w", path, errors.ErrUnsupported)
}
