package ipctest

import (
	"encoding/binary"
	"io"
	"os"
	"runtime"
	"sync"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The first argument of ipc(2), the one call that older ports have for all eleven.
const (
	ipcSemop      = 1
	ipcSemget     = 2
	ipcSemctl     = 3
	ipcSemtimedop = 4
	ipcMsgsnd     = 11
	ipcMsgrcv     = 12
	ipcMsgget     = 13
	ipcMsgctl     = 14
	ipcShmat      = 21
	ipcShmdt      = 22
	ipcShmget     = 23
	ipcShmctl     = 24
)

// calls are the system call numbers of the ports. This package has its own, so that a mistake in internal/sysv cannot hide
// in its own tests.
var calls = map[string]map[string]int{
	"amd64": {
		"shmget": 29, "shmat": 30, "shmctl": 31, "shmdt": 67,
		"semget": 64, "semop": 65, "semctl": 66, "semtimedop": 220,
		"msgget": 68, "msgsnd": 69, "msgrcv": 70, "msgctl": 71,
	},
	"386": {
		"ipc": 117, "semtimedop_time64": 420,
		"semget": 393, "semctl": 394, "shmget": 395, "shmctl": 396, "shmat": 397, "shmdt": 398,
		"msgget": 399, "msgsnd": 400, "msgrcv": 401, "msgctl": 402,
	},
	"arm": {
		"semop": 298, "semget": 299, "semctl": 300, "msgsnd": 301, "msgrcv": 302, "msgget": 303, "msgctl": 304,
		"shmat": 305, "shmdt": 306, "shmget": 307, "shmctl": 308, "semtimedop": 312, "semtimedop_time64": 420,
	},
	"arm64":   generic,
	"riscv64": generic,
	"loong64": generic,
	"ppc64":   split,
	"ppc64le": split,
	"s390x":   split,
	"mips":    mips32,
	"mipsle":  mips32,
	"mips64":  mips64, "mips64le": mips64,
}

var generic = map[string]int{
	"msgget": 186, "msgctl": 187, "msgrcv": 188, "msgsnd": 189,
	"semget": 190, "semctl": 191, "semtimedop": 192, "semop": 193,
	"shmget": 194, "shmctl": 195, "shmat": 196, "shmdt": 197,
}

// split is of the ports that had only ipc(2) before Linux 5.1.
var split = map[string]int{
	"ipc": 117, "semtimedop": 392,
	"semget": 393, "semctl": 394, "shmget": 395, "shmctl": 396, "shmat": 397, "shmdt": 398,
	"msgget": 399, "msgsnd": 400, "msgrcv": 401, "msgctl": 402,
}

var mips32 = map[string]int{
	"ipc": 4117, "semtimedop_time64": 4420,
	"semget": 4393, "semctl": 4394, "shmget": 4395, "shmctl": 4396, "shmat": 4397, "shmdt": 4398,
	"msgget": 4399, "msgsnd": 4400, "msgrcv": 4401, "msgctl": 4402,
}

var mips64 = map[string]int{
	"shmget": 5028, "shmat": 5029, "shmctl": 5030, "shmdt": 5065,
	"semget": 5062, "semop": 5063, "semctl": 5064, "semtimedop": 5214,
	"msgget": 5066, "msgsnd": 5067, "msgrcv": 5068, "msgctl": 5069,
}

// Syscall returns the number of the named call, for example "semtimedop", on this port. It is false if the port lacks it
// and uses ipc(2), which is known as "ipc".
func Syscall(name string) (nr uintptr, ok bool) {
	n, ok := calls[runtime.GOARCH][name]
	return uintptr(n), ok
}

// kernelCalls are the calls of the running kernel, which under qemu is not of the port of this program.
var kernelCalls = sync.OnceValue(func() map[string]int {
	qemu := emulator()
	if qemu == "" {
		return calls[runtime.GOARCH]
	}
	return calls[elfArch(qemu)]
})

// elfArch returns the GOARCH of the program at path, if it is one that people run emulators on.
func elfArch(path string) string {
	f, err := os.Open(path)
	if err != nil {
		return ""
	}
	defer f.Close()
	var header [20]byte
	if _, err := io.ReadFull(f, header[:]); err != nil {
		return ""
	}
	switch binary.LittleEndian.Uint16(header[18:]) { // e_machine
	case 62:
		return "amd64"
	case 183:
		return "arm64"
	case 243:
		return "riscv64"
	}
	return ""
}

// removeAsOwner is remove, as the owner where that is another user: root needs CAP_SYS_ADMIN for it, which it does not have
// in a container.
func removeAsOwner(o Object) error {
	err := remove(o)
	if err != syscall.EPERM || CanBecome(o.UID) != nil {
		return err
	}
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // for good: the thread ends with what it has become
		// Users are of threads; package syscall would change that of all.
		_, _, errno := syscall.RawSyscall(unix.SYS_SETRESUID, ^uintptr(0), uintptr(o.UID), ^uintptr(0))
		if errno != 0 {
			done <- errno
			return
		}
		done <- remove(o)
	}()
	return <-done
}

// remove removes an object with IPC_RMID, by ipc(2) where that exists: it is the older way, and works on every kernel.
func remove(o Object) error {
	// IPC_RMID is 0, and so are semctl's index and every argument that is not needed. Only ipc(2)'s semctl insists on a
	// place from which it reads its last argument.
	var zero uintptr
	var errno syscall.Errno
	if nr, ok := Syscall("ipc"); ok {
		op := map[string]uintptr{Shm: ipcShmctl, Sem: ipcSemctl, Msg: ipcMsgctl}[o.Kind]
		_, _, errno = syscall.Syscall6(nr, op, uintptr(o.ID), 0, 0, uintptr(unsafe.Pointer(&zero)), 0)
	} else {
		nr, _ := Syscall(o.Kind + "ctl")
		_, _, errno = syscall.Syscall6(nr, uintptr(o.ID), 0, 0, 0, 0, 0)
	}
	if errno != 0 {
		return errno
	}
	return nil
}
