package inspect

import (
	"context"
	"time"

	"github.com/sysvipc/sysvipc"
)

// defaultProc is where proc(5) is mounted.
const defaultProc = "/proc"

// Options are the rare choices of [Take]. The zero value, and nil, do what most want.
type Options struct {
	// Proc is where proc(5) is mounted; "" means /proc. Pids there must be those of this process's
	// PID namespace.
	Proc string
	// MinAge is how long an object must have been unused before it is called an orphan or a
	// candidate; 0 means [DefaultMinAge], and a negative one no time at all.
	MinAge time.Duration
	// Only leaves all objects but those of these kinds away; nil means all kinds. Waits on others
	// are left away, too.
	Only []sysvipc.Kind
	// Taken returns what a trace has seen processes taking from semaphores in an IPC namespace; nil means that none is asked.
	Taken func(ctx context.Context, namespace uint64) []Taken
}

// DefaultMinAge is the age below which nothing is called an orphan.
const DefaultMinAge = time.Hour

// Snapshot is one look at an IPC namespace. It is a value of its own: nothing in it changes later.
type Snapshot struct {
	Time        time.Time    // when it was complete
	Namespace   uint64       // the inode of the namespace: that of /proc/PID/ns/ipc
	Objects     []Object     // segments, then semaphore sets, then queues, each in the kernel's order
	Waits       []Wait       // every thread that is seen to be blocked on one of them
	Generations []Generation // the keys whose removed segment is still used beside the current one
	Processes   map[int]*Process
	Limits      sysvipc.Limits

	// Complete is false if something could not be seen; Warnings say what, in sentences.
	Complete bool
	Warnings []string
	// UnreadableProcesses is how many processes this user may not ask what they have attached, and
	// UnreadableThreads how many threads whether they wait.
	UnreadableProcesses, UnreadableThreads int

	places map[place]int // of the objects
}

// place names an object.
type place struct {
	kind sysvipc.Kind
	id   int
}

// Object returns the object with this kind and ID, or nil.
func (s *Snapshot) Object(kind sysvipc.Kind, id int) *Object {
	if i, ok := s.places[place{kind, id}]; ok {
		return &s.Objects[i]
	}
	return nil
}

// Object is an object with its users. One of Segment, Set and Queue is set.
type Object struct {
	sysvipc.Object
	Segment *sysvipc.SegmentStat
	Set     *sysvipc.SemaphoreSetStat
	Queue   *sysvipc.QueueStat

	// Semaphores are those of a set; nil if this user may not read them.
	Semaphores []Semaphore
	// Users are, in this order, the processes that have a segment attached, the threads that wait, those that a trace has
	// seen taking, and those that the kernel noted last, dead or alive.
	Users []User
	// Explained is how many of a segment's attaches belong to the users that are seen. It equals
	// Segment.Attaches if all are.
	Explained int
	// FormerKey is the key that a removed segment had, as its users' mappings show it; 0 if it is not known.
	FormerKey sysvipc.Key
	// Waiters is how many threads are seen to wait.
	Waiters int
	// Product is the known product that the object belongs to, or nil.
	Product *Product
	// Verdict says whether the object can be removed.
	Verdict Verdict
	// Unknown names what is not known, or not in full: "users", "semaphores", "types".
	Unknown []string

	elsewhere uint64 // its namespace, if its REF has to carry it
}

// Semaphore is one semaphore of a set.
type Semaphore struct {
	Value         int
	LastPID       int // of the last operation; 0 for none, or for a process that is not visible
	Acquire, Zero int // how many threads wait to acquire it, and for it to become zero
}

// Ref names the object as the command does: "shm:5", and one that is not in the [HomeNamespace] as "ns=4026532199/shm:5".
func (o *Object) Ref() string { return refText(o.elsewhere, kindWord(o.Kind), o.ID) }

func kindWord(kind sysvipc.Kind) string {
	switch kind {
	case sysvipc.KindSegment:
		return "shm"
	case sysvipc.KindSemaphores:
		return "sem"
	default:
		return "msg"
	}
}

// LastUse is the latest time that the kernel keeps of the object.
func (o *Object) LastUse() time.Time {
	last := o.Changed
	for _, t := range o.times() {
		if t.After(last) {
			last = t
		}
	}
	return last
}

// times are all times that the kernel keeps.
func (o *Object) times() []time.Time {
	switch {
	case o.Segment != nil:
		return []time.Time{o.Changed, o.Segment.Attached, o.Segment.Detached}
	case o.Set != nil:
		return []time.Time{o.Changed, o.Set.Operated}
	default:
		return []time.Time{o.Changed, o.Queue.Sent, o.Queue.Received}
	}
}

// unknown notes that something is not known.
func (o *Object) unknown(what string) {
	for _, u := range o.Unknown {
		if u == what {
			return
		}
	}
	o.Unknown = append(o.Unknown, what)
}

// Take looks at the IPC namespace of this process. Complete and Warnings say what this user may
// not see; an error means that nothing could be seen at all, or that ctx is done.
//
// The cost grows linearly with processes, threads and objects: each file of /proc is read once.
func Take(ctx context.Context, opts *Options) (*Snapshot, error) {
	var o Options
	if opts != nil {
		o = *opts
	}
	if o.Proc == "" {
		o.Proc = defaultProc
	}
	switch {
	case o.MinAge == 0:
		o.MinAge = DefaultMinAge
	case o.MinAge < 0:
		o.MinAge = 0
	}
	return take(ctx, &o)
}

// wants reports whether objects of a kind are wanted.
func (o *Options) wants(kind sysvipc.Kind) bool {
	for _, k := range o.Only {
		if k == kind {
			return true
		}
	}
	return len(o.Only) == 0
}
