package sysvipc

import (
	"fmt"
	"math"
	"syscall"
)

// Changing the owner and the mode is IPC_SET for each kind, which sets all at once: so
// what is not to change is read before.

// chown changes what is not -1.
func chown(uid, gid int) func(*Object) {
	return func(o *Object) {
		if uid != -1 {
			o.UID = uid
		}
		if gid != -1 {
			o.GID = gid
		}
	}
}

// checkOwner refuses what is no user or group. The kernel would take the lower 32 bits.
func (o object) checkOwner(op string, uid, gid int) error {
	for _, id := range []struct {
		what   string
		number int
	}{{"user", uid}, {"group", gid}} {
		if id.number < -1 || int64(id.number) >= math.MaxUint32 {
			return o.refuse(op, syscall.EINVAL, "%s %d: from 0 to %d, or -1 to leave it", id.what, id.number, int64(math.MaxUint32-1))
		}
	}
	return nil
}

// notSet wraps the kernel's answer to IPC_SET, where EINVAL also means a user or group
// that the user namespace does not know. Gone is the outcome of another Stat.
func (o object) notSet(op string, errno syscall.Errno, want Object, gone error) error {
	if errno == syscall.EINVAL && gone == nil {
		return o.fail(op, errno, fmt.Sprintf("user %d or group %d does not exist in this user namespace", want.UID, want.GID))
	}
	return o.failOwner(op, errno)
}
