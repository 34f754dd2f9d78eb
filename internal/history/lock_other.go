//go:build !linux

package history

import (
	"errors"
	"os"
)

// lockFile refuses: what a history is of exists on Linux alone.
func lockFile(*os.File) error { return errors.ErrUnsupported }
