package shared

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/sysvipc/sysvipc"
)

// ErrNoRegion: a segment, or a file, does not begin as a region does.
var ErrNoRegion = errors.New("this is no region")

// Observer reads a region, and takes no part in it: it has attached the segment for
// reading only, takes no slot, and nobody in the region notices. The kernel does: it
// counts the attach, and notes the time and the pid. Safe for concurrent use.
type Observer struct {
	r     *Region
	stale bool // it lies in a file that nobody has opened since the system was started, or is a copy
}

// Look attaches the region in a segment for reading only. It fails with [ErrNoRegion] if
// there is none. Close it.
func Look(seg *sysvipc.Segment) (*Observer, error) {
	if strconv.IntSize != 64 {
		return nil, fmt.Errorf("shared: on 32-bit ports: %w", errors.ErrUnsupported)
	}
	mem, err := seg.Attach(&sysvipc.AttachOptions{ReadOnly: true})
	if err != nil {
		return nil, err
	}
	o, err := observe(&Region{segment: seg, memory: mem})
	if err != nil {
		return nil, fmt.Errorf("shared: shm:%d: %w", seg.ID(), err)
	}
	v := o.r.view.Load()
	defer v.done()
	o.stale = o.r.copied(v)
	return o, nil
}

// observe looks at the region in r's memory, which this process only reads. Its name is
// what it says.
func observe(r *Region) (*Observer, error) {
	bytes, hold := r.memory.Hold()
	v := &view{bytes: bytes, hold: hold}
	r.local, r.slot = make(map[uint64]chan struct{}), -1
	if err := r.believe(v); err != nil {
		_ = r.memory.Close()
		return nil, err
	}
	r.view.Store(v)
	return &Observer{r: r}, nil
}

func (r *Region) believe(v *view) error {
	if len(v.bytes) < headerLen || v.header().magic != magic {
		return ErrNoRegion
	}
	if s := atomic.LoadUint32(&v.header().state); s < stateReady {
		return errors.New("its creator has not finished it, or was killed at it")
	}
	r.name = cString(v.header().config.name[:])
	return r.check(v)
}

// Close detaches the region.
func (o *Observer) Close() error {
	v := o.r.view.Load()
	if v == nil || !o.r.view.CompareAndSwap(v, nil) {
		return o.r.closed()
	}
	return o.r.memory.Close()
}

// Join opens the region that lies in a segment, whatever its name is. It fails with
// [ErrNoRegion] if the segment is none.
func Join(ctx context.Context, seg *sysvipc.Segment) (*Region, error) {
	o, err := Look(seg)
	if err != nil {
		return nil, err
	}
	name := o.r.name
	if err := o.Close(); err != nil {
		return nil, err
	}
	return attach(ctx, name, seg, nil, false)
}

// Info is what a region says of itself.
type Info struct {
	Name         string // "" for one that is known by its key
	Size         int64  // bytes
	Used         int64  // bytes that are given to the header and to things
	Participants int    // at most
	Entries      int    // things at most
	Nonce        uint64 // another one for each region
	Created      time.Time
}

// Info returns what the region says of itself.
func (r *Region) Info() (Info, error) {
	v, err := r.use()
	if err != nil {
		return Info{}, err
	}
	defer v.done()
	c := &r.config
	used := int64(min(atomic.LoadUint64(&v.header().free), c.size))
	return Info{
		Name: r.name, Size: int64(c.size), Used: used,
		Participants: int(c.slots), Entries: int(c.entries), Nonce: c.nonce, Created: time.Unix(0, c.created),
	}, r.open(v)
}

// Info is [Region.Info].
func (o *Observer) Info() (Info, error) { return o.r.Info() }

// Participant is a process that has the region open, or had it open when it was killed.
type Participant struct {
	Slot        int
	Incarnation uint32 // counts the slot's owners
	PID         int    // as the process knows itself
	UID         int
	Joined      time.Time
	Alive       bool // if not, what it left at work waits for the next who joins or sleeps, or for Reap
}

// Participants returns who has the region open, in the order of their slots. What it says
// of them is what they have written.
func (r *Region) Participants() ([]Participant, error) {
	v, err := r.use()
	if err != nil {
		return nil, err
	}
	defer v.done()
	var all []Participant
	for index := range int(r.config.slots) {
		s := v.slot(r.plan, index)
		word := atomic.LoadUint32(&s.life.word)
		if word&(futexTIDMask|futexOwnerDied) == 0 {
			continue
		}
		all = append(all, Participant{
			Slot: index, Incarnation: atomic.LoadUint32(&s.incarnation), PID: int(s.pid), UID: int(s.uid),
			Joined: time.Unix(0, s.started), Alive: word&futexTIDMask != 0,
		})
	}
	return all, r.open(v)
}

// Participants is [Region.Participants]. Nobody is alive in a file that was not opened since
// the system was started.
func (o *Observer) Participants() ([]Participant, error) {
	all, err := o.r.Participants()
	for i := range all {
		all[i].Alive = all[i].Alive && !o.stale
	}
	return all, err
}

// Reap brings into order what participants that were killed have left at work, and reports
// whether there were any. It is needed only where nobody sleeps in the region and nobody
// joins it, such as among C programs.
func (r *Region) Reap() (bool, error) {
	v, err := r.use()
	if err != nil {
		return false, err
	}
	defer v.done()
	return r.reapDead(v), nil
}
