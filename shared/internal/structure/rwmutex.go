package structure

import (
	"context"
	"structs"
	"sync/atomic"

	"github.com/sysvipc/sysvipc/shared/internal/core"
)

// RWMutex is an RWMutex.
type RWMutex struct {
	core.Structure
	local  chan struct{}     // held by the one goroutine of this process that waits
	left   chan struct{}     // stands for the readers, for the race detector
	own    uint64            // where this participant's count is
	holder *core.RobustOwner // of the writer, while it is held here
	died   bool              // it was taken from a dead writer, and is not marked consistent
}

// A reader adds itself to its own participant's count and then looks at the state: free,
// and it is in. A writer takes the lock, sets the state, and then waits for the counts of
// all who live. Of two who do this at once at least one sees the other. A reader that
// finds the state set takes its count back and stands in line for the lock, under which
// nobody else can change the state, and counts itself there.
//
// The state changes under the lock only, so that the kernel's mark of a dead holder is all
// that its successor needs, together with the state, to know what the dead one was at.
type rwHead struct {
	_     structs.HostLayout
	lock  core.Node
	_     [24]byte
	State uint32
	upTo  uint32 // the slots of those who ever opened it lie below this one
	_     [56]byte
}

const rwHeadSize = 128

const (
	rwFree   = 0
	rwWanted = 1 // the owner of the lock waits for the readers to leave
	RWHeld   = 2 // the owner of the lock may be changing what it guards
	rwBroken = 3 // a writer was killed when it held it; with the lock held, as wanted
	rwLost   = 4 // a writer gave it back unrepaired
)

// DeclareRWMutex finds the lock, or makes it.
func DeclareRWMutex(r *core.Region, name string) (*RWMutex, error) {
	t, err := r.Declare(context.Background(), core.Declaration{
		Kind: KindRWMutex, Name: name, Size: rwCounts(r) + uint64(r.Config.Slots)*core.Line,
		Init: func(v *core.View, t core.Structure) { (*rwHead)(v.At(t.Offset)).lock.Kind = core.RobustShared },
	})
	if err != nil {
		return nil, err
	}
	v, err := r.Use()
	if err != nil {
		return nil, err
	}
	defer v.Done()
	m := &RWMutex{Structure: t, own: rwCount(t, r.Slot), local: r.LocalLock(t.Offset), left: r.LocalLock(t.Offset + rwHeadSize)}
	// The count bears the participant's incarnation: an earlier owner's is void.
	for own := m.count(v); ; {
		n := atomic.LoadUint64(own)
		if n>>32 == uint64(r.ID)>>32 || atomic.CompareAndSwapUint64(own, n, uint64(r.ID)>>32<<32) {
			break
		}
	}
	for upTo := &m.Head(v).upTo; ; {
		n := atomic.LoadUint32(upTo)
		if n > uint32(r.Slot) || atomic.CompareAndSwapUint32(upTo, n, uint32(r.Slot)+1) {
			break
		}
	}
	r.CountReaders(m.own)
	return m, nil
}

// After the head comes the event for which a writer waits, then a line for the count of
// each participant: the number of its readers, below its incarnation.

func rwCounts(r *core.Region) uint64 { return rwHeadSize + core.RoundUp(r.EventSize(), core.Line) }

func rwCount(t core.Structure, slot int) uint64 {
	return t.Offset + rwCounts(t.Region) + uint64(slot)*core.Line
}

// drained is the event that the last reader of a participant has left.
func drained(t core.Structure) uint64 { return t.Offset + rwHeadSize }

func (m *RWMutex) Head(v *core.View) *rwHead  { return (*rwHead)(v.At(m.Offset)) }
func (m *RWMutex) count(v *core.View) *uint64 { return (*uint64)(v.At(m.own)) }

// repair brings the state into order that a dead writer has left, and says whether what
// the lock guards is whole. The lock was just taken.
func (m *RWMutex) repair(v *core.View) error {
	state := &m.Head(v).State
	switch atomic.LoadUint32(state) {
	case rwFree:
		return nil
	case rwWanted:
		atomic.StoreUint32(state, rwFree)
		return nil
	case rwLost:
		return ErrNotRecoverable
	}
	atomic.StoreUint32(state, rwBroken)
	return ErrOwnerDied
}

// repairRWMutex takes away the readers of a participant that died.
func repairRWMutex(v *core.View, t core.Structure, dead core.Owner) {
	r := t.Region
	if t.Size < rwCounts(r)+uint64(r.Config.Slots)*core.Line {
		return // no participant made this
	}
	own := (*uint64)(v.At(rwCount(t, int(uint32(dead))-1)))
	if n := atomic.LoadUint64(own); n>>32 == uint64(dead)>>32 {
		atomic.CompareAndSwapUint64(own, n, 0)
	}
	r.Notify(v, drained(t))
}
