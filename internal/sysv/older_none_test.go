//go:build linux && !(386 || arm || mips || mipsle || ppc64 || ppc64le || s390x)

package sysv

import "testing"

// olderKernel returns nil: every kernel that runs Go has all calls of this port.
func olderKernel(*testing.T) func(*testing.T) { return nil }
