package ref

import (
	"io/fs"

	"github.com/sysvipc/sysvipc"
)

// Object is what segments, semaphore sets and queues have in common.
type Object interface {
	Remove() error
	Chmod(fs.FileMode) error
	Chown(uid, gid int) error
}

// ByID is the object with an ID, which need not exist.
func ByID(kind sysvipc.Kind, id int) Object {
	switch kind {
	case sysvipc.KindSegment:
		return sysvipc.SegmentByID(id)
	case sysvipc.KindSemaphores:
		return sysvipc.SemaphoresByID(id)
	default:
		return sysvipc.QueueByID(id)
	}
}
