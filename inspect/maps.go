package inspect

import "bytes"

// mapping is a line of /proc/PID/maps that shows an attached segment.
type mapping struct {
	length, offset uint64
	key            uint32 // that the segment had when it was made; also after its removal
	id             uint64 // the inode
	writable       bool
}

// segmentName is how the kernel names the memory of a segment: /SYSV and its first key, and
// "deleted", since no directory has it. A file of that name has a device behind it.
var segmentName = []byte("/SYSV")

// attaches finds the attached segments in the text of /proc/PID/maps:
//
//	7fb9d6c3b000-7fb9d6c3d000 rw-s 00000000 00:01 131106    /SYSV00001234 (deleted)
func attaches(maps []byte, found func(mapping)) {
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

func parseMapping(line []byte) (m mapping, ok bool) {
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
	if !ok2 || !ok3 || !ok4 || to < from || len(mode) < 4 || mode[3] != 's' || !bytes.HasPrefix(device, []byte("00:")) {
		return m, false
	}
	name, isSegment := bytes.CutPrefix(name, segmentName)
	key, deleted, ok5 := hexadecimal(name)
	if !isSegment || !ok5 || len(name)-len(deleted) != 8 || string(deleted) != " (deleted)" {
		return m, false
	}
	return mapping{length: to - from, offset: offset, key: uint32(key), id: id, writable: mode[1] == 'w'}, true
}
