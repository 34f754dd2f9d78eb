//go:build linux && (ppc64 || ppc64le)

package sysv

import "golang.org/x/sys/unix"

// The separate calls are there since Linux 5.1, without semop.
const (
	sysSemop      = 0
	sysSemtimedop = unix.SYS_SEMTIMEDOP + absent
	sysIPC        = unix.SYS_IPC
	cmdFlag       = 0
)

type (
	ulong   = uint64
	mode    = uint32
	perm    = permPPC64
	shmidDS = shmidPPC64
	semidDS = semid64[permPPC64]
	msqidDS = msqid64[permPPC64]
)
