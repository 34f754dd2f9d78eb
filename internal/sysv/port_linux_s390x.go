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
	perm    = permS390x
	shmidDS = shmid64[permS390x]
	semidDS = semid64[permS390x]
	msqidDS = msqid64[permS390x]
)
