package output

import (
	"io/fs"
	"strconv"
	"time"

	"github.com/sysvipc/sysvipc"
	"github.com/sysvipc/sysvipc/inspect"
)

// Object is a segment, a semaphore set or a queue: one of Segment, Set and Queue is set. What is not known is
// nil, and named in Unknown; what is nil and not named there does not exist: never attached, no last process.
type Object struct {
	Ref  string  `json:"ref"`
	Type string  `json:"type" enum:"shm,sem,msg"`
	NS   *uint64 `json:"ns"` // the inode of its IPC namespace
	Common
	Age      *int64 `json:"age"`  // seconds since Changed
	Idle     *int64 `json:"idle"` // seconds since the last use that the kernel noted
	*Segment `when:"type=shm"`
	*Set     `when:"type=sem"`
	*Queue   `when:"type=msg"`
	*Use     `optional:"true"`
	Unknown  []string `json:"unknown"`
}

// Common is what the kernel keeps of objects of every type.
type Common struct {
	ID      int        `json:"id"`
	Key     int32      `json:"key"`
	KeyHex  string     `json:"key_hex"`
	Mode    uint32     `json:"mode"`
	ModeStr string     `json:"mode_str"`
	UID     int        `json:"uid"`
	Owner   *string    `json:"owner"`
	GID     int        `json:"gid"`
	Group   *string    `json:"group"`
	CUID    int        `json:"cuid"`
	CGID    int        `json:"cgid"`
	Changed *time.Time `json:"changed"`
}

// Segment is what the kernel keeps of a segment only. Size, RSS and Swap are bytes.
type Segment struct {
	Size      int64      `json:"size"`
	NAttach   int        `json:"nattch"`
	RSS       *int64     `json:"rss"`
	Swap      *int64     `json:"swap"`
	CPID      *int       `json:"cpid"`
	LPID      *int       `json:"lpid"`
	Attached  *time.Time `json:"attached"`
	Detached  *time.Time `json:"detached"`
	Destroyed bool       `json:"destroyed"`
	Locked    bool       `json:"locked"`
}

// Set is what the kernel keeps of a semaphore set only.
type Set struct {
	NSems    int        `json:"nsems"`
	Operated *time.Time `json:"operated"`
}

// Queue is what the kernel keeps of a queue only. Bytes and MaxBytes are bytes of messages.
type Queue struct {
	Messages int        `json:"messages"`
	Bytes    int        `json:"bytes"`
	MaxBytes *int       `json:"max_bytes"`
	LSPID    *int       `json:"lspid"`
	LRPID    *int       `json:"lrpid"`
	Sent     *time.Time `json:"sent"`
	Received *time.Time `json:"received"`
}

// Look is what is known beside the objects when they are listed.
type Look struct {
	Time      time.Time
	Namespace uint64               // of the objects; 0 if it is not known
	Own       uint64               // that of this process: REFs of other namespaces carry it
	User      func(uid int) string // the name of a user, or ""
	Group     func(gid int) string // the name of a group, or ""
}

// Ref names an object as other verbs read it.
func (l *Look) Ref(o *sysvipc.Object) string {
	dst := make([]byte, 0, 32)
	if l.Namespace != 0 && l.Namespace != l.Own {
		dst = append(strconv.AppendUint(append(dst, "ns="...), l.Namespace, 10), '/')
	}
	return string(strconv.AppendInt(append(append(dst, Type(o.Kind)...), ':'), int64(o.ID), 10))
}

// Type is the word for a kind of object: "shm", "sem" or "msg".
func Type(kind sysvipc.Kind) string {
	switch kind {
	case sysvipc.KindSegment:
		return "shm"
	case sysvipc.KindSemaphores:
		return "sem"
	}
	return "msg"
}

// Segment is the object of a segment.
func (l *Look) Segment(st *sysvipc.SegmentStat) *Object {
	used := !st.Attached.IsZero() || !st.Detached.IsZero()
	o := l.object(&st.Object, latest(st.Changed, st.Attached, st.Detached))
	o.Segment = &Segment{
		Size: st.Size, NAttach: st.Attaches,
		RSS: known(o, "rss", st.Resident, st.Resident >= 0), Swap: known(o, "swap", st.SwappedOut, st.SwappedOut >= 0),
		CPID: process(o, "cpid", st.CreatorPID, true), LPID: process(o, "lpid", st.LastPID, used),
		Attached: stamp(st.Attached), Detached: stamp(st.Detached), Destroyed: st.Destroyed, Locked: st.Locked,
	}
	return o
}

// Set is the object of a semaphore set.
func (l *Look) Set(st *sysvipc.SemaphoreSetStat) *Object {
	o := l.object(&st.Object, latest(st.Changed, st.Operated))
	o.Set = &Set{NSems: st.Len, Operated: stamp(st.Operated)}
	return o
}

// Queue is the object of a queue.
func (l *Look) Queue(st *sysvipc.QueueStat) *Object {
	o := l.object(&st.Object, latest(st.Changed, st.Sent, st.Received))
	o.Queue = &Queue{
		Messages: st.Messages, Bytes: st.Bytes, MaxBytes: known(o, "max_bytes", st.MaxBytes, st.MaxBytes >= 0),
		LSPID: process(o, "lspid", st.LastSendPID, !st.Sent.IsZero()), LRPID: process(o, "lrpid", st.LastReceivePID, !st.Received.IsZero()),
		Sent: stamp(st.Sent), Received: stamp(st.Received),
	}
	return o
}

// Inspected is an object with its users.
func (l *Look) Inspected(seen *inspect.Object) *Object {
	var o *Object
	switch {
	case seen.Segment != nil:
		o = l.Segment(seen.Segment)
	case seen.Set != nil:
		o = l.Set(seen.Set)
	default:
		o = l.Queue(seen.Queue)
	}
	o.Use = useOf(seen)
	o.Unknown = append(o.Unknown, seen.Unknown...)
	return o
}

func (l *Look) object(st *sysvipc.Object, used time.Time) *Object {
	// All that it points to is in one piece, since there may be many objects.
	o := &struct {
		Object
		ns           uint64
		owner, group string
		changed      time.Time
		age, idle    int64
	}{ns: l.Namespace, owner: l.User(st.UID), group: l.Group(st.GID), changed: st.Changed}
	o.Ref, o.Type = l.Ref(st), Type(st.Kind)
	o.NS = knownAt(&o.Object, "ns", &o.ns, o.ns != 0)
	o.Common = Common{
		ID: st.ID, Key: int32(st.Key), KeyHex: keyText(st.Key), Mode: uint32(st.Mode), ModeStr: modeText(st.Mode),
		UID: st.UID, Owner: knownAt(&o.Object, "owner", &o.owner, o.owner != ""), GID: st.GID, Group: knownAt(&o.Object, "group", &o.group, o.group != ""),
		CUID: st.CUID, CGID: st.CGID,
	}
	if !st.Changed.IsZero() {
		o.Changed, o.Age = &o.changed, &o.age
		o.age = l.since(st.Changed)
	}
	if !used.IsZero() {
		o.Idle = &o.idle
		o.idle = l.since(used)
	}
	return &o.Object
}

// keyText is the key as [sysvipc.Key.String] has it, for lists of many.
func keyText(key sysvipc.Key) string {
	text := []byte("0x00000000")
	for i, n := len(text)-1, uint32(key); n > 0; i, n = i-1, n>>4 {
		text[i] = "0123456789abcdef"[n&15]
	}
	return string(text)
}

// modeText is permissions as "rw-r-----".
func modeText(mode fs.FileMode) string { return mode.String()[1:] }

// since is how many seconds ago a time was.
func (l *Look) since(t time.Time) int64 { return int64(max(0, l.Time.Sub(t)) / time.Second) }

// known is a value, or nil with its name in Unknown.
func known[T any](o *Object, name string, value T, ok bool) *T { return knownAt(o, name, &value, ok) }

// knownAt is known of a value that has its place.
func knownAt[T any](o *Object, name string, value *T, ok bool) *T {
	if !ok {
		o.Unknown = append(o.Unknown, name)
		return nil
	}
	return value
}

// missing appends to a list each name after which true stands.
func missing(list []string, names ...any) []string {
	for i := 0; i < len(names); i += 2 {
		if names[i+1].(bool) {
			list = append(list, names[i].(string))
		}
	}
	return list
}

// process is a pid that the kernel noted when something happened. If it did and the pid is 0, the process is not
// visible from here.
func process(o *Object, name string, pid int, happened bool) *int {
	if pid == 0 && !happened {
		return nil
	}
	return known(o, name, pid, pid != 0)
}

// stamp is a time. The zero time means never.
func stamp(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

func latest(times ...time.Time) (last time.Time) {
	for _, t := range times {
		if t.After(last) {
			last = t
		}
	}
	return last
}

// OrNil is nil for a zero value, which stands for none.
func OrNil[T comparable](v T) *T {
	var zero T
	if v == zero {
		return nil
	}
	return &v
}
