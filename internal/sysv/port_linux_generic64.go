//go:build linux && (arm64 || loong64 || riscv64)

package sysv

import "golang.org/x/sys/unix"

// These ports use the kernel's asm-generic headers and table of calls.

const (
	sysSemop      = unix.SYS_SEMOP
	sysSemtimedop = unix.SYS_SEMTIMEDOP
	sysIPC        = 0
	cmdFlag       = 0
)

type (
	ulong   = uint64
	mode    = uint32
	perm    = perm64
	shmidDS = shmid64[perm64]
	semidDS = semid64[perm64]
	msqidDS = msqid64[perm64]
)
