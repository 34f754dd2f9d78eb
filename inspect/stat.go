package inspect

import (
	"bytes"
	"time"
)

// processStat is what is read of /proc/PID/stat.
type processStat struct {
	comm    string
	state   byte
	kernel  bool // a thread of the kernel
	threads int
	started time.Duration // after the start of the machine
}

// ticks is the unit of times in /proc/PID/stat: USER_HZ, which is 100 on every port.
const ticks = time.Second / 100

// parseStat reads /proc/PID/stat. The name of the program may hold anything, parentheses too.
func parseStat(text []byte) (st processStat, ok bool) {
	open, end := bytes.IndexByte(text, '('), bytes.LastIndexByte(text, ')')
	if open < 0 || end < open {
		return st, false
	}
	st.comm = string(text[open+1 : end])
	rest := text[end+1:]
	for field := 3; field <= 22; field++ {
		var w []byte
		w, rest = word(rest)
		switch field {
		case 3:
			if len(w) != 1 {
				return st, false
			}
			st.state = w[0]
		case 9:
			const kthread = 0x00200000 // PF_KTHREAD of linux/sched.h
			flags, _, _ := decimal(w)
			st.kernel = flags&kthread != 0
		case 20, 22:
			n, left, isNumber := decimal(w)
			if !isNumber || len(left) > 0 {
				return st, false
			}
			if field == 20 {
				st.threads = int(min(n, 1<<30))
			} else {
				st.started = time.Duration(min(n, uint64(1<<62/ticks))) * ticks
			}
		}
	}
	return st, true
}

// ended reports whether nothing runs any more: a zombie, whose segments are detached and whose
// undo is done. A zombie with other threads is a program whose first thread has ended.
func (st *processStat) ended() bool {
	return (st.state == 'Z' || st.state == 'X') && st.threads <= 1
}

// parseBootTime reads when the machine started, by its clock of now, of /proc/stat.
func parseBootTime(text []byte) (time.Time, bool) {
	n, rest, ok := decimal(skipSpace(lineAfter(text, "btime ")))
	if !ok || len(rest) > 0 || n > 1<<40 {
		return time.Time{}, false
	}
	return time.Unix(int64(n), 0), true
}

// parseUIDs reads the users that a process runs as of /proc/PID/status: real, effective, saved and
// that of the file system.
func parseUIDs(text []byte) (uids [4]int, ok bool) {
	rest := lineAfter(text, "Uid:")
	for i := range uids {
		n, left, isNumber := decimal(skipSpace(rest))
		if !isNumber || n > 1<<32 {
			return uids, false
		}
		uids[i], rest = int(n), left
	}
	return uids, true
}

// parseStatusNumber reads a field of /proc/PID/status that is one number.
func parseStatusNumber(text []byte, field string, base16 bool) (uint64, bool) {
	rest := skipSpace(lineAfter(text, field))
	read := decimal
	if base16 {
		read = hexadecimal
	}
	n, left, ok := read(rest)
	return n, ok && len(left) == 0
}

// parseProcessor reads of /proc/PID/task/TID/stat on which processor a thread ran last.
func parseProcessor(text []byte) (cpu int, ok bool) {
	rest := text[bytes.LastIndexByte(text, ')')+1:]
	for field := 3; field < 39; field++ {
		_, rest = word(rest)
	}
	w, _ := word(rest)
	n, left, ok := decimal(w)
	return int(n), ok && len(left) == 0 && n < 1<<20
}

// parseExecStart reads of /proc/PID/task/TID/sched when a thread ran last, by the scheduler's clock.
// A thread that is blocked has waited since then.
func parseExecStart(text []byte) (time.Duration, bool) {
	rest := lineAfter(text, "se.exec_start")
	_, rest, found := bytes.Cut(rest, []byte(":"))
	if !found {
		return 0, false
	}
	ms, rest, ok := decimal(skipSpace(rest))
	if !ok || ms > 1<<42 {
		return 0, false
	}
	d := time.Duration(ms) * time.Millisecond
	if len(rest) > 1 && rest[0] == '.' {
		if ns, left, ok := decimal(rest[1:]); ok && len(rest)-1-len(left) == 6 {
			d += time.Duration(ns)
		}
	}
	return d, true
}
