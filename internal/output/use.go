package output

import "github.com/sysvipc/sysvipc/inspect"

// Use is who uses an object, and whether it may be removed.
type Use struct {
	Class       string `json:"class" enum:"in-use,protected,unknown,has-data,orphan,candidate"`
	*SegmentUse `optional:"true"`
	*WaitedUse  `optional:"true"`
	Users       []User   `json:"users"`
	Product     *Product `json:"product"`
	Verdict     Verdict  `json:"verdict"`
}

// SegmentUse is the part of Use that segments have.
type SegmentUse struct {
	Explained int      `json:"explained"` // attaches that belong to Users
	Creator   *Creator `json:"creator"`
}

// WaitedUse is the part of Use that sets and queues have.
type WaitedUse struct {
	Waiters int `json:"waiters"` // threads that are seen to wait
}

// Creator is the process that made a segment.
type Creator struct {
	PID     *int     `json:"pid"`
	Alive   *bool    `json:"alive"`
	Reused  bool     `json:"reused"` // the pid is that of another process by now
	Unknown []string `json:"unknown"`
}

// User is a process, or a thread, that has to do with an object.
type User struct {
	PID       *int     `json:"pid"`
	TID       *int     `json:"tid"` // of a thread that waits
	Comm      *string  `json:"comm"`
	Role      string   `json:"role" enum:"attached,waiting,creator,last-user,operator,last-sender,last-receiver,holder"`
	Status    string   `json:"status" enum:"none,hidden,dead,reused,alive"`
	Alive     *bool    `json:"alive"`
	Reused    bool     `json:"reused"`
	UID       *int     `json:"uid"`
	Container *string  `json:"container"`
	Unit      *string  `json:"unit"`
	Evidence  string   `json:"evidence"`
	Unknown   []string `json:"unknown"`
	*Attaches `when:"role=attached"`
}

// Attaches are those of a user that has a segment attached.
type Attaches struct {
	Mappings  int  `json:"mappings"`
	ReadOnly  int  `json:"read_only"` // how many of the mappings are so
	Elsewhere bool `json:"elsewhere"` // the process is in another IPC namespace now
}

// Product is a program with a tool of its own for its objects.
type Product struct {
	Name string `json:"name"`
	Tool string `json:"tool"`
	Sign string `json:"sign"`
}

// Verdict says whether an object may be removed, and why.
type Verdict struct {
	Class   string   `json:"class" enum:"in-use,protected,unknown,has-data,orphan,candidate"`
	Rule    int      `json:"rule"`
	Reasons []string `json:"reasons"`
}

func useOf(o *inspect.Object) *Use {
	use := &Use{
		Class: string(o.Verdict.Class), Users: make([]User, len(o.Users)),
		Verdict: Verdict{string(o.Verdict.Class), o.Verdict.Rule, o.Verdict.Reasons},
	}
	if o.Segment != nil {
		use.SegmentUse = &SegmentUse{Explained: o.Explained}
	} else {
		use.WaitedUse = &WaitedUse{o.Waiters}
	}
	for i := range o.Users {
		u := &o.Users[i]
		use.Users[i] = userOf(u)
		if u.Role == inspect.Creator && use.SegmentUse != nil {
			use.Creator = &Creator{PID: OrNil(u.PID), Alive: alive(u), Reused: u.Status == inspect.Reused}
			use.Creator.Unknown = missing(nil, "pid", u.PID == 0, "alive", use.Creator.Alive == nil)
		}
	}
	if o.Product != nil {
		use.Product = &Product{o.Product.Name, o.Product.Tool, o.Product.Sign}
	}
	return use
}

func userOf(u *inspect.User) User {
	user := User{
		PID: OrNil(u.PID), TID: OrNil(u.TID), Comm: OrNil(u.Comm()), Role: string(u.Role), Status: u.Status.String(),
		Alive: alive(u), Reused: u.Status == inspect.Reused, Evidence: u.Evidence(),
	}
	if p := u.Process; p != nil && u.Status != inspect.Reused {
		if p.UID >= 0 {
			user.UID = &p.UID
		}
		user.Container, user.Unit = OrNil(p.Container), OrNil(p.Unit)
	}
	// A process that is alive, or may be, has all of these.
	if u.Status == inspect.Alive || u.Status == inspect.Hidden {
		seen := u.Process != nil
		user.Unknown = missing(nil, "pid", u.PID == 0, "comm", user.Comm == nil, "alive", user.Alive == nil, "uid", user.UID == nil, "container", !seen, "unit", !seen)
	}
	if u.Role == inspect.Attached {
		user.Attaches = &Attaches{u.Mappings, u.ReadOnly, u.Elsewhere}
	}
	return user
}

func alive(u *inspect.User) *bool {
	if u.Status == inspect.Hidden {
		return nil
	}
	lives := u.Status == inspect.Alive
	return &lives
}

// ProcessUse is a process with what it uses, holds and waits for.
type ProcessUse struct {
	PID       int           `json:"pid"`
	Comm      *string       `json:"comm"` // nil if it has ended
	Alive     bool          `json:"alive"`
	UID       *int          `json:"uid"`
	NS        *uint64       `json:"ns"` // the inode of the IPC namespace of the objects
	Container *string       `json:"container"`
	Unit      *string       `json:"unit"`
	Uses      []ProcessRole `json:"uses"`
	Holds     []ProcessHold `json:"holds"`
	Waits     []Wait        `json:"waits"`
	Unknown   []string      `json:"unknown"`
}

// ProcessRole is an object that a process has to do with.
type ProcessRole struct {
	Ref  string `json:"ref"`
	Type string `json:"type" enum:"shm,sem,msg"`
	ID   int    `json:"id"`
	User
}

// ProcessHold is a semaphore or queue for which others probably wait because of a process.
type ProcessHold struct {
	Ref      string `json:"ref"`
	Type     string `json:"type" enum:"shm,sem,msg"`
	ID       int    `json:"id"`
	Probably bool   `json:"probably"`
	Why      string `json:"why"`
	Waiters  []int  `json:"waiters"` // the pids of those that wait
}

// ProcessUseOf is what a snapshot shows of a process, which is nil if it has ended.
func ProcessUseOf(snap *inspect.Snapshot, pid int, p *inspect.Process) *ProcessUse {
	out := &ProcessUse{PID: pid, Alive: p != nil, NS: OrNil(snap.Namespace)}
	if p != nil {
		out.Comm, out.Container, out.Unit = &p.Comm, OrNil(p.Container), OrNil(p.Unit)
		if p.UID >= 0 {
			out.UID = &p.UID
		}
	}
	for i := range snap.Objects {
		o := &snap.Objects[i]
		for j := range o.Users {
			if u := &o.Users[j]; u.PID == pid && u.Status != inspect.Reused {
				out.Uses = append(out.Uses, ProcessRole{o.Ref(), Type(o.Kind), o.ID, userOf(u)})
			}
		}
	}
	for i := range snap.Waits {
		w := &snap.Waits[i]
		if w.PID == pid {
			out.Waits = append(out.Waits, *WaitOf(snap, w))
		}
		for _, h := range w.Holders {
			if h.PID == pid {
				out.hold(w, &h)
			}
		}
	}
	out.Unknown = missing(nil, "ns", out.NS == nil, "uid", p != nil && out.UID == nil, "uses", !snap.Complete, "waits", !snap.Complete)
	return out
}

// hold notes that a thread waits because of the process.
func (out *ProcessUse) hold(w *inspect.Wait, by *inspect.Holder) {
	for i := range out.Holds {
		if h := &out.Holds[i]; h.Ref == w.Ref() && h.Why == by.Why {
			h.Waiters = append(h.Waiters, w.PID)
			return
		}
	}
	out.Holds = append(out.Holds, ProcessHold{w.Ref(), Type(w.Kind), w.ID, !by.Certain, by.Why, []int{w.PID}})
}
