package main

import (
	"strconv"
	"strings"
	"time"

	"github.com/sysvipc/sysvipc"
	"github.com/sysvipc/sysvipc/cmd/sysvipc/internal/account"
	"github.com/sysvipc/sysvipc/cmd/sysvipc/internal/ref"
	"github.com/sysvipc/sysvipc/inspect"
	"github.com/sysvipc/sysvipc/internal/cli"
)

// column is one thing that can be said of an object: a column of the table, a field of
// the JSON and CSV, and a word of --filter, all under one name.
type column struct {
	name string
	typ  valueType
	of   func(v *view, e *entry) value
	help string
}

// view is what a listing knows beside the objects.
type view struct {
	now    time.Time
	users  account.Names
	groups account.Names
	ns     value  // of the objects
	own    uint64 // the IPC namespace of this process
	// beside is true if the namespace stands in a column of its own.
	beside bool
	// warnings say what could not be seen of the users of the objects.
	warnings []string
}

func newView() *view {
	own := inspect.CurrentNamespace()
	return &view{now: time.Now(), users: account.Names{Lookup: account.User}, groups: account.Names{Lookup: account.Group}, ns: namespace(own), own: own}
}

// namespaceOf is the IPC namespace of an object.
func (v *view) namespaceOf(e *entry) value {
	if e.ns != 0 {
		return namespace(e.ns)
	}
	return v.ns
}

// appendRef appends how other verbs name an object: with its namespace, unless that is the one of this process.
func (v *view) appendRef(dst []byte, e *entry) []byte {
	if ns := v.namespaceOf(e); ns.state == known && uint64(ns.n) != v.own && !v.beside {
		dst = append(strconv.AppendUint(append(dst, ref.NamespacePrefix...), uint64(ns.n), 10), '/')
	}
	return ref.AppendName(dst, e.Kind, e.ID)
}

// namespace is the number of an IPC namespace, which 0 says is not known.
func namespace(inode uint64) value { return stateIf(inode == 0, unknown, number64(int64(inode))) }

// columns are all there are, in the order of JSON and CSV.
var columns = []column{
	{"ref", typeText, func(v *view, e *entry) value { return text(string(v.appendRef(nil, e))) }, "how to name the object: shm:5"},
	{"type", typeText, func(_ *view, e *entry) value { return text(ref.Word(e.Kind)) }, "shm, sem or msg"},
	{"ns", typeNumber, func(v *view, e *entry) value {
		if e.ns != 0 {
			return namespace(e.ns)
		}
		return v.ns
	}, "IPC namespace: the inode of /proc/self/ns/ipc"},
	{"id", typeNumber, func(_ *view, e *entry) value { return number(e.ID) }, "the kernel's handle; 0 is valid"},
	{"key", typeKey, func(_ *view, e *entry) value { return number(int(e.Key)) }, "key; 0 is IPC_PRIVATE or removed. A signed number in JSON and CSV"},
	{"key_hex", typeText, func(_ *view, e *entry) value { return text(e.Key.String()) }, "key as 0x and 8 digits"},
	{"mode", typeMode, func(_ *view, e *entry) value { return number(int(e.Mode)) }, "permissions; octal in the table, a number in JSON and CSV"},
	{"mode_str", typeText, func(_ *view, e *entry) value { return text(e.Mode.String()[1:]) }, "permissions as rw-r-----"},
	{"uid", typeNumber, func(_ *view, e *entry) value { return number(e.UID) }, "owner"},
	{"owner", typeText, func(v *view, e *entry) value { return nameOf(&v.users, e.UID) }, "owner's name"},
	{"gid", typeNumber, func(_ *view, e *entry) value { return number(e.GID) }, "owner's group"},
	{"group", typeText, func(v *view, e *entry) value { return nameOf(&v.groups, e.GID) }, "owner's group's name"},
	{"cuid", typeNumber, func(_ *view, e *entry) value { return number(e.CUID) }, "user who made it"},
	{"cgid", typeNumber, func(_ *view, e *entry) value { return number(e.CGID) }, "group of the user who made it"},
	{"changed", typeTime, func(_ *view, e *entry) value { return stamp(e.Changed) }, "made, or owner or mode changed (for sets also SETVAL and SETALL)"},
	{"age", typeAge, func(v *view, e *entry) value { return v.since(e.Changed) }, "seconds since changed"},
	{"idle", typeAge, func(v *view, e *entry) value { return v.since(e.lastUse()) }, "seconds since the last use that the kernel noted"},

	shmColumn("size", typeSize, func(s *sysvipc.SegmentStat) value { return number64(s.Size) }, "bytes of a segment"),
	shmColumn("nattch", typeNumber, func(s *sysvipc.SegmentStat) value { return number(s.Attaches) }, "attaches of a segment (mappings, not processes)"),
	shmColumn("rss", typeSize, func(s *sysvipc.SegmentStat) value { return negativeIsUnknown(s.Resident) }, "bytes of a segment in memory"),
	shmColumn("swap", typeSize, func(s *sysvipc.SegmentStat) value { return negativeIsUnknown(s.SwappedOut) }, "bytes of a segment in swap"),
	shmColumn("cpid", typeNumber, func(s *sysvipc.SegmentStat) value { return process(s.CreatorPID, true) }, "process that made the segment"),
	shmColumn("lpid", typeNumber, func(s *sysvipc.SegmentStat) value {
		return process(s.LastPID, !s.Attached.IsZero() || !s.Detached.IsZero())
	}, "process that attached or detached last"),
	shmColumn("attached", typeTime, func(s *sysvipc.SegmentStat) value { return stamp(s.Attached) }, "last attach"),
	shmColumn("detached", typeTime, func(s *sysvipc.SegmentStat) value { return stamp(s.Detached) }, "last detach"),
	shmColumn("destroyed", typeBool, func(s *sysvipc.SegmentStat) value { return boolean(s.Destroyed) }, "removed, and gone with its last detach"),
	shmColumn("locked", typeBool, func(s *sysvipc.SegmentStat) value { return boolean(s.Locked) }, "never swapped out (SHM_LOCK)"),

	semColumn("nsems", typeNumber, func(s *sysvipc.SemaphoreSetStat) value { return number(s.Len) }, "semaphores in the set"),
	semColumn("operated", typeTime, func(s *sysvipc.SemaphoreSetStat) value { return stamp(s.Operated) }, "last operation on the set; none: perhaps not initialised"),

	msgColumn("messages", typeNumber, func(q *sysvipc.QueueStat) value { return number(q.Messages) }, "messages on the queue"),
	msgColumn("bytes", typeSize, func(q *sysvipc.QueueStat) value { return number(q.Bytes) }, "bytes of the messages on the queue"),
	msgColumn("max_bytes", typeSize, func(q *sysvipc.QueueStat) value { return negativeIsUnknown(int64(q.MaxBytes)) }, "capacity of the queue in bytes (msg_qbytes)"),
	msgColumn("lspid", typeNumber, func(q *sysvipc.QueueStat) value { return process(q.LastSendPID, !q.Sent.IsZero()) }, "process that sent last"),
	msgColumn("lrpid", typeNumber, func(q *sysvipc.QueueStat) value { return process(q.LastReceivePID, !q.Received.IsZero()) }, "process that received last"),
	msgColumn("sent", typeTime, func(q *sysvipc.QueueStat) value { return stamp(q.Sent) }, "last send"),
	msgColumn("received", typeTime, func(q *sysvipc.QueueStat) value { return stamp(q.Received) }, "last receive"),

	userColumn("class", typeText, func(o *inspect.Object) value { return text(string(o.Verdict.Class)) }, "in-use, protected, unknown, has-data, orphan or candidate: see \"sysvipc gc --help\""),
	userColumn("explained", typeNumber, func(o *inspect.Object) value {
		return stateIf(o.Segment == nil, absent, number(o.Explained))
	}, "attaches of a segment that belong to users who can be seen"),
	userColumn("waiters", typeNumber, func(o *inspect.Object) value {
		return stateIf(o.Segment != nil, absent, number(o.Waiters))
	}, "threads that are seen to wait on a set or queue"),
}

func shmColumn(name string, typ valueType, of func(*sysvipc.SegmentStat) value, help string) column {
	return column{name, typ, func(_ *view, e *entry) value {
		if e.seg == nil {
			return value{state: absent}
		}
		return of(e.seg)
	}, help}
}

func semColumn(name string, typ valueType, of func(*sysvipc.SemaphoreSetStat) value, help string) column {
	return column{name, typ, func(_ *view, e *entry) value {
		if e.set == nil {
			return value{state: absent}
		}
		return of(e.set)
	}, help}
}

func msgColumn(name string, typ valueType, of func(*sysvipc.QueueStat) value, help string) column {
	return column{name, typ, func(_ *view, e *entry) value {
		if e.queue == nil {
			return value{state: absent}
		}
		return of(e.queue)
	}, help}
}

// userColumn is about the users of an object. Columns of this kind need a look at every process.
func userColumn(name string, typ valueType, of func(*inspect.Object) value, help string) column {
	return column{name, typ, func(_ *view, e *entry) value {
		if e.users == nil {
			return value{state: absent}
		}
		return of(e.users)
	}, help}
}

// userColumns are the names of those.
var userColumns = []string{"class", "explained", "waiters"}

func (v *view) since(t time.Time) value {
	return stateIf(t.IsZero(), none, seconds(max(0, v.now.Sub(t))))
}

// lastUse is the latest time that the kernel keeps of an object.
func (e *entry) lastUse() time.Time {
	last := e.Changed
	later := func(times ...time.Time) {
		for _, t := range times {
			if t.After(last) {
				last = t
			}
		}
	}
	switch {
	case e.seg != nil:
		later(e.seg.Attached, e.seg.Detached)
	case e.set != nil:
		later(e.set.Operated)
	case e.queue != nil:
		later(e.queue.Sent, e.queue.Received)
	}
	return last
}

// columnNamed finds a column.
func columnNamed(name string) (*column, error) {
	for i := range columns {
		if columns[i].name == name {
			return &columns[i], nil
		}
	}
	hint := ""
	for i := range columns {
		if near := columns[i].name; strings.HasPrefix(near, name) || strings.HasPrefix(name, near) || distance(name, near) <= 2 {
			hint = ": did you mean " + near + "?"
			break
		}
	}
	if hint == "" {
		hint = "; there are " + strings.Join(columnNames(), " ")
	}
	return nil, cli.Usage("%q is no column%s", name, hint)
}

func columnNames() []string {
	names := make([]string, len(columns))
	for i := range columns {
		names[i] = columns[i].name
	}
	return names
}

// columnList finds the columns of a list with commas.
func columnList(list string) ([]*column, error) {
	var cols []*column
	for _, name := range strings.Split(list, ",") {
		c, err := columnNamed(strings.ToLower(strings.TrimSpace(name)))
		if err != nil {
			return nil, err
		}
		cols = append(cols, c)
	}
	return cols, nil
}

// distance is how many letters must change, come or go to make b of a.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
