package output

import (
	"math"

	"github.com/sysvipc/sysvipc"
)

// Limit is one of the kernel's, and what is used of it.
type Limit struct {
	NS      *uint64  `json:"ns,omitempty"` // the inode of the IPC namespace, with --ns
	Name    string   `json:"name"`
	What    string   `json:"what"`
	Value   *uint64  `json:"value"`   // nil: unlimited
	Used    *int64   `json:"used"`    // nil: it is for each object or call
	Percent *float64 `json:"percent"` // of Value; nil if either is
	Sysctl  *string  `json:"sysctl"`  // nil: it is fixed
	Field   *int     `json:"field"`   // of a sysctl with several numbers, from 1

	Bytes bool `json:"-"` // the value is bytes
}

// Limits are all there are.
func Limits(lim sysvipc.Limits) []Limit {
	seg, sem, msg := lim.Segments, lim.Semaphores, lim.Queues
	return []Limit{
		limitOf("shmmni", "segments", uint64(seg.Max), int64(seg.InUse), "kernel.shmmni", 0),
		limitOf("shmall", "pages of all segments", seg.MaxPages, int64(min(seg.Pages, math.MaxInt64)), "kernel.shmall", 0),
		limitOf("shmmax", "bytes of one segment", seg.MaxSize, -1, "kernel.shmmax", 0).bytes(),
		limitOf("semmni", "semaphore sets", uint64(sem.Max), int64(sem.InUse), "kernel.sem", 4),
		limitOf("semmns", "semaphores of all sets", uint64(sem.MaxTotal), int64(sem.InTotal), "kernel.sem", 2),
		limitOf("semmsl", "semaphores of one set", uint64(sem.MaxPerSet), -1, "kernel.sem", 1),
		limitOf("semopm", "operations of one call", uint64(sem.MaxOps), -1, "kernel.sem", 3),
		limitOf("semvmx", "value of a semaphore", uint64(sem.MaxValue), -1, "", 0),
		limitOf("msgmni", "queues", uint64(msg.Max), int64(msg.InUse), "kernel.msgmni", 0),
		limitOf("msgmax", "bytes of one message", uint64(msg.MaxMessage), -1, "kernel.msgmax", 0).bytes(),
		limitOf("msgmnb", "bytes of a new queue", uint64(msg.DefaultMaxBytes), -1, "kernel.msgmnb", 0).bytes(),
	}
}

func limitOf(name, what string, value uint64, used int64, sysctl string, number int) Limit {
	l := Limit{Name: name, What: what, Sysctl: OrNil(sysctl), Field: OrNil(number)}
	limited := value < math.MaxInt64/2 // the kernel has numbers like these for no limit
	if limited {
		l.Value = &value
	}
	if used >= 0 {
		l.Used = &used
		if limited && value > 0 {
			percent := math.Round(float64(used)/float64(value)*10000) / 100
			l.Percent = &percent
		}
	}
	return l
}

func (l Limit) bytes() Limit {
	l.Bytes = true
	return l
}
