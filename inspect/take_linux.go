package inspect

import (
	"context"
	"errors"
	"io/fs"
	"time"

	"github.com/sysvipc/sysvipc"
)

// take is [Take]. Objects are listed after the processes are looked at, so that the counts of
// attaches are as new as can be.
func take(ctx context.Context, o *Options) (*Snapshot, error) {
	s := newScan(o.Proc)
	snap := &Snapshot{Namespace: s.ns, Processes: map[int]*Process{}, places: map[place]int{}}
	var err error
	if snap.Limits, err = sysvipc.ReadLimits(); err != nil {
		return nil, err
	}
	if o.wants(sysvipc.KindSegment) {
		for st, err := range sysvipc.Segments() {
			if err != nil {
				return nil, err
			}
			s.maps = s.maps || st.Attaches > 0
		}
	}
	s.outlook()
	if err := s.run(ctx); err != nil {
		return nil, err
	}
	if err := snap.list(o); err != nil {
		return nil, err
	}
	snap.Time, snap.Warnings = time.Now(), s.warnings
	snap.UnreadableProcesses, snap.UnreadableThreads = s.hidden.maps, s.hidden.waits
	var seen []Taken
	if o.Taken != nil {
		seen = o.Taken(ctx, s.ns)
	}
	snap.resolve(s, seen)
	snap.judge(o.MinAge, s.unlisted, s.owners)
	return snap, ctx.Err()
}

// list lists the objects.
func (s *Snapshot) list(o *Options) error {
	// Room for all at once: a slice that grows leaves about as much behind again.
	room := 8
	for kind, n := range map[sysvipc.Kind]int{
		sysvipc.KindSegment:    s.Limits.Segments.InUse,
		sysvipc.KindSemaphores: s.Limits.Semaphores.InUse,
		sysvipc.KindQueue:      s.Limits.Queues.InUse,
	} {
		if o.wants(kind) {
			room += n
		}
	}
	s.Objects = make([]Object, 0, room)
	if o.wants(sysvipc.KindSegment) {
		stats, err := collect(sysvipc.Segments(), s.Limits.Segments.InUse)
		if err != nil {
			return err
		}
		for i := range stats {
			s.Objects = append(s.Objects, Object{Object: stats[i].Object, Segment: &stats[i]})
		}
	}
	if o.wants(sysvipc.KindSemaphores) {
		stats, err := collect(sysvipc.SemaphoreSets(), s.Limits.Semaphores.InUse)
		if err != nil {
			return err
		}
		for i := range stats {
			obj := Object{Object: stats[i].Object, Set: &stats[i]}
			if err := obj.readSemaphores(); errors.Is(err, fs.ErrPermission) {
				obj.unknown("semaphores")
			} else if err != nil {
				continue // it was removed meanwhile
			}
			s.Objects = append(s.Objects, obj)
		}
	}
	if o.wants(sysvipc.KindQueue) {
		stats, err := collect(sysvipc.Queues(), s.Limits.Queues.InUse)
		if err != nil {
			return err
		}
		for i := range stats {
			s.Objects = append(s.Objects, Object{Object: stats[i].Object, Queue: &stats[i]})
		}
	}
	elsewhere := s.elsewhere()
	for i := range s.Objects {
		s.Objects[i].elsewhere = elsewhere
		s.places[place{s.Objects[i].Kind, s.Objects[i].ID}] = i
	}
	return nil
}

// collect reads a list whose length is known but for a few.
func collect[T any](all func(yield func(T, error) bool), n int) ([]T, error) {
	stats := make([]T, 0, n+8)
	for st, err := range all {
		if err != nil {
			return nil, err
		}
		stats = append(stats, st)
	}
	return stats, nil
}

// resolve brings objects and processes together.
func (s *Snapshot) resolve(scan *scan, seen []Taken) {
	r := &resolver{Snapshot: s, scan: scan, hidden: map[int]bool{}}
	if text, err := scan.fs.read(scan.fs.root + "/stat"); err == nil {
		r.clock.boot, _ = parseBootTime(text)
	}
	for i := range s.Objects {
		r.clock.check(s.Time, s.Objects[i].times()...)
	}
	r.attaches()
	r.waits()
	r.taken(seen)
	for i := range s.Objects {
		r.noted(&s.Objects[i])
	}
	s.findHolders()
	s.findCycles()
	s.findGenerations()
	s.peek()
	if r.clock.set {
		s.warn("the clock was set while these objects were there: reused pids cannot be recognised")
	}
	s.Complete = len(s.Warnings) == 0
	for i := range s.Objects {
		r.unseen(&s.Objects[i])
	}
}

func (s *Snapshot) warn(text string) { s.Warnings = append(s.Warnings, text) }

// unseen notes that some users of a set or queue cannot be seen: of a set the kernel counts the
// threads that wait and are not halted, of a queue it counts none.
func (r *resolver) unseen(o *Object) {
	waiters := 0
	for _, s := range o.Semaphores {
		waiters += s.Acquire + s.Zero
	}
	if o.Queue != nil && !r.Complete || o.Set != nil && (o.Semaphores == nil || waiters > o.Waiters && !r.Complete || r.scan.hidden.halted > 0) {
		o.unknown("users")
	}
}

// resolver fills in the users of objects.
type resolver struct {
	*Snapshot
	scan   *scan
	clock  clock
	hidden map[int]bool // pids of which nothing can be seen
}

// process returns what is known of a pid, which is looked up once.
func (r *resolver) process(pid int) *Process {
	if pid <= 0 {
		return nil
	}
	if p, ok := r.Processes[pid]; ok {
		return p
	}
	p, hidden := r.scan.fs.process(pid, r.clock.boot)
	if p != nil && r.scan.threadOfAnother(pid) {
		p, hidden = nil, false
	}
	r.Processes[pid] = p
	if hidden {
		r.hidden[pid] = true
	}
	return p
}

// attaches gives each attach that was seen to its segment: first those of processes that are in
// this namespace, and then, where the kernel counts more, those that look the same elsewhere.
func (r *resolver) attaches() {
	for _, elsewhere := range []bool{false, true} {
		for _, a := range r.scan.attached {
			o := r.Object(sysvipc.KindSegment, a.id)
			if o == nil || (a.ns != r.Namespace) != elsewhere || !a.fits(o.Segment) || elsewhere && o.Explained >= o.Segment.Attaches {
				continue
			}
			p := r.process(a.pid)
			if p == nil && !r.hidden[a.pid] {
				continue // it has ended since
			}
			if !elsewhere {
				o.Explained += a.mappings
				if o.Segment.Destroyed {
					o.FormerKey = a.key
				}
			}
			o.Users = append(o.Users, User{
				PID: a.pid, Role: Attached, Status: Alive, Process: p, At: o.Segment.Attached,
				Mappings: a.mappings, ReadOnly: a.readOnly, Elsewhere: elsewhere,
			})
		}
	}
	for i := range r.Objects {
		o := &r.Objects[i]
		switch {
		case o.Segment == nil:
		case o.Explained != o.Segment.Attaches:
			o.unknown("users")
		default:
			for _, u := range o.Users {
				if u.Process != nil && u.Process.Started.After(u.At.Add(reuseMargin)) {
					r.clock.set = true // nobody attaches before it starts
				}
			}
		}
	}
}

// fits reports whether an attach can be one of a segment: the key at creation, which a removal takes
// away, and a length that the segment has.
func (a *attach) fits(st *sysvipc.SegmentStat) bool {
	if !st.Destroyed && st.Key != a.key {
		return false
	}
	for _, page := range []int64{4 << 10, 16 << 10, 64 << 10, 1 << 20, 2 << 20, 16 << 20, 32 << 20, 512 << 20, 1 << 30, 16 << 30} {
		if st.Size <= 1<<62 && a.end <= uint64((st.Size+page-1)/page*page) {
			return true
		}
		if a.end%uint64(page) != 0 {
			return false // the pages are smaller than that
		}
	}
	return false
}

// taken adds what a trace has seen.
func (r *resolver) taken(seen []Taken) {
	for i := range seen {
		t := &seen[i]
		o := r.Object(sysvipc.KindSemaphores, t.ID)
		if o == nil || t.Semaphore >= o.Set.Len {
			continue // it was removed meanwhile
		}
		u := User{PID: t.PID, Role: Holds, Status: Dead, At: t.Last, Taken: t}
		if !t.Ended {
			if u.Process = r.process(t.PID); u.Process == nil {
				continue // it has ended meanwhile
			}
			u.Status = Alive
		}
		o.Users = append(o.Users, u)
	}
}

// noted adds the processes that the kernel noted.
func (r *resolver) noted(o *Object) {
	switch {
	case o.Segment != nil:
		st := o.Segment
		r.note(o, Creator, st.CreatorPID, true, o.Changed)
		r.note(o, LastUser, st.LastPID, !st.Attached.IsZero() || !st.Detached.IsZero(), latest(st.Attached, st.Detached))
	case o.Set != nil:
		r.operators(o)
	case o.Queue != nil:
		r.note(o, Sender, o.Queue.LastSendPID, !o.Queue.Sent.IsZero(), o.Queue.Sent)
		r.note(o, Receiver, o.Queue.LastReceivePID, !o.Queue.Received.IsZero(), o.Queue.Received)
	}
}

func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

func (r *resolver) note(o *Object, role Role, pid int, happened bool, at time.Time) *User {
	p := r.process(pid)
	status := r.clock.statusOf(pid, p, r.hidden[pid], happened, at)
	if status == None {
		return nil
	}
	o.Users = append(o.Users, User{PID: pid, Role: role, Status: status, Process: p, At: at})
	return &o.Users[len(o.Users)-1]
}

// operators adds the last operator of each semaphore, each process once. SETVAL and SETALL count
// too, and change no other time than that of the last change.
func (r *resolver) operators(o *Object) {
	first := len(o.Users)
	at := latest(o.Set.Operated, o.Changed)
	var places map[int]int // of pids in o.Users
	for i, sem := range o.Semaphores {
		if sem.LastPID == 0 {
			continue
		}
		if i > 0 && sem.LastPID == o.Semaphores[i-1].LastPID {
			o.Users[len(o.Users)-1].Semaphores++ // as most often
			continue
		}
		if at, ok := places[sem.LastPID]; ok {
			o.Users[at].Semaphores++
			continue
		}
		if u := r.note(o, Operator, sem.LastPID, true, at); u != nil {
			u.FirstSemaphore, u.Semaphores = i, 1
			if places == nil {
				places = map[int]int{}
			}
			places[sem.LastPID] = len(o.Users) - 1
		}
	}
	if o.Semaphores != nil && len(o.Users) == first && !o.Set.Operated.IsZero() {
		r.note(o, Operator, 0, true, at)
	}
}
