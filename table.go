package sysvipc

import (
	"bytes"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"math"
	"os"
)

// The kernel's list of objects: one file for each kind, with a line of numbers for
// each object after a headline. proc(5).

var tables = map[Kind]string{
	KindSegment:    "/proc/sysvipc/shm",
	KindSemaphores: "/proc/sysvipc/sem",
	KindQueue:      "/proc/sysvipc/msg",
}

// How many fields of a line are read. Later kernels may add more.
const (
	segmentFields = 16
	setFields     = 10
	queueFields   = 14
)

// readTable reads the file, which belongs to the IPC namespace of the process that opens it. The
// kernel does not say how long it is: with 8,000 objects, starting as small as
// os.ReadFile does takes twice as long.
func readTable(kind Kind) ([]byte, error) {
	f, err := os.Open(tables[kind])
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data := make([]byte, 0, 64<<10)
	for {
		n, err := f.Read(data[len(data):cap(data)])
		data = data[:len(data)+n]
		if err == io.EOF {
			return data, nil
		}
		if err != nil {
			return nil, err
		}
		if len(data) == cap(data) {
			data = append(make([]byte, 0, 4*cap(data)), data...)
		}
	}
}

// rows yields the numbers of each line. The third, the mode, is octal.
func rows(data []byte, fields int) iter.Seq2[[]int64, error] {
	return func(yield func([]int64, error) bool) {
		row := make([]int64, fields)
		_, data, _ = bytes.Cut(data, []byte("\n")) // the headline
		for len(data) > 0 {
			var text []byte
			text, data, _ = bytes.Cut(data, []byte("\n"))
			rest := text
			for i := range row {
				base := int64(10)
				if i == 2 {
					base = 8
				}
				var ok bool
				if row[i], rest, ok = number(rest, base); !ok {
					yield(nil, fmt.Errorf("sysvipc: /proc/sysvipc: field %d of line %q is no number", i+1, text))
					return
				}
			}
			if !yield(row, nil) {
				return
			}
		}
	}
}

// number reads a number and returns what follows it. A number beyond 63 bits counts
// as the largest.
func number(s []byte, base int64) (n int64, rest []byte, ok bool) {
	for len(s) > 0 && (s[0] == ' ' || s[0] == '\t') {
		s = s[1:]
	}
	negative := len(s) > 0 && s[0] == '-'
	if negative {
		s = s[1:]
	}
	i := 0
	for ; i < len(s) && s[i] >= '0' && int64(s[i]-'0') < base; i++ {
		digit := int64(s[i] - '0')
		if n > (math.MaxInt64-digit)/base {
			n = math.MaxInt64
			continue
		}
		n = n*base + digit
	}
	if negative {
		n = -n
	}
	rest = s[i:]
	return n, rest, i > 0 && (len(rest) == 0 || rest[0] == ' ' || rest[0] == '\t')
}

func tableObject(kind Kind, r []int64, owner int, changed int64) Object {
	return Object{
		Kind: kind, ID: int(r[1]), Key: Key(int32(r[0])), Mode: fs.FileMode(r[2]) & fs.ModePerm,
		UID: int(r[owner]), GID: int(r[owner+1]), CUID: int(r[owner+2]), CGID: int(r[owner+3]),
		Changed: timeOf(changed),
	}
}

// The mode bits of a segment that are no permissions: linux/shm.h.
const (
	modeDestroyed = 0o1000
	modeLocked    = 0o2000
)

// segmentLine: key shmid perms size cpid lpid nattch uid gid cuid cgid atime dtime ctime rss swap.
func segmentLine(r []int64) SegmentStat {
	return SegmentStat{
		Object: tableObject(KindSegment, r, 7, r[13]),
		Size:   r[3], CreatorPID: int(r[4]), LastPID: int(r[5]), Attaches: int(r[6]),
		Attached: timeOf(r[11]), Detached: timeOf(r[12]),
		Destroyed: r[2]&modeDestroyed != 0, Locked: r[2]&modeLocked != 0,
		Resident: r[14], SwappedOut: r[15],
	}
}

// setLine: key semid perms nsems uid gid cuid cgid otime ctime.
func setLine(r []int64) SemaphoreSetStat {
	return SemaphoreSetStat{Object: tableObject(KindSemaphores, r, 4, r[9]), Len: int(r[3]), Operated: timeOf(r[8])}
}

// queueLine: key msqid perms cbytes qnum lspid lrpid uid gid cuid cgid stime rtime ctime.
func queueLine(r []int64) QueueStat {
	return QueueStat{
		Object: tableObject(KindQueue, r, 7, r[13]),
		Bytes:  int(r[3]), Messages: int(r[4]), LastSendPID: int(r[5]), LastReceivePID: int(r[6]),
		MaxBytes: -1,
		Sent:     timeOf(r[11]), Received: timeOf(r[12]),
	}
}
