package structure

import (
	"slices"
	"sync/atomic"

	"github.com/sysvipc/sysvipc/shared/internal/core"
)

// Hold is why others wait for a participant at a structure, or may have to.
type Hold struct {
	Slot int    // of the participant, or -1 if it is none of them
	TID  int    // of a thread of the holder of a lock
	N    uint64 // how often a process reads, or how many messages a gated subscriber has yet to take
}

// LockState is what the word of a mutex says at this moment: whose thread holds it, whether its last
// owner died with it, and whether what it guards was not repaired.
func LockState(t core.Structure) (tid int, died, lost bool, err error) {
	v, err := t.Region.Use()
	if err != nil {
		return 0, false, false, err
	}
	defer v.Done()
	n := (*core.Node)(v.At(t.Offset))
	word := atomic.LoadUint32(&n.Word)
	return int(word & core.TIDMask), word&core.OwnerDied != 0, atomic.LoadUint32(&n.Owner) == core.NotRecoverable, t.Open(v)
}

// LockHolds returns who holds the lock with which a structure begins.
func LockHolds(t core.Structure) ([]Hold, error) {
	tid, _, _, err := LockState(t)
	if err != nil || tid == 0 {
		return nil, err
	}
	v, err := t.Region.Use()
	if err != nil {
		return nil, err
	}
	defer v.Done()
	return []Hold{{Slot: slotOf(t.Region, v, uint32(tid)), TID: tid}}, nil
}

// slotOf returns the slot of the participant whose lock words carry this TID, or -1.
func slotOf(r *core.Region, v *core.View, tid uint32) int {
	for i := range int(r.Config.Slots) {
		s := v.Slot(r.Plan, i)
		tids, _ := s.Listed()
		life := atomic.LoadUint32(&s.Life.Word) & core.TIDMask
		if life != 0 && (life == tid || slices.Contains(tids[:], tid)) {
			return i
		}
	}
	return -1
}

// RWMutexFits reports whether what the entry of an RWMutex says can be true.
func RWMutexFits(t core.Structure) bool {
	return t.Size == rwCounts(t.Region)+uint64(t.Region.Config.Slots)*core.Line
}

// ReaderHolds returns who holds an RWMutex for reading.
func ReaderHolds(t core.Structure) (holds []Hold, err error) {
	r := t.Region
	v, err := r.Use()
	if err != nil {
		return nil, err
	}
	defer v.Done()
	for i := range int(r.Config.Slots) {
		n := atomic.LoadUint64((*uint64)(v.At(rwCount(t, i))))
		if uint32(n) != 0 && r.Alive(v, core.OwnerOf(i, uint32(n>>32))) {
			holds = append(holds, Hold{Slot: i, N: uint64(uint32(n))})
		}
	}
	return holds, t.Open(v)
}

// Holds returns who has gated subscriptions.
func (c *Topic) Holds() (holds []Hold, err error) {
	v, err := c.Region.Use()
	if err != nil {
		return nil, err
	}
	defer v.Done()
	tail := atomic.LoadUint64(&c.head(v).tail)
	for i := range min(uint64(atomic.LoadUint32(&c.head(v).gates)), c.count) {
		g := c.gate(v, i)
		id, cursor := core.Owner(atomic.LoadUint64(&g.owner)), atomic.LoadUint64(&g.cursor)
		if atomic.LoadUint64(&g.joined) != 0 && c.Region.Alive(v, id) {
			holds = append(holds, Hold{Slot: int(uint32(id)) - 1, N: max(tail, cursor) - cursor})
		}
	}
	return holds, c.Open(v)
}
