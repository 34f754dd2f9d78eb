//go:build !linux

package bridge

import (
	"errors"
	"os"
)

// Where there are no kernel queues, there is no bridge.

func lockFile(*os.File) error { return nil }

func mapFile(*os.File, int) ([]byte, error) { return nil, errors.ErrUnsupported }

func unmapFile([]byte) {}
