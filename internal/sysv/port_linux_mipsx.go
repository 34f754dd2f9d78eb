//go:build linux && (mips || mipsle)

package sysv

import "golang.org/x/sys/unix"

// The separate calls are there since Linux 5.1, without semop.
const (
	sysSemop      = 0
	sysSemtimedop = unix.SYS_SEMTIMEDOP_TIME64 + absent
	sysIPC        = unix.SYS_IPC
	cmdFlag       = 0
)

type (
	ulong   = uint32
	mode    = uint32
	perm    = permMIPS32
	shmidDS = shmidMIPS32
	semidDS = semidMIPS32
)
