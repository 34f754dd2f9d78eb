package sysv

import "golang.org/x/sys/unix"

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
	semidDS = semidAMD64
	msqidDS = msqid64[perm64]
)
