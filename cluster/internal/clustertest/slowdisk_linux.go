package clustertest

import (
	"encoding/binary"
	"fmt"
	"runtime"
	"sync/atomic"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The kernel's numbers for seccomp_unotify(2), which x/sys/unix does not have for all ports.
const (
	notifyReceive = 0xc0502100 // SECCOMP_IOCTL_NOTIF_RECV
	notifySend    = 0xc0182101 // SECCOMP_IOCTL_NOTIF_SEND
	retNotify     = 0x7fc00000 // SECCOMP_RET_USER_NOTIF
	retAllow      = 0x7fff0000 // SECCOMP_RET_ALLOW
)

// slowDisk has each fsync of this process, from any goroutine, wait for as long as the number
// says that it returns, one after another, as on a disk that is slow: by a seccomp filter
// that asks a goroutine of this process. Nothing else is changed.
func slowDisk() (*atomic.Int64, error) {
	delay := &atomic.Int64{}
	if runtime.GOARCH != "amd64" && runtime.GOARCH != "arm64" {
		return delay, fmt.Errorf("no filter for %s", runtime.GOARCH)
	}
	filter := []unix.SockFilter{
		{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: 0}, // the system call's number
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: unix.SYS_FSYNC, Jt: 1},
		{Code: unix.BPF_RET | unix.BPF_K, K: retAllow},
		{Code: unix.BPF_RET | unix.BPF_K, K: retNotify},
	}
	prog := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	runtime.LockOSThread() // both calls are of one thread, and the second is for all
	defer runtime.UnlockOSThread()
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return delay, fmt.Errorf("prctl: %w", err)
	}
	const flags = unix.SECCOMP_FILTER_FLAG_TSYNC | unix.SECCOMP_FILTER_FLAG_TSYNC_ESRCH | unix.SECCOMP_FILTER_FLAG_NEW_LISTENER
	fd, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, flags, uintptr(unsafe.Pointer(&prog)))
	if errno != 0 {
		return delay, fmt.Errorf("seccomp: %w", errno)
	}
	go func() {
		for {
			var ask [80]byte // struct seccomp_notif, which begins with an id
			if _, _, errno := unix.Syscall(unix.SYS_IOCTL, fd, notifyReceive, uintptr(unsafe.Pointer(&ask))); errno != 0 {
				continue // the asking thread was interrupted
			}
			time.Sleep(time.Duration(delay.Load()))
			answer := struct { // seccomp_notif_resp
				id     uint64
				val    int64
				err    int32
				goesOn uint32 // SECCOMP_USER_NOTIF_FLAG_CONTINUE
			}{binary.NativeEndian.Uint64(ask[:]), 0, 0, 1}
			unix.Syscall(unix.SYS_IOCTL, fd, notifySend, uintptr(unsafe.Pointer(&answer)))
		}
	}()
	return delay, nil
}
