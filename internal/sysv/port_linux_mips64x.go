//go:build linux && (mips64 || mips64le)

package sysv

import "golang.org/x/sys/unix"

// The commands need IPC_64.
const (
	sysSemop      = unix.SYS_SEMOP
	sysSemtimedop = unix.SYS_SEMTIMEDOP
	sysIPC        = 0
	cmdFlag       = ipc64
)

type (
	ulong   = uint64
	mode    = uint32
	perm    = perm64
	shmidDS = shmid64[perm64]
	semidDS = semid64[perm64]
	msqidDS = msqid64[perm64]
)
