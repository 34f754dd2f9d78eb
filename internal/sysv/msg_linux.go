package sysv

import (
	"syscall"
	"unsafe"
)

// Msgget is msgget(2).
func Msgget(key int32, flags int) (int, syscall.Errno) {
	if !viaIPC() {
		id, _, errno := syscall.RawSyscall(sysMsgget, uintptr(key), uintptr(flags), 0)
		if !missing(errno) {
			return int(id), errno
		}
	}
	return ipcMsgget(key, flags)
}

// Msgsnd is msgsnd(2). It may block. The message is a struct msgbuf: its type in the first [MtypeSize] bytes
// (see [PutMtype]), then the text.
func Msgsnd(id int, msg []byte, flags int) syscall.Errno {
	if !viaIPC() {
		// msg stays alive and in place during the call, which reads the type and the text, len(msg) bytes.
		_, _, errno := syscall.Syscall6(sysMsgsnd,
			uintptr(id), uintptr(unsafe.Pointer(unsafe.SliceData(msg))), uintptr(len(msg)-MtypeSize), uintptr(flags), 0, 0)
		if !missing(errno) {
			return errno
		}
	}
	return ipcMsgsnd(id, msg, flags)
}

// large is the size from which a message is copied so long that the Go scheduler needs to know.
const large = 64 << 10

// MsgsndNowait is msgsnd(2) with IPC_NOWAIT, which it adds to the flags. For a message that is not large it is
// cheaper than [Msgsnd], since the Go scheduler does not know of it.
func MsgsndNowait(id int, msg []byte, flags int) (errno syscall.Errno) {
	if sysIPC != 0 || len(msg) > large {
		return Msgsnd(id, msg, flags|IPC_NOWAIT)
	}
	// msg stays alive and in place during the call, which reads the type and the text, len(msg) bytes.
	_, _, errno = syscall.RawSyscall6(sysMsgsnd,
		uintptr(id), uintptr(unsafe.Pointer(unsafe.SliceData(msg))), uintptr(len(msg)-MtypeSize), uintptr(flags|IPC_NOWAIT), 0, 0)
	return
}

// Msgrcv is msgrcv(2). It may block. It fills the struct msgbuf, of which the text may have
// len(msg)-MtypeSize bytes, and returns the number of bytes of text.
func Msgrcv(id int, msg []byte, typ int64, flags int) (n int, errno syscall.Errno) {
	if !viaIPC() {
		// msg stays alive and in place during the call, which writes the type and at most the rest of msg.
		r, _, errno := syscall.Syscall6(sysMsgrcv,
			uintptr(id), uintptr(unsafe.Pointer(unsafe.SliceData(msg))), uintptr(len(msg)-MtypeSize), uintptr(typ), uintptr(flags), 0)
		if !missing(errno) {
			return int(r), errno
		}
	}
	return ipcMsgrcv(id, msg, typ, flags)
}

// MsgrcvNowait is msgrcv(2) with IPC_NOWAIT, which it adds to the flags. With room for a message that is not
// large it is cheaper than [Msgrcv], since the Go scheduler does not know of it. The room says nothing where
// MSG_NOERROR cuts a message off, which is freed whole, and where MSG_COPY goes through the queue to an index.
func MsgrcvNowait(id int, msg []byte, typ int64, flags int) (n int, errno syscall.Errno) {
	if sysIPC != 0 || len(msg) > large || flags&(MSG_NOERROR|MSG_COPY) != 0 {
		return Msgrcv(id, msg, typ, flags|IPC_NOWAIT)
	}
	// msg stays alive and in place during the call, which writes the type and at most the rest of msg.
	r, _, errno := syscall.RawSyscall6(sysMsgrcv,
		uintptr(id), uintptr(unsafe.Pointer(unsafe.SliceData(msg))), uintptr(len(msg)-MtypeSize), uintptr(typ), uintptr(flags|IPC_NOWAIT), 0)
	return int(r), errno
}

// msgctl is msgctl(2) for the commands that fill or read a struct.
func msgctl(id, cmd int, buf unsafe.Pointer) (int, syscall.Errno) {
	if !viaIPC() {
		// buf points to the struct of cmd; it stays alive and in place during the call.
		r, _, errno := syscall.RawSyscall(sysMsgctl, uintptr(id), uintptr(cmd|cmdFlag), uintptr(buf))
		if !missing(errno) {
			return int(r), errno
		}
	}
	return ipcMsgctl(id, cmd, buf)
}

// MsgctlStat is msgctl(2) with IPC_STAT and an id, or with MSG_STAT or MSG_STAT_ANY and an index. With the
// latter two, ret is the id.
func MsgctlStat(id, cmd int) (ds MsqidDS, ret int, errno syscall.Errno) {
	var buf msqidDS
	// buf is the struct that these commands fill.
	ret, errno = msgctl(id, cmd, unsafe.Pointer(&buf))
	return buf.neutral(), ret, errno
}

// MsgctlSet is msgctl(2) with IPC_SET.
func MsgctlSet(id int, uid, gid, mode uint32, qbytes uint64) syscall.Errno {
	buf := msqidDS{perm: newPerm(uid, gid, mode), qbytes: ulong(qbytes)}
	// buf is the struct that the command reads.
	_, errno := msgctl(id, IPC_SET, unsafe.Pointer(&buf))
	return errno
}

// MsgctlRmid is msgctl(2) with IPC_RMID. It takes long for a queue with many messages.
func MsgctlRmid(id int) syscall.Errno {
	if !viaIPC() {
		_, _, errno := syscall.Syscall(sysMsgctl, uintptr(id), uintptr(IPC_RMID|cmdFlag), 0)
		if !missing(errno) {
			return errno
		}
	}
	_, errno := ipcMsgctl(id, IPC_RMID, nil)
	return errno
}

// MsgctlInfo is msgctl(2) with IPC_INFO or MSG_INFO. The number is the highest index in use.
func MsgctlInfo(cmd int) (Msginfo, int, syscall.Errno) {
	var buf msginfo
	// buf is the struct that these commands fill.
	r, errno := msgctl(0, cmd, unsafe.Pointer(&buf))
	return buf.neutral(), r, errno
}
