//go:build linux && (amd64 || arm64)

package bench

import (
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The floor: the kernel's calls as anybody can make them, with package syscall.

// sembuf is struct sembuf of semop(2).
type sembuf struct {
	num     uint16
	op, flg int16
}

func bareSemop(id int, o *sembuf) {
	if _, _, errno := syscall.Syscall(unix.SYS_SEMOP, uintptr(id), uintptr(unsafe.Pointer(o)), 1); errno != 0 {
		panic(errno)
	}
}

// msgbuf is a struct msgbuf: eight bytes of type, then the text.
func bareMsgsnd(id int, msgbuf []byte) {
	_, _, errno := syscall.Syscall6(unix.SYS_MSGSND, uintptr(id), uintptr(unsafe.Pointer(&msgbuf[0])), uintptr(len(msgbuf)-8), 0, 0, 0)
	if errno != 0 {
		panic(errno)
	}
}

func bareMsgrcv(id int, msgbuf []byte) {
	_, _, errno := syscall.Syscall6(unix.SYS_MSGRCV, uintptr(id), uintptr(unsafe.Pointer(&msgbuf[0])), uintptr(len(msgbuf)-8), 0, 0, 0)
	if errno != 0 {
		panic(errno)
	}
}

func bareShmat(id int) uintptr {
	addr, _, errno := syscall.Syscall(unix.SYS_SHMAT, uintptr(id), 0, 0)
	if errno != 0 {
		panic(errno)
	}
	return addr
}

func bareShmStat(id int, buf *[128]byte) {
	// buf is longer than struct shmid_ds.
	if _, _, errno := syscall.Syscall(unix.SYS_SHMCTL, uintptr(id), 2 /* IPC_STAT */, uintptr(unsafe.Pointer(buf))); errno != 0 {
		panic(errno)
	}
}

func bareShmdt(addr uintptr) {
	if _, _, errno := syscall.Syscall(unix.SYS_SHMDT, addr, 0, 0); errno != 0 {
		panic(errno)
	}
}
