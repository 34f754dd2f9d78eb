//go:build !unix

package sysvipc

import (
	"errors"
	"fmt"
	"runtime"
)

// Ftok needs inode numbers, which this system does not have.
func Ftok(path string, proj byte) (Key, error) {
	return 0, fmt.Errorf("sysvipc: ftok on %s: %w (use KeyOf)", runtime.GOOS, errors.ErrUnsupported)
}
