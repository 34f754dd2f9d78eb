package inspect

import (
	"bytes"
	"io/fs"
	"strconv"
	"time"
)

// PosixObject is an object of POSIX IPC: what shm_open(3), sem_open(3) and mq_open(3) make. It is a file, with a name.
type PosixObject struct {
	Type     string // "shm", "sem" or "mqueue"
	Name     string // as programs open it: "/orders"
	Path     string
	Size     int64 // bytes; of a queue those of its messages; -1 if not known
	Mode     fs.FileMode
	UID, GID int
	Modified time.Time
	Value    *int // of a semaphore, if this user may read it
	// Users are the processes that have it open or mapped. They are not all if [PosixObjects.Complete] is false.
	Users []*Process
}

// PosixObjects are those that are there.
type PosixObjects struct {
	All      []PosixObject
	Complete bool
	Warnings []string
}

// parseQueueSize reads what a file of mqueue(7) says: "QSIZE:129  NOTIFY:0 …".
func parseQueueSize(text []byte) int64 {
	text, ok := bytes.CutPrefix(text, []byte("QSIZE:"))
	word := bytes.Fields(text)
	if !ok || len(word) == 0 {
		return -1
	}
	n, err := strconv.ParseInt(string(word[0]), 10, 64)
	if err != nil || n < 0 {
		return -1
	}
	return n
}
