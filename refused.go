package sysvipc

import (
	"fmt"
	"os"
	"syscall"

	"github.com/sysvipc/sysvipc/internal/sysv"
)

// The kernel answers EACCES where the mode does not grant a call, and EPERM where the call
// takes the owner. Any other EPERM comes of a sandbox.

const sandboxed = "a sandbox (seccomp) or a security module forbids the call"

// noAccess is what to say after EACCES.
func (o object) noAccess() string {
	st, ok := o.statAny()
	if !ok {
		return "its mode does not grant this; see its owner and mode with \"sysvipc ls\""
	}
	return "its mode does not grant this: " + st.whose()
}

// notGranted is what to say after EACCES to a caller that asked for an object with a key.
func (o object) notGranted() string {
	said := fmt.Sprintf("a %s with this key exists, and its mode does not grant what perm asks for", o.kind)
	if st, ok := o.statAny(); ok {
		said += ": " + st.whose()
	}
	return said
}

// notOwner is what to say after EPERM of a call that takes the owner, or this capability.
func (o object) notOwner(capability string) string {
	st, ok := o.statAny()
	euid := os.Geteuid()
	who := fmt.Sprintf("only its owner, its creator or a process with %s may do this", capability)
	switch {
	case !ok:
		return who + ", or " + sandboxed
	case euid == st.UID, euid == st.CUID:
		return sandboxed
	}
	return who + ": " + st.whose()
}

// failOwner is fail for the calls that take the owner.
func (o object) failOwner(op string, errno syscall.Errno) error {
	hint := ""
	if errno == syscall.EPERM {
		hint = o.notOwner("CAP_SYS_ADMIN")
	}
	return o.fail(op, errno, hint)
}

// whose says who may do what, and who asks.
func (o Object) whose() string {
	return fmt.Sprintf("%s; this process is user %d, group %d", o.owners(), os.Geteuid(), os.Getegid())
}

func (o Object) owners() string {
	maker := ""
	if o.CUID != o.UID || o.CGID != o.GID {
		maker = fmt.Sprintf(", was made by user %d, group %d", o.CUID, o.CGID)
	}
	return fmt.Sprintf("it belongs to user %d, group %d%s and has mode %04o", o.UID, o.GID, maker, uint32(o.Mode))
}

// statAny asks for what the kernel tells anybody of an object, readable or not. It goes by
// the index in the kernel's table, which is the low bits of the ID: 15, or 24 with
// ipcmni_extend.
func (o object) statAny() (Object, bool) {
	id := o.ID()
	if id == noID && o.key != Private {
		id, _ = find(o.kind, o.key)
	}
	for _, bits := range []int{15, 24} {
		if st, errno := statIndex(o.kind, id&(1<<bits-1)); errno == 0 && st.ID == id {
			return st, true
		}
	}
	return Object{}, false
}

func statIndex(kind Kind, index int) (Object, syscall.Errno) {
	switch kind {
	case KindSegment:
		ds, id, errno := sysv.ShmctlStat(index, sysv.SHM_STAT_ANY)
		return objectOf(kind, id, ds.Perm, ds.Ctime), errno
	case KindSemaphores:
		ds, id, errno := sysv.SemctlStat(index, sysv.SEM_STAT_ANY)
		return objectOf(kind, id, ds.Perm, ds.Ctime), errno
	default:
		ds, id, errno := sysv.MsgctlStat(index, sysv.MSG_STAT_ANY)
		return objectOf(kind, id, ds.Perm, ds.Ctime), errno
	}
}
