package sysvipc

import (
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"strconv"
	"sync"
	"syscall"

	"github.com/sysvipc/sysvipc/internal/sysv"
)

// nextID are the kernel's files that give the next object its ID.
var nextID = map[Kind]string{
	KindSegment:    "/proc/sys/kernel/shm_next_id",
	KindSemaphores: "/proc/sys/kernel/sem_next_id",
	KindQueue:      "/proc/sys/kernel/msg_next_id",
}

// nextIDMutex keeps the goroutines of this process from taking one another's IDs.
var nextIDMutex sync.Mutex

// withID calls create, and has the kernel give the object the ID c.ID. The kernel's
// file serves the process that creates next, so the outcome is checked: if another process came
// between, ours has a wrong ID, goes away again, and the next attempt follows.
func (c Creator) withID(o object, create func(Key) (int, syscall.Errno)) (int, syscall.Errno, string) {
	if c.ID == nil {
		id, errno := create(o.key)
		return id, errno, ""
	}
	want := *c.ID
	if want < 0 || want > math.MaxInt32 {
		return noID, syscall.EINVAL, fmt.Sprintf("ID %d: an ID is from 0 to %d", want, math.MaxInt32)
	}
	nextIDMutex.Lock()
	defer nextIDMutex.Unlock()
	file, err := os.OpenFile(nextID[o.kind], os.O_WRONLY, 0)
	if err != nil {
		errno, hint := nextIDError(o.kind, err)
		return noID, errno, hint
	}
	defer file.Close()
	// The file is written only when creation is certain to succeed, as far as it can be:
	// an ID that was asked for and not used would go to the process that creates next.
	if errno := tryCreation(o, create); errno != 0 {
		return noID, errno, ""
	}
	for range exactAttempts {
		if exists(o.kind, want) {
			continue
		}
		if _, err := file.WriteAt(strconv.AppendInt(nil, int64(want), 10), 0); err != nil {
			errno, hint := nextIDError(o.kind, err)
			return noID, errno, hint
		}
		id, errno := create(o.key)
		if errno != 0 {
			consumeNextID(o.kind)
			return noID, errno, ""
		}
		if id == want {
			return id, 0, ""
		}
		remove(o.kind, id)
	}
	return noID, syscall.EEXIST, fmt.Sprintf("ID %d is taken, or its place in the kernel's table is: see \"sysvipc ls\"", want)
}

// exactAttempts is how often another process may come between.
const exactAttempts = 10

func nextIDError(kind Kind, err error) (syscall.Errno, string) {
	file := nextID[kind]
	if errors.Is(err, fs.ErrNotExist) {
		return syscall.ENOSYS, "an exact ID needs a kernel with CONFIG_CHECKPOINT_RESTORE, and /proc: there is no " + file
	}
	errno := syscall.EPERM
	errors.As(err, &errno)
	return errno, "an exact ID needs CAP_CHECKPOINT_RESTORE, and leave to write " + file
}

// tryCreation reports why an object like this could not be made, by making one without
// a key.
func tryCreation(o object, create func(Key) (int, syscall.Errno)) syscall.Errno {
	if o.key != Private {
		if _, errno := find(o.kind, o.key); errno != syscall.ENOENT {
			return syscall.EEXIST
		}
	}
	id, errno := create(Private)
	if errno == 0 {
		remove(o.kind, id)
	}
	return errno
}

// find returns the ID of the object that has the key. It takes no permission.
func find(kind Kind, key Key) (id int, errno syscall.Errno) {
	switch kind {
	case KindSegment:
		return sysv.Shmget(int32(key), 0, 0)
	case KindSemaphores:
		return sysv.Semget(int32(key), 0, 0)
	default:
		return sysv.Msgget(int32(key), 0)
	}
}

// exists reports whether the ID is taken.
func exists(kind Kind, id int) bool {
	var errno syscall.Errno
	switch kind {
	case KindSegment:
		_, _, errno = sysv.ShmctlStat(id, sysv.IPC_STAT)
	case KindSemaphores:
		_, _, errno = sysv.SemctlStat(id, sysv.IPC_STAT)
	case KindQueue:
		_, _, errno = sysv.MsgctlStat(id, sysv.IPC_STAT)
	}
	return errno == 0 || errno == syscall.EACCES
}

// consumeNextID uses up an ID that was asked for and not taken: else the process that
// creates next would get it. The kernel lets nobody write back the -1 that means none.
func consumeNextID(kind Kind) {
	var id int
	var errno syscall.Errno
	switch kind {
	case KindSegment:
		id, errno = sysv.Shmget(0, 1, 0o600)
	case KindSemaphores:
		id, errno = sysv.Semget(0, 1, 0o600)
	case KindQueue:
		id, errno = sysv.Msgget(0, 0o600)
	}
	if errno == 0 {
		remove(kind, id)
	}
}
