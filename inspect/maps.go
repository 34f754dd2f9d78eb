package inspect

import (
	"bytes"
	"math"

	"github.com/sysvipc/sysvipc"
)

// Mapping is a part of a segment in the address space of a process: a line of /proc/PID/maps.
type Mapping struct {
	ID         int         // of the segment
	Key        sysvipc.Key // that the segment had when it was made; also after its removal
	Start, End uint64      // addresses
	Offset     int64       // of Start, in the segment
	Readable   bool
	Writable   bool
}

// AttachedProcess is a process that has segments attached.
type AttachedProcess struct {
	PID      int
	Mappings []Mapping
}

// segmentName is how the kernel names the memory of a segment: /SYSV and its first key, and
// "deleted", since no directory has it. A file of that name has a device behind it.
var segmentName = []byte("/SYSV")

// attaches finds the attached segments in the text of /proc/PID/maps:
//
//	7fb9d6c3b000-7fb9d6c3d000 rw-s 00000000 00:01 131106    /SYSV00001234 (deleted)
func attaches(maps []byte, found func(Mapping)) {
	for {
		at := bytes.Index(maps, segmentName)
		if at < 0 {
			return
		}
		begin := bytes.LastIndexByte(maps[:at], '\n') + 1
		line := maps[begin:]
		if end := bytes.IndexByte(line, '\n'); end >= 0 {
			line = line[:end]
		}
		if m, ok := parseMapping(line); ok {
			found(m)
		}
		maps = maps[begin+len(line):]
	}
}

func parseMapping(line []byte) (m Mapping, ok bool) {
	from, rest, ok1 := hexadecimal(line)
	if !ok1 || len(rest) == 0 || rest[0] != '-' {
		return m, false
	}
	to, rest, ok2 := hexadecimal(rest[1:])
	mode, rest := word(rest)
	offset, rest, ok3 := hexadecimal(skipSpace(rest))
	device, rest := word(rest)
	id, rest, ok4 := decimal(skipSpace(rest))
	name := skipSpace(rest)
	// A segment is shared, and on no device that has a number of its own.
	if !ok2 || !ok3 || !ok4 || id > math.MaxInt || offset > math.MaxInt64 || to < from || len(mode) < 4 || mode[3] != 's' || !bytes.HasPrefix(device, []byte("00:")) {
		return m, false
	}
	name, isSegment := bytes.CutPrefix(name, segmentName)
	key, deleted, ok5 := hexadecimal(name)
	if !isSegment || !ok5 || len(name)-len(deleted) != 8 || string(deleted) != " (deleted)" {
		return m, false
	}
	return Mapping{
		ID: int(id), Key: sysvipc.Key(int32(uint32(key))), Start: from, End: to, Offset: int64(offset),
		Readable: mode[0] == 'r', Writable: mode[1] == 'w',
	}, true
}
