//go:build unix

package sysvipc

import "syscall"

const interruptSignal = syscall.SIGURG
