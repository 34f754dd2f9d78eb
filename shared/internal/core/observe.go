package core

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/sysvipc/sysvipc"
)

var ErrNoRegion = errors.New("this is no region")

// Look attaches the region in a segment for reading only.
func Look(seg *sysvipc.Segment, all Kinds) (*Region, error) {
	if strconv.IntSize != 64 {
		return nil, fmt.Errorf("shared: on 32-bit ports: %w", errors.ErrUnsupported)
	}
	mem, err := seg.Attach(&sysvipc.AttachOptions{ReadOnly: true})
	if err != nil {
		return nil, err
	}
	r := newRegion("", all)
	r.Segment, r.memory = seg, mem
	if err := r.observe(); err != nil {
		return nil, fmt.Errorf("shared: shm:%d: %w", seg.ID(), err)
	}
	v := r.View.Load()
	defer v.Done()
	r.stale = r.copied(v)
	return r, nil
}

// observe looks at the region in r's memory, which this process only reads. Its name is
// what it says.
func (r *Region) observe() error {
	bytes, hold := r.memory.Hold()
	v := &View{Bytes: bytes, hold: hold}
	r.Slot = -1
	if err := r.believe(v); err != nil {
		_ = r.memory.Close()
		return err
	}
	r.View.Store(v)
	return nil
}

func (r *Region) believe(v *View) error {
	if len(v.Bytes) < HeaderLen || v.Header().magic != magic {
		return ErrNoRegion
	}
	if s := atomic.LoadUint32(&v.Header().state); s < StateReady {
		return errors.New("its creator has not finished it, or was killed at it")
	}
	r.Name = cString(v.Header().Config.name[:])
	return r.check(v)
}

// Detach is close for a region that this process only reads.
func (r *Region) Detach() error {
	v := r.View.Load()
	if v == nil || !r.View.CompareAndSwap(v, nil) {
		return r.Closed()
	}
	return r.memory.Close()
}

// Join opens the region that lies in a segment, whatever its name is.
func Join(ctx context.Context, seg *sysvipc.Segment, all Kinds) (*Region, error) {
	o, err := Look(seg, all)
	if err != nil {
		return nil, err
	}
	name := o.Name
	if err := o.Detach(); err != nil {
		return nil, err
	}
	return attach(ctx, name, seg, nil, false, all)
}

// Info is what a region says of itself: see Info of package shared.
type Info struct {
	Name         string
	Size         int64
	Used         int64
	Participants int
	Entries      int
	Nonce        uint64
	Created      time.Time
}

// Participant is a process that has the region open, or had it open when it was killed.
type Participant struct {
	Slot        int
	Incarnation uint32
	PID         int
	UID         int
	Joined      time.Time
	Alive       bool
}

// Describe returns what the region says of itself.
func (r *Region) Describe() (Info, error) {
	v, err := r.Use()
	if err != nil {
		return Info{}, err
	}
	defer v.Done()
	c := &r.Config
	used := int64(min(atomic.LoadUint64(&v.Header().free), c.size))
	return Info{
		Name: r.Name, Size: int64(c.size), Used: used,
		Participants: int(c.Slots), Entries: int(c.entries), Nonce: c.Nonce, Created: time.Unix(0, c.created),
	}, r.open(v)
}

// Participants returns who has the region open, in the order of their slots. What it says
// of them is what they have written.
func (r *Region) Participants() ([]Participant, error) {
	v, err := r.Use()
	if err != nil {
		return nil, err
	}
	defer v.Done()
	var all []Participant
	for index := range int(r.Config.Slots) {
		s := v.Slot(r.Plan, index)
		word := atomic.LoadUint32(&s.Life.Word)
		if word&(TIDMask|OwnerDied) == 0 {
			continue
		}
		all = append(all, Participant{
			Slot: index, Incarnation: atomic.LoadUint32(&s.incarnation), PID: int(s.PID), UID: int(s.uid),
			Joined: time.Unix(0, s.started), Alive: word&TIDMask != 0 && !r.stale,
		})
	}
	return all, r.open(v)
}

// Reap brings into order what participants that were killed have left half done, and reports
// whether there were any.
func (r *Region) Reap() (bool, error) {
	v, err := r.Use()
	if err != nil {
		return false, err
	}
	defer v.Done()
	return r.ReapDead(v), nil
}
