package output

import "time"

// PosixObject is an object of POSIX IPC, which "ls posix" lists.
type PosixObject struct {
	Name     string      `json:"name"` // as programs open it
	Type     string      `json:"type" enum:"shm,sem,mqueue"`
	Path     string      `json:"path"`
	Size     *int64      `json:"size"` // bytes; of a queue those of its messages
	Value    *int        `json:"value"`
	Mode     uint32      `json:"mode"`
	ModeStr  string      `json:"mode_str"`
	UID      int         `json:"uid"`
	Owner    *string     `json:"owner"`
	GID      int         `json:"gid"`
	Group    *string     `json:"group"`
	Modified time.Time   `json:"modified"`
	Age      int64       `json:"age"`   // seconds since Modified
	Users    []PosixUser `json:"users"` // those that are seen to have it open or mapped
	Unknown  []string    `json:"unknown"`
}

// PosixUser is a process that has such an object open or mapped.
type PosixUser struct {
	PID  int    `json:"pid"`
	Comm string `json:"comm"`
	UID  *int   `json:"uid"`
}
