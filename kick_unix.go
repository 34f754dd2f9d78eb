//go:build unix

package sysvipc

import "syscall"

const kickSignal = syscall.SIGURG
