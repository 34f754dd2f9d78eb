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
	mode    = uint16
	perm    = perm32
	shmidDS = shmid32
	semidDS = semid32
	msqidDS = msqid32[perm32]
)
