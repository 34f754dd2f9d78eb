package sysv

import (
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"
)

// On 386, mips, ppc64 and s390x, kernels before 5.1 have one call for everything, ipc(2). This file is
// for them: each function here is the fallback of the call that it is named after. On the other ports
// sysIPC is 0, and the compiler drops all of it.

// The calls of ipc(2), from include/uapi/linux/ipc.h.
const (
	ipcSEMOP      = 1
	ipcSEMGET     = 2
	ipcSEMCTL     = 3
	ipcSEMTIMEDOP = 4
	ipcMSGSND     = 11
	ipcMSGRCV     = 12
	ipcMSGGET     = 13
	ipcMSGCTL     = 14
	ipcSHMAT      = 21
	ipcSHMDT      = 22
	ipcSHMGET     = 23
	ipcSHMCTL     = 24
)

// ipcOnly is set once the kernel is known to have ipc(2) and not the separate calls.
var ipcOnly atomic.Bool

// viaIPC reports whether to use ipc(2) at once.
func viaIPC() bool { return sysIPC != 0 && ipcOnly.Load() }

// missing reports whether errno is that of a separate call which the kernel does not have, and ipc(2) is to be
// used in its place from now on.
func missing(errno syscall.Errno) bool {
	return sysIPC != 0 && errno == syscall.ENOSYS && probeIPC()
}

// probeIPC tells a kernel without the separate calls from one that answers ENOSYS for another reason:
// MSG_COPY does without CONFIG_CHECKPOINT_RESTORE, everything does without CONFIG_SYSVIPC.
func probeIPC() bool {
	// No kernel makes a set with a negative number of semaphores: the answer is EINVAL if there is such a call.
	bad := ^uintptr(0)
	if _, _, errno := syscall.RawSyscall(sysSemget, IPC_PRIVATE, bad, 0); errno != syscall.ENOSYS {
		return false
	}
	if _, _, errno := syscall.RawSyscall6(sysIPC, ipcSEMGET, IPC_PRIVATE, bad, 0, 0, 0); errno == syscall.ENOSYS {
		return false
	}
	ipcOnly.Store(true)
	return true
}

func ipcSemget(key int32, nsems, flags int) (int, syscall.Errno) {
	r, _, errno := syscall.Syscall6(sysIPC, ipcSEMGET, uintptr(key), uintptr(nsems), uintptr(flags), 0, 0)
	return int(r), errno
}

func ipcSemop(id int, sops []Sembuf) syscall.Errno {
	// sops stays alive and in place during the call, which reads len(sops) of its elements.
	_, _, errno := syscall.Syscall6(sysIPC, ipcSEMOP, uintptr(id), uintptr(len(sops)), 0,
		uintptr(unsafe.Pointer(unsafe.SliceData(sops))), 0)
	return errno
}

// ipcSemtimedop passes the timeout twice: s390x takes it from the third argument, the others from the fifth.
func ipcSemtimedop(id int, sops []Sembuf, timeout time.Duration) syscall.Errno {
	ts := newTimespecOld(timeout)
	// sops and ts stay alive and in place during the call, which reads len(sops) elements and one struct.
	_, _, errno := syscall.Syscall6(sysIPC, ipcSEMTIMEDOP, uintptr(id), uintptr(len(sops)), uintptr(unsafe.Pointer(&ts)),
		uintptr(unsafe.Pointer(unsafe.SliceData(sops))), uintptr(unsafe.Pointer(&ts)))
	return errno
}

// ipcSemctl passes a pointer to the union semun, not the union.
func ipcSemctl(id, semnum, cmd int, arg uintptr) (int, syscall.Errno) {
	// arg stays alive and in place during the call, which reads it.
	r, _, errno := syscall.Syscall6(sysIPC, ipcSEMCTL, uintptr(id), uintptr(semnum), uintptr(cmd|ipc64),
		uintptr(unsafe.Pointer(&arg)), 0)
	return int(r), errno
}

// ipcSemctlPtr is ipcSemctl for a union that holds a pointer, which the garbage collector has to see.
func ipcSemctlPtr(id, cmd int, arg unsafe.Pointer) (int, syscall.Errno) {
	// arg, and what it points to, stay alive and in place during the call.
	r, _, errno := syscall.Syscall6(sysIPC, ipcSEMCTL, uintptr(id), 0, uintptr(cmd|ipc64),
		uintptr(unsafe.Pointer(&arg)), 0)
	return int(r), errno
}

func ipcMsgget(key int32, flags int) (int, syscall.Errno) {
	r, _, errno := syscall.Syscall6(sysIPC, ipcMSGGET, uintptr(key), uintptr(flags), 0, 0, 0)
	return int(r), errno
}

func ipcMsgsnd(id int, msg []byte, flags int) syscall.Errno {
	// msg stays alive and in place during the call, which reads the type and the text, len(msg) bytes.
	_, _, errno := syscall.Syscall6(sysIPC, ipcMSGSND, uintptr(id), uintptr(len(msg)-MtypeSize), uintptr(flags),
		uintptr(unsafe.Pointer(unsafe.SliceData(msg))), 0)
	return errno
}

// ipcMsgrcv uses version 0 of the call, which takes two of its arguments from a struct, because s390x has no other.
func ipcMsgrcv(id int, msg []byte, typ int64, flags int) (int, syscall.Errno) {
	kludge := struct {
		msgp *byte
		typ  int
	}{unsafe.SliceData(msg), int(typ)}
	// kludge and msg stay alive and in place during the call, which reads the struct, and writes the type and
	// at most the rest of msg.
	r, _, errno := syscall.Syscall6(sysIPC, ipcMSGRCV, uintptr(id), uintptr(len(msg)-MtypeSize), uintptr(flags),
		uintptr(unsafe.Pointer(&kludge)), 0)
	return int(r), errno
}

func ipcMsgctl(id, cmd int, buf unsafe.Pointer) (int, syscall.Errno) {
	// buf points to the struct of cmd; it stays alive and in place during the call.
	r, _, errno := syscall.Syscall6(sysIPC, ipcMSGCTL, uintptr(id), uintptr(cmd|ipc64), 0, uintptr(buf), 0)
	return int(r), errno
}

func ipcShmget(key int32, size uintptr, flags int) (int, syscall.Errno) {
	r, _, errno := syscall.Syscall6(sysIPC, ipcSHMGET, uintptr(key), size, uintptr(flags), 0, 0)
	return int(r), errno
}

// ipcShmat gets the address through a pointer.
func ipcShmat(id int, addr uintptr, flags int) (uintptr, syscall.Errno) {
	var at uintptr
	// at stays in place during the call, which stores one word there.
	_, _, errno := syscall.Syscall6(sysIPC, ipcSHMAT, uintptr(id), uintptr(flags), uintptr(unsafe.Pointer(&at)), addr, 0)
	return at, errno
}

func ipcShmdt(addr uintptr) syscall.Errno {
	_, _, errno := syscall.Syscall6(sysIPC, ipcSHMDT, 0, 0, 0, addr, 0)
	return errno
}

func ipcShmctl(id, cmd int, buf unsafe.Pointer) (int, syscall.Errno) {
	// buf points to the struct of cmd; it stays alive and in place during the call.
	r, _, errno := syscall.Syscall6(sysIPC, ipcSHMCTL, uintptr(id), uintptr(cmd|ipc64), 0, uintptr(buf), 0)
	return int(r), errno
}
