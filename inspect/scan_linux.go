package inspect

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/sysvipc/sysvipc"
	"github.com/sysvipc/sysvipc/internal/plural"
)

// scan is one pass over all processes.
type scan struct {
	fs       *procfs
	arch     string
	ns       uint64 // the namespace that is looked at
	maps     bool   // look for attaches: some segment has one
	pids     []int  // of all processes, sorted
	attached []attach
	blocked  []blockedThread
	clocks   map[int]processorClock // by processor

	hidden struct {
		maps    int // processes whose mappings this user may not see
		waits   int // threads that this user may not see waiting
		halted  int // those of them that are stopped: the kernel does not count these as waiters
		example int // pid of one of them
	}
	warnings []string
	unlisted bool // there may be processes that /proc does not list
}

// attach is a segment that a process has attached, with the number of its mappings.
type attach struct {
	pid      int
	ns       uint64
	id       int
	key      sysvipc.Key
	end      uint64 // of the mapping that reaches furthest into the segment
	mappings int
	readOnly int
}

// blockedThread is a thread that waits in the namespace that is looked at.
type blockedThread struct {
	pid, tid   int
	call       blockedCall
	ops        []SemaphoreOp
	msgtype    int64 // send: of the message; 0 if it cannot be read
	since      time.Time
	timeout    time.Duration
	hasTimeout bool
}

// run looks at every process.
func (s *scan) run(ctx context.Context) error {
	pids, err := numbers(s.fs.root)
	if err != nil {
		return err
	}
	slices.Sort(pids)
	s.pids = pids
	room := make([]int, 1)
	for i, pid := range pids {
		if i%64 == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		s.process(pid, room)
	}
	if n := s.hidden.maps; n > 0 {
		s.warn("this user may not see what %s attached, such as process %d", plural.Forms(n, "process has", "processes have"), s.hidden.example)
	}
	if n := s.hidden.waits; n > 0 {
		s.warn("this user may not see whether %s on a set or a queue, such as of process %d", plural.Forms(n, "thread waits", "threads wait"), s.hidden.example)
	}
	return nil
}

func (s *scan) warn(format string, args ...any) {
	s.warnings = append(s.warnings, fmt.Sprintf(format, args...))
}

// process looks at one process. One that ends meanwhile has no attaches and waits for nothing.
func (s *scan) process(pid int, room []int) {
	tids, err := s.fs.threads(pid, room)
	if err != nil {
		if denied(err) { // hidepid=1: all of it is closed
			s.hide(pid, &s.hidden.maps)
			s.hide(pid, &s.hidden.waits)
		}
		return
	}
	if s.maps {
		text, err := s.fs.maps(pid, tids)
		if denied(err) {
			s.hide(pid, &s.hidden.maps)
		}
		if err == nil {
			s.attaches(pid, text)
		}
	}
	for _, tid := range tids {
		s.thread(pid, tid)
	}
}

func (s *scan) hide(pid int, what *int) {
	*what++
	s.hidden.example = pid
}

// attaches notes the segments in the mappings of a process.
func (s *scan) attaches(pid int, maps []byte) {
	first := len(s.attached)
	type name struct {
		id  int
		key sysvipc.Key
	}
	var places map[name]int // in s.attached
	attaches(maps, func(m Mapping) {
		n := name{m.ID, m.Key}
		at, ok := places[n]
		if !ok {
			if at = len(s.attached); at > first && places == nil {
				places = map[name]int{{s.attached[first].id, s.attached[first].key}: first}
				if old, found := places[n]; found {
					at = old
				}
			}
			if at == len(s.attached) {
				s.attached = append(s.attached, attach{pid: pid, id: m.ID, key: m.Key})
			}
			if places != nil {
				places[n] = at
			}
		}
		a := &s.attached[at]
		a.mappings++
		a.end = max(a.end, uint64(m.Offset)+m.End-m.Start)
		if !m.Writable {
			a.readOnly++
		}
	})
	if len(s.attached) > first {
		ns := s.fs.namespace(pid, 0)
		for i := first; i < len(s.attached); i++ {
			s.attached[i].ns = ns
		}
	}
}

// thread looks whether a thread waits in one of the calls. The name of the kernel's function in
// which it sleeps is cheap to read, and tells for nearly all that they do not.
func (s *scan) thread(pid, tid int) {
	where, err := s.fs.read(s.fs.task(pid, tid, "wchan"))
	switch {
	case denied(err):
		s.hideThread(pid, tid)
		return
	case err != nil && err != unix.ENOENT:
		return // it has ended
	case err == nil && !mayWait(where):
		return
	}
	known := err == nil && len(where) > 0 && where[0] != '0' && !halted(where)
	sleeping := sleepOf(where) // now, since the next file goes to the same buffer
	text, err := s.fs.read(s.fs.task(pid, tid, "syscall"))
	if denied(err) || err == unix.ENOENT && known {
		// The name of the function is shown to more than its arguments are. "0" is shown for
		// a thread that runs, too, and to users without the rights.
		s.hideThread(pid, tid)
		return
	}
	if err != nil {
		return
	}
	nr, args, ok := parseSyscall(text)
	if !ok {
		return
	}
	call, ok := decodeCall(s.arch, nr, args)
	if !ok || known && call.op != sleeping {
		return
	}
	if s.fs.namespace(pid, tid) != s.ns {
		return
	}
	s.blocked = append(s.blocked, s.details(pid, tid, call))
}

// hideThread notes a thread that this user may not look at, unless it has ended: the first thread
// of a process stays until the others have, and is closed even to root of a user namespace.
func (s *scan) hideThread(pid, tid int) {
	if text, err := s.fs.read(s.fs.task(pid, tid, "stat")); err == nil {
		switch st, _ := parseStat(text); st.state {
		case 'Z', 'X':
			return
		case 'T', 't':
			s.hidden.halted++
		}
	}
	s.hide(pid, &s.hidden.waits)
}

// mayWait reports whether wchan allows for a wait on a set or a queue: do_semtimedop, do_msgrcv,
// and what these were called earlier, or a thread that is halted. A user without the rights sees "0".
func mayWait(where []byte) bool {
	return len(where) == 0 || halted(where) || where[0] == '0' || bytes.Contains(where, []byte("sem")) || bytes.Contains(where, []byte("msg"))
}

// halted reports whether wchan is that of a thread that a signal, a debugger or a freezer has halted.
// What it did then shows in its arguments only, and it goes on with that afterwards.
func halted(where []byte) bool {
	for _, in := range []string{"signal", "ptrace", "jobctl", "freez", "refrigerator"} {
		if bytes.Contains(where, []byte(in)) {
			return true
		}
	}
	return false
}

// sleepOf says in which call a function of the kernel sleeps, which tells the calls of ports apart
// that share numbers. It is 0 if it is none of them.
func sleepOf(where []byte) Operation {
	switch {
	case bytes.Contains(where, []byte("semtimedop")), bytes.Contains(where, []byte("semop")):
		return Operate
	case bytes.Contains(where, []byte("msgsnd")):
		return Send
	case bytes.Contains(where, []byte("msgrcv")):
		return Receive
	}
	return 0
}

// maxOps is how many operations of one call are read.
const maxOps = 1024

// details reads what the arguments point to, and since when the thread waits.
func (s *scan) details(pid, tid int, call blockedCall) blockedThread {
	b := blockedThread{pid: pid, tid: tid, call: call}
	order := binary.ByteOrder(binary.NativeEndian)
	if call.op == Operate {
		b.ops = decodeSembufs(s.fs.readAt(pid, make([]byte, sembufSize*min(call.nops, maxOps)), call.ops), order)
	}
	if call.timeout != 0 {
		b.timeout, b.hasTimeout = decodeTimespec(s.fs.readAt(pid, make([]byte, 16), call.timeout), call.narrow, nativeOrder())
	}
	if call.msgtyp != 0 && (call.op == Send || call.op == Receive) {
		// A message begins with its type; the pair of ipc(2) has the type second.
		mem := s.fs.readAt(pid, make([]byte, 16), call.msgtyp+uint64(map[Operation]int{Receive: call.word}[call.op]))
		var typ int64
		switch {
		case call.word == 4 && len(mem) >= 4:
			typ = int64(int32(order.Uint32(mem)))
		case call.word == 8 && len(mem) >= 8:
			typ = int64(order.Uint64(mem))
		}
		if call.op == Send {
			b.msgtype = typ
		} else {
			b.call.typ = typ
		}
	}
	b.since = s.blockedSince(pid, tid)
	return b
}

func nativeOrder() binary.ByteOrder {
	if binary.NativeEndian.Uint16([]byte{0, 1}) == 1 {
		return binary.BigEndian
	}
	return binary.LittleEndian
}

// The inode of the first PID namespace: PROC_PID_INIT_INO of linux/proc_ns.h.
const firstPIDNamespace = "pid:[4026531836]"

// capPtrace is CAP_SYS_PTRACE, by which one sees all processes that are in sight.
const capPtrace = 19

// outlook looks for what hides processes altogether.
func (s *scan) outlook() {
	root := s.fs.root
	if self, err := os.Readlink(root + "/self"); err != nil || self != fmt.Sprint(os.Getpid()) {
		s.unlisted = true
		s.warn("%s is not that of this PID namespace", root)
	}
	if link, err := os.Readlink(root + "/self/ns/pid"); err != nil || link != firstPIDNamespace {
		s.unlisted = true
		s.warn("this process is in a PID namespace of its own, as in a container: processes outside of it may use the same objects, unseen")
	}
	text, err := s.fs.read(root + "/self/mountinfo")
	if err != nil {
		s.unlisted = true
		s.warn("how /proc is mounted cannot be seen: %v", err)
		return
	}
	switch hidepid := parseMountinfo(text).hidepid[root]; hidepid {
	case "", "0", "off", "1", "noaccess": // what noaccess closes is counted
	default:
		text, err := s.fs.read(root + "/self/status")
		caps, ok := parseStatusNumber(text, "CapEff:", true)
		if err != nil || !ok || caps&(1<<capPtrace) == 0 {
			s.unlisted = true
			s.warn("%s is mounted with hidepid=%s: processes of other users are hidden", root, hidepid)
		}
	}
}

// threadOfAnother reports whether a number that /proc answers to, but does not list, is that of a
// thread and not of a process.
func (s *scan) threadOfAnother(pid int) bool {
	if _, listed := slices.BinarySearch(s.pids, pid); listed {
		return false
	}
	text, err := s.fs.read(s.fs.task(pid, 0, "status"))
	tgid, ok := parseStatusNumber(text, "Tgid:", false)
	return err == nil && ok && int(tgid) != pid
}

// newScan prepares a scan of what the calling thread sees.
func newScan(root string) *scan {
	s := &scan{fs: newProcfs(strings.TrimSuffix(root, "/")), arch: runtime.GOARCH}
	for _, self := range []string{"/thread-self", "/self"} {
		if link, err := os.Readlink(s.fs.root + self + "/ns/ipc"); err == nil {
			s.ns, _ = parseNamespace(link)
			break
		}
	}
	return s
}
