package holders

import (
	"fmt"
	"io/fs"
	"net"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// owner is whose the file is.
func owner(info fs.FileInfo) (uid int, known bool) {
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return -1, false
	}
	return int(st.Uid), true
}

// trustedServer returns an error if the other end is a process of another user than root or this one.
func trustedServer(conn net.Conn) error {
	raw, err := conn.(*net.UnixConn).SyscallConn()
	if err != nil {
		return err
	}
	var peer *unix.Ucred
	controlErr := raw.Control(func(fd uintptr) { peer, err = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED) })
	switch {
	case controlErr != nil:
		return controlErr
	case err != nil:
		return err
	case peer.Uid != 0 && int(peer.Uid) != os.Geteuid():
		return fmt.Errorf("a process of user %d answers there, neither of root nor of this user", peer.Uid)
	}
	return nil
}

// SamePIDs reports whether the PIDs of this process are those of the machine, which a trace has.
func SamePIDs() bool {
	link, err := os.Readlink("/proc/self/ns/pid")
	return err == nil && link == "pid:[4026531836]" // PROC_PID_INIT_INO of linux/proc_ns.h
}
