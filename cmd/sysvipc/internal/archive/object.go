package archive

import (
	"fmt"
	"io/fs"
	"math"
	"time"

	"github.com/sysvipc/sysvipc"
)

// Header is what a file says of itself.
type Header struct {
	Created   time.Time `json:"created"`
	Host      string    `json:"host,omitempty"`
	Namespace string    `json:"namespace,omitempty"` // as /proc/self/ns/ipc shows it
	Program   string    `json:"program,omitempty"`   // who wrote it, with its version
	Comment   string    `json:"comment,omitempty"`   // why
}

// Object is what a file keeps of an object, besides its content.
type Object struct {
	Kind string `json:"kind"` // shm, sem or msg
	ID   int    `json:"id"`
	Key  int32  `json:"key"` // 0: none
	Mode uint32 `json:"mode"`
	UID  int    `json:"uid"`
	GID  int    `json:"gid"`
	CUID int    `json:"cuid"` // the creator, who is not restored
	CGID int    `json:"cgid"`

	Changed   int64  `json:"ctime,omitempty"`     // seconds since 1970
	Size      int64  `json:"size,omitempty"`      // bytes of a segment
	Locked    bool   `json:"locked,omitempty"`    // a segment out of swap
	Destroyed bool   `json:"destroyed,omitempty"` // a segment that was removed and was still attached
	Len       int    `json:"nsems,omitempty"`     // semaphores of a set
	Messages  int    `json:"messages,omitempty"`
	Bytes     int64  `json:"bytes,omitempty"`  // of all messages
	MaxBytes  *int64 `json:"qbytes,omitempty"` // capacity of a queue; nil if it was not known
}

// Ref names the object as it was, such as shm:5.
func (o *Object) Ref() string { return fmt.Sprintf("%s:%d", o.Kind, o.ID) }

// SysvKey is the key.
func (o *Object) SysvKey() sysvipc.Key { return sysvipc.Key(o.Key) }

// SysvKind is the kind, or 0 for one that does not exist.
func (o *Object) SysvKind() sysvipc.Kind {
	for kind, word := range kindWords {
		if word == o.Kind {
			return kind
		}
	}
	return 0
}

var kindWords = map[sysvipc.Kind]string{
	sysvipc.KindSegment: "shm", sysvipc.KindSemaphores: "sem", sysvipc.KindQueue: "msg",
}

// contentLen is how many bytes of content the object must have, or -1 if any number will do:
// what is left out of a segment is zero.
func (o *Object) contentLen() int64 {
	switch o.SysvKind() {
	case sysvipc.KindSemaphores:
		return 2 * int64(o.Len)
	case sysvipc.KindQueue:
		return o.Bytes + messageHead*int64(o.Messages)
	}
	return -1
}

// check refuses what no kernel can have said.
func (o *Object) check() error {
	bad := func(format string, args ...any) error {
		return fmt.Errorf("%s: %s", o.Ref(), fmt.Sprintf(format, args...))
	}
	switch {
	case o.SysvKind() == 0:
		return fmt.Errorf("an object of the kind %q is unknown", o.Kind)
	case o.ID < 0 || o.ID > math.MaxInt32:
		return bad("no ID is %d", o.ID)
	case o.Mode&^uint32(fs.ModePerm) != 0:
		return bad("no mode is %#o", o.Mode)
	case !isUser(o.UID) || !isUser(o.GID):
		return bad("no owner is %d:%d", o.UID, o.GID)
	case o.Kind == "shm" && o.Size < 1:
		return bad("no segment has %d bytes", o.Size)
	case o.Kind == "sem" && (o.Len < 1 || o.Len > math.MaxInt32):
		return bad("no set has %d semaphores", o.Len)
	case o.Kind == "msg" && (o.Messages < 0 || o.Messages > math.MaxInt32 || o.Bytes < 0 || o.Bytes > math.MaxInt64/2):
		return bad("no queue has %d messages of %d bytes", o.Messages, o.Bytes)
	case o.Kind == "msg" && o.MaxBytes != nil && (*o.MaxBytes < 0 || *o.MaxBytes > math.MaxInt64/2):
		return bad("no queue has room for %d bytes", *o.MaxBytes)
	}
	return nil
}

func isUser(id int) bool { return id >= 0 && int64(id) < math.MaxUint32 }

// end is the payload of an E block.
type end struct {
	Bytes int64  `json:"bytes"` // in the D blocks
	Error string `json:"error,omitempty"`
}

// last is the payload of a Z block.
type last struct {
	Objects int `json:"objects"`
}
