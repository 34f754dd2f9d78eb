package main

import (
	"io/fs"

	"github.com/sysvipc/sysvipc"
)

// object is what the three types have in common.
type object interface {
	Remove() error
	Chmod(fs.FileMode) error
	Chown(uid, gid int) error
}

func objectByID(kind sysvipc.Kind, id int) object {
	switch kind {
	case sysvipc.KindSegment:
		return sysvipc.SegmentByID(id)
	case sysvipc.KindSemaphores:
		return sysvipc.SemaphoresByID(id)
	default:
		return sysvipc.QueueByID(id)
	}
}
