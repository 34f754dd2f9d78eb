package sysv

import (
	"encoding/binary"
	"math"
	"math/bits"
	"structs"
)

// Sembuf is struct sembuf, one operation of semop(2). It is the same on every port.
type Sembuf struct {
	_   structs.HostLayout
	Num uint16 // index of the semaphore in its set
	Op  int16  // added to its value; 0 waits until it is zero
	Flg int16  // IPC_NOWAIT, SEM_UNDO
}

// Perm is the neutral form of struct ipc64_perm.
type Perm struct {
	Key                  int32
	UID, GID, CUID, CGID uint32
	Mode                 uint32 // permissions; for segments also SHM_DEST and SHM_LOCKED
	Seq                  uint32
}

// ShmidDS is the neutral form of struct shmid64_ds; see shmctl(2). Times are seconds since 1970, 0 for never.
type ShmidDS struct {
	Perm                Perm
	Segsz               uint64
	Atime, Dtime, Ctime int64
	Cpid, Lpid          int32
	Nattch              uint64
}

// SemidDS is the neutral form of struct semid64_ds; see semctl(2). Times are seconds since 1970, 0 for never.
type SemidDS struct {
	Perm         Perm
	Otime, Ctime int64
	Nsems        uint64
}

// MsqidDS is the neutral form of struct msqid64_ds; see msgctl(2). Times are seconds since 1970, 0 for never.
type MsqidDS struct {
	Perm                 Perm
	Stime, Rtime, Ctime  int64
	Cbytes, Qnum, Qbytes uint64
	Lspid, Lrpid         int32
}

// Shminfo is the neutral form of struct shminfo64, the limits of segments. Shmall is in pages.
type Shminfo struct {
	Shmmax, Shmmin, Shmmni, Shmseg, Shmall uint64
}

// ShmUse is the neutral form of struct shm_info, what segments use. Tot, Rss and Swp are in pages.
type ShmUse struct {
	UsedIDs       int
	Tot, Rss, Swp uint64
}

// Seminfo is what struct seminfo says. After SEM_INFO, Semusz is the number of sets in use and Semaem
// that of semaphores in them.
type Seminfo struct {
	Semmni, Semmns, Semmsl, Semopm, Semvmx, Semusz, Semaem int
}

// Msginfo is what struct msginfo says. After MSG_INFO, Msgpool is the number of queues in use, Msgmap
// that of messages in them and Msgtql that of the messages' bytes.
type Msginfo struct {
	Msgmax, Msgmnb, Msgmni, Msgpool, Msgmap, Msgtql int
}

const (
	// MtypeSize is the size of the message type at the start of a struct msgbuf, a C long.
	MtypeSize = bits.UintSize / 8
	// MaxMtype is the largest message type.
	MaxMtype = math.MaxInt
)

// PutMtype stores the type at the start of msg, a struct msgbuf, in native byte order. The type must
// fit: -MaxMtype-1 <= typ <= MaxMtype.
func PutMtype(msg []byte, typ int64) {
	if MtypeSize == 4 {
		binary.NativeEndian.PutUint32(msg, uint32(typ))
	} else {
		binary.NativeEndian.PutUint64(msg, uint64(typ))
	}
}

// Mtype returns the type at the start of msg, a struct msgbuf.
func Mtype(msg []byte) int64 {
	if MtypeSize == 4 {
		return int64(int32(binary.NativeEndian.Uint32(msg)))
	}
	return int64(binary.NativeEndian.Uint64(msg))
}
