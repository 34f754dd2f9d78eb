package sysvipc

import (
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// mayBeUnmapped reports whether an ID may stand for one that has no number in this user
// namespace: the kernel shows all of them as one and the same, mostly 65534, which can be
// this process's own as well. Kind is "uid" or "gid".
func mayBeUnmapped(kind string, id int) bool {
	shown, err := os.ReadFile("/proc/sys/kernel/overflow" + kind)
	if err != nil || strings.TrimSpace(string(shown)) != strconv.Itoa(id) {
		return false
	}
	mapped, err := os.ReadFile("/proc/self/" + kind + "_map")
	if err == nil && strings.Join(strings.Fields(string(mapped)), " ") == "0 0 4294967295" {
		return false // all have one
	}
	// Those who can make objects in an IPC namespace of this user namespace all have one,
	// but for the privileged of those outside.
	return !ownsIPC()
}

// ownsIPC reports whether the IPC namespace belongs to this user namespace, ioctl_ns(2).
func ownsIPC() bool {
	f, err := os.Open("/proc/thread-self/ns/ipc")
	if err != nil {
		return false
	}
	defer f.Close()
	fd, err := unix.IoctlRetInt(int(f.Fd()), unix.NS_GET_USERNS)
	if err != nil {
		return false
	}
	defer unix.Close(fd)
	var owner, mine unix.Stat_t
	return unix.Fstat(fd, &owner) == nil && unix.Stat("/proc/self/ns/user", &mine) == nil && owner.Ino == mine.Ino && owner.Dev == mine.Dev
}
