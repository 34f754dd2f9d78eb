package sysv

import (
	"syscall"
	"unsafe"
)

// Shmget is shmget(2). Reserving huge pages may take long.
func Shmget(key int32, size uintptr, flags int) (id int, errno syscall.Errno) {
	if !viaIPC() {
		r, _, errno := syscall.Syscall(sysShmget, uintptr(key), size, uintptr(flags))
		if !missing(errno) {
			return int(r), errno
		}
	}
	return ipcShmget(key, size, flags)
}

// Shmat is shmat(2). The address is valid only with errno 0. It takes long where mlockall(2) has the kernel bring
// in the whole segment, and where another thread is unmapping much.
func Shmat(id int, addr uintptr, flags int) (uintptr, syscall.Errno) {
	if !viaIPC() {
		r, _, errno := syscall.Syscall(sysShmat, uintptr(id), addr, uintptr(flags))
		if !missing(errno) {
			return r, errno
		}
	}
	return ipcShmat(id, addr, flags)
}

// Shmdt is shmdt(2). It takes long for a segment with many pages in use, and longer if it frees them.
func Shmdt(addr uintptr) syscall.Errno {
	if !viaIPC() {
		_, _, errno := syscall.Syscall(sysShmdt, addr, 0, 0)
		if !missing(errno) {
			return errno
		}
	}
	return ipcShmdt(addr)
}

// shmctlPtr is shmctl(2) for the commands that fill or read a struct.
func shmctlPtr(id, cmd int, buf unsafe.Pointer) (int, syscall.Errno) {
	if !viaIPC() {
		// buf points to the struct of cmd; it stays alive and in place during the call.
		r, _, errno := syscall.RawSyscall(sysShmctl, uintptr(id), uintptr(cmd|cmdFlag), uintptr(buf))
		if !missing(errno) {
			return int(r), errno
		}
	}
	return ipcShmctl(id, cmd, buf)
}

// ShmctlStat is shmctl(2) with IPC_STAT and an id, or with SHM_STAT or SHM_STAT_ANY and an index. With the
// latter two, ret is the id.
func ShmctlStat(id, cmd int) (ds ShmidDS, ret int, errno syscall.Errno) {
	var buf shmidDS
	// buf is the struct that these commands fill.
	ret, errno = shmctlPtr(id, cmd, unsafe.Pointer(&buf))
	return buf.neutral(), ret, errno
}

// ShmctlSet is shmctl(2) with IPC_SET.
func ShmctlSet(id int, uid, gid, mode uint32) syscall.Errno {
	buf := shmidDS{perm: newPerm(uid, gid, mode)}
	// buf is the struct that the command reads.
	_, errno := shmctlPtr(id, IPC_SET, unsafe.Pointer(&buf))
	return errno
}

// Shmctl is shmctl(2) with IPC_RMID, SHM_LOCK or SHM_UNLOCK. Each may take long for a large segment.
func Shmctl(id, cmd int) syscall.Errno {
	_, errno := shmctlLong(id, cmd, nil)
	return errno
}

// shmctlLong is shmctl(2) for the commands that may take long.
func shmctlLong(id, cmd int, buf unsafe.Pointer) (int, syscall.Errno) {
	if !viaIPC() {
		// buf points to the struct of cmd, or is nil; it stays alive and in place during the call.
		r, _, errno := syscall.Syscall(sysShmctl, uintptr(id), uintptr(cmd|cmdFlag), uintptr(buf))
		if !missing(errno) {
			return int(r), errno
		}
	}
	return ipcShmctl(id, cmd, buf)
}

// ShmctlIPCInfo is shmctl(2) with IPC_INFO. The number is the highest index in use.
func ShmctlIPCInfo() (Shminfo, int, syscall.Errno) {
	var buf shminfo[ulong]
	// buf is the struct that the command fills.
	r, errno := shmctlPtr(0, IPC_INFO, unsafe.Pointer(&buf))
	return buf.neutral(), r, errno
}

// ShmctlInfo is shmctl(2) with SHM_INFO. The number is the highest index in use. It goes through all segments.
func ShmctlInfo() (ShmUse, int, syscall.Errno) {
	var buf shmUse[ulong]
	// buf is the struct that the command fills.
	r, errno := shmctlLong(0, SHM_INFO, unsafe.Pointer(&buf))
	return buf.neutral(), r, errno
}
