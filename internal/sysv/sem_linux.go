package sysv

import (
	"encoding/binary"
	"syscall"
	"unsafe"
)

// Semget is semget(2). Creation of a set with very many semaphores takes long.
func Semget(key int32, nsems, flags int) (int, syscall.Errno) {
	if !viaIPC() {
		id, _, errno := syscall.Syscall(sysSemget, uintptr(key), uintptr(nsems), uintptr(flags))
		if !missing(errno) {
			return int(id), errno
		}
	}
	return ipcSemget(key, nsems, flags)
}

// Semop is semop(2). It may block.
func Semop(id int, sops []Sembuf) syscall.Errno {
	if !viaIPC() {
		var errno syscall.Errno
		// sops stays alive and in place during the call, which reads len(sops) of its elements.
		if sysSemop != 0 {
			_, _, errno = syscall.Syscall(sysSemop,
				uintptr(id), uintptr(unsafe.Pointer(unsafe.SliceData(sops))), uintptr(len(sops)))
		} else {
			_, _, errno = syscall.Syscall6(sysSemtimedop,
				uintptr(id), uintptr(unsafe.Pointer(unsafe.SliceData(sops))), uintptr(len(sops)), 0, 0, 0)
		}
		if !missing(errno) {
			return errno
		}
	}
	return ipcSemop(id, sops)
}

// SemopNowait is semop(2) for operations of which each carries IPC_NOWAIT. On most ports it is cheaper than
// [Semop], since the Go scheduler need not know that the thread may block, and since the compiler inlines it.
func SemopNowait(id int, sops []Sembuf) syscall.Errno {
	if sysIPC != 0 || sysSemop == 0 {
		return Semop(id, sops)
	}
	// sops stays alive and in place during the call, which reads len(sops) of its elements.
	_, _, errno := syscall.RawSyscall(sysSemop,
		uintptr(id), uintptr(unsafe.Pointer(unsafe.SliceData(sops))), uintptr(len(sops)))
	return errno
}

// semctl is semctl(2) for the commands whose argument is a number, or nothing. The others have to make a
// number of their pointer in the call itself.
func semctl(id, semnum, cmd int, arg uintptr) (int, syscall.Errno) {
	if !viaIPC() {
		r, _, errno := syscall.RawSyscall6(sysSemctl, uintptr(id), uintptr(semnum), uintptr(cmd|cmdFlag), arg, 0, 0)
		if !missing(errno) {
			return int(r), errno
		}
	}
	return ipcSemctl(id, semnum, cmd, arg)
}

// semctlPtr is semctl(2) for the commands whose argument is a pointer.
func semctlPtr(id, cmd int, arg unsafe.Pointer) (int, syscall.Errno) {
	if !viaIPC() {
		// arg points to what cmd reads or writes; it stays alive and in place during the call.
		r, _, errno := syscall.RawSyscall6(sysSemctl, uintptr(id), 0, uintptr(cmd|cmdFlag), uintptr(arg), 0, 0)
		if !missing(errno) {
			return int(r), errno
		}
	}
	return ipcSemctlPtr(id, cmd, arg)
}

// semctlLong is semctlPtr for the commands that go through all semaphores of a set. arg is nil for IPC_RMID.
func semctlLong(id, cmd int, arg unsafe.Pointer) syscall.Errno {
	if !viaIPC() {
		// arg points to what cmd reads or writes; it stays alive and in place during the call.
		_, _, errno := syscall.Syscall6(sysSemctl, uintptr(id), 0, uintptr(cmd|cmdFlag), uintptr(arg), 0, 0)
		if !missing(errno) {
			return errno
		}
	}
	_, errno := ipcSemctlPtr(id, cmd, arg)
	return errno
}

// SemctlStat is semctl(2) with IPC_STAT and an id, or with SEM_STAT or SEM_STAT_ANY and an index. With the
// latter two, ret is the id.
func SemctlStat(id, cmd int) (ds SemidDS, ret int, errno syscall.Errno) {
	var buf semidDS
	// buf is the struct that these commands fill.
	ret, errno = semctlPtr(id, cmd, unsafe.Pointer(&buf))
	return buf.neutral(), ret, errno
}

// SemctlSet is semctl(2) with IPC_SET.
func SemctlSet(id int, uid, gid, mode uint32) syscall.Errno {
	buf := semidDS{perm: newPerm(uid, gid, mode)}
	// buf is the struct that the command reads.
	_, errno := semctlPtr(id, IPC_SET, unsafe.Pointer(&buf))
	return errno
}

// SemctlRmid is semctl(2) with IPC_RMID.
func SemctlRmid(id int) syscall.Errno {
	return semctlLong(id, IPC_RMID, nil)
}

// SemctlGet is semctl(2) with GETVAL, GETPID, GETNCNT or GETZCNT.
func SemctlGet(id, semnum, cmd int) (int, syscall.Errno) {
	return semctl(id, semnum, cmd, 0)
}

// SemctlSetval is semctl(2) with SETVAL.
func SemctlSetval(id, semnum, val int) syscall.Errno {
	_, errno := semctl(id, semnum, SETVAL, semun(val))
	return errno
}

// semun returns a union semun with its member val, as the word that is passed to the kernel. The member has
// 32 bits and is at the union's lowest address: on 64-bit big-endian ports it is the word's upper half.
func semun(val int) uintptr {
	if MtypeSize == 4 {
		return uintptr(val)
	}
	var u [8]byte
	binary.NativeEndian.PutUint32(u[:], uint32(val))
	return uintptr(binary.NativeEndian.Uint64(u[:]))
}

// SemctlGetall is semctl(2) with GETALL. The kernel writes as many values as the set has semaphores: vals
// must have room for them.
func SemctlGetall(id int, vals []uint16) syscall.Errno {
	// The caller promises that vals is as long as the set.
	return semctlLong(id, GETALL, unsafe.Pointer(unsafe.SliceData(vals)))
}

// SemctlSetall is semctl(2) with SETALL. The kernel reads as many values as the set has semaphores: vals
// must have them.
func SemctlSetall(id int, vals []uint16) syscall.Errno {
	// The caller promises that vals is as long as the set.
	return semctlLong(id, SETALL, unsafe.Pointer(unsafe.SliceData(vals)))
}

// SemctlInfo is semctl(2) with IPC_INFO or SEM_INFO. The number is the highest index in use.
func SemctlInfo(cmd int) (Seminfo, int, syscall.Errno) {
	var buf seminfo
	// buf is the struct that these commands fill.
	r, errno := semctlPtr(0, cmd, unsafe.Pointer(&buf))
	return buf.neutral(), r, errno
}
