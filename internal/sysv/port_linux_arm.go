package sysv

import "golang.org/x/sys/unix"

// The commands need IPC_64; semtimedop with a 64-bit time is there since Linux 5.1, see semtimedop_linux_arm.go.
const (
	sysSemop      = unix.SYS_SEMOP
	sysSemtimedop = unix.SYS_SEMTIMEDOP_TIME64
	sysIPC        = 0
	cmdFlag       = ipc64
)

type (
	ulong   = uint32
	mode    = uint16
	perm    = perm32
	shmidDS = shmid32
	semidDS = semid32
	msqidDS = msqid32[perm32]
)
