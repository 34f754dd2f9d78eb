package sysvipc

import (
	"fmt"
	"io/fs"
	"math"
	"syscall"
	"time"

	"github.com/sysvipc/sysvipc/internal/sysv"
)

// Object is what the kernel keeps of every object, of whatever kind: struct
// ipc_perm of ipc(7).
type Object struct {
	Kind       Kind
	ID         int
	Key        Key         // Private if it has none, or was removed
	Mode       fs.FileMode // the nine permission bits. Of the x bits the kernel looks only at those of segments, for SHM_EXEC
	UID, GID   int         // owner, who may be changed
	CUID, CGID int         // creator, who may not
	Changed    time.Time   // of the last IPC_SET or creation (and of SETVAL and SETALL)
}

func objectOf(kind Kind, id int, p sysv.Perm, changed int64) Object {
	return Object{
		Kind: kind, ID: id, Key: Key(p.Key), Mode: fs.FileMode(p.Mode) & fs.ModePerm,
		UID: int(p.UID), GID: int(p.GID), CUID: int(p.CUID), CGID: int(p.CGID),
		Changed: timeOf(changed),
	}
}

// timeOf turns the kernel's seconds into a time. 0 means never: the zero Time.
func timeOf(sec int64) time.Time {
	if sec == 0 {
		return time.Time{}
	}
	return time.Unix(sec, 0)
}

// object is what a Segment, a SemaphoreSet or a Queue knows of its object, and what
// errors say of it. The zero value is no object: the kernel refuses the ID -1.
type object struct {
	kind Kind
	key  Key
	handle
}

// handle is an ID plus 1, so that the zero value of a type is not the object with ID 0.
type handle int

func handleOf(id int) handle { return handle(id + 1) }

// ID returns the kernel's handle, which any process of the IPC namespace may use. It
// may be 0; it is -1 for a zero value, which is no object.
func (h handle) ID() int { return int(h) - 1 }

// Key returns the key that the object was made or found with: [Private] if it has none,
// or was given by its ID. Stat asks the kernel for it.
func (o object) Key() Key { return o.key }

// String returns a description such as "queue 7 (key 0x000004d2)".
func (o object) String() string {
	return describe(o.kind, o.key, o.ID())
}

// describe names an object by what is known of it.
func describe(kind Kind, key Key, id int) string {
	switch {
	case kind == 0:
		return "object"
	case id >= 0 && key != Private:
		return fmt.Sprintf("%s %d (key %s)", kind, id, key)
	case id >= 0:
		return fmt.Sprintf("%s %d", kind, id)
	case key != Private:
		return fmt.Sprintf("%s %s", kind, key)
	}
	return kind.String()
}

// noID is the ID of an object that is not made yet, or cannot be.
const noID = -1

// byID returns the object with an ID that a caller gave. The kernel looks at the lower
// 32 bits only, and would find another object for an ID beyond.
func byID(kind Kind, id int) object {
	if id < 0 || id > math.MaxInt32 {
		id = noID
	}
	return object{kind, Private, handleOf(id)}
}

// checkPerm refuses what is not a permission. The kernel would take other bits for
// flags of its own.
func (o object) checkPerm(op string, perm fs.FileMode) error {
	if perm&^fs.ModePerm != 0 {
		return o.refuse(op, syscall.EINVAL, "perm %O has more than the nine permission bits", uint32(perm))
	}
	return nil
}

// checkOpen refuses to look for an object without a key.
func (o object) checkOpen(op string) error {
	if o.key == Private {
		return o.refuse(op, syscall.EINVAL, "key 0 is IPC_PRIVATE, which names no object: open it by its ID")
	}
	return nil
}

// notFound is the remedy where no object has the key.
func (o object) notFound(errno syscall.Errno) string {
	if errno == syscall.ENOENT {
		return fmt.Sprintf("no %s has this key in this IPC namespace", o.kind)
	}
	return ""
}

// notMade is the remedy where nothing more is known of why no object was made.
func (o object) notMade(errno syscall.Errno) string {
	switch errno {
	case syscall.EEXIST:
		return fmt.Sprintf("a %s with this key exists: use that, or remove it first", o.kind)
	case syscall.EINVAL:
		return "the kernel accepts no such size or flags"
	}
	return ""
}
