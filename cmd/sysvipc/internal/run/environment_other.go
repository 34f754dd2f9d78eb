//go:build !linux

package run

import "os"

func environment() []string { return os.Environ() }
