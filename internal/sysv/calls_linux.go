package sysv

import "golang.org/x/sys/unix"

// The numbers of the calls that every port has. A port's own file has those of semop and semtimedop.
const (
	sysSemget = unix.SYS_SEMGET + absent
	sysSemctl = unix.SYS_SEMCTL + absent
	sysShmget = unix.SYS_SHMGET + absent
	sysShmat  = unix.SYS_SHMAT + absent
	sysShmdt  = unix.SYS_SHMDT + absent
	sysShmctl = unix.SYS_SHMCTL + absent
	sysMsgget = unix.SYS_MSGGET + absent
	sysMsgsnd = unix.SYS_MSGSND + absent
	sysMsgrcv = unix.SYS_MSGRCV + absent
	sysMsgctl = unix.SYS_MSGCTL + absent
)

// ipc64 is IPC_64 of the kernel's headers: in a command, it asks for the structs with 32-bit ids where the call still
// knows the older ones, as ipc(2) does. Where it does not, it is EINVAL.
const ipc64 = 0x100
