package ipctest

import "fmt"

// The kinds of [Object].
const (
	Shm = "shm"
	Sem = "sem"
	Msg = "msg"
)

// Object is one kernel object of the current IPC namespace.
type Object struct {
	Kind    string // Shm, Sem or Msg
	ID      int
	Key     int32
	Mode    uint32 // with SHM_DEST (01000) for a segment that is removed but still attached
	UID     int    // owner
	CUID    int    // creator
	Creator int    // pid of a segment's creator, 0 if the kernel does not tell
	Nattch  int    // of a segment
}

// String tells kind, id, key, mode and creator.
func (o Object) String() string {
	s := fmt.Sprintf("%s id %d key %#x mode %#o uid %d", o.Kind, o.ID, uint32(o.Key), o.Mode&0o777, o.UID)
	if o.Creator != 0 {
		s += fmt.Sprintf(" creator pid %d", o.Creator)
	}
	if o.Kind == Shm {
		s += fmt.Sprintf(" nattch %d", o.Nattch)
		if o.Mode&0o1000 != 0 {
			s += " (removed, but still attached)"
		}
	}
	return s
}
