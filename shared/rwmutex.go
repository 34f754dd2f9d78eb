package shared

import (
	"context"
	"structs"
	"sync/atomic"
)

// RWMutex is a lock among the goroutines of all processes that have the region open: held
// by any number of readers, or by one writer. Readers of different processes share no
// cache line. A writer that waits keeps new readers out, so that they cannot starve it;
// readers and writers then stand in one line, so that writers cannot starve them either.
// So a goroutine that holds it for reading must not take it again. Its methods may be
// called by any goroutine; [RWMutex.Unlock] and [RWMutex.MarkConsistent] are for whoever
// holds it for writing.
//
// A reader that is killed, at any instant, is counted out by whoever notices first: a
// writer that waits for it is woken by the kernel, and no other sees anything of it. A
// writer that is killed while it waits has changed nothing, and the next one goes on. A
// writer that is killed while it holds the lock may have left half a change: the next
// [RWMutex.Lock] has the lock and gets [ErrOwnerDied], to repair what the lock guards, and
// until one has done so [RWMutex.RLock] fails with ErrOwnerDied and does not take it.
type RWMutex struct {
	thing
	local  chan struct{} // held by the one goroutine of this process that waits
	left   chan struct{} // stands for the readers, for the race detector
	own    uint64        // where this participant's count is
	holder *guardian     // of the writer, while it is held here
	died   bool          // it was taken from a dead writer, and is not marked consistent
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
	lock  node
	_     [24]byte
	state uint32
	upTo  uint32 // the slots of those who ever opened it lie below this one
	_     [56]byte
}

const rwHeadSize = 128

const (
	rwFree   = 0
	rwWanted = 1 // whoever holds the lock waits for the readers to leave
	rwHeld   = 2 // whoever holds the lock may be changing what it guards
	rwBroken = 3 // a writer was killed when it held it; with the lock held, as wanted
	rwLost   = 4 // a writer gave it back unrepaired
)

// RWMutexOf returns the region's reader and writer lock with this name, and makes it if
// there is none. A second call returns the same.
func RWMutexOf(r *Region, name string) (*RWMutex, error) {
	t, err := r.declare(context.Background(), wanted{
		kind: kindRWMutex, name: name, size: r.rwCounts() + uint64(r.config.slots)*line,
		init: func(v *view, t thing) { (*rwHead)(v.at(t.offset)).lock.kind = robustShared },
	})
	if err != nil {
		return nil, err
	}
	v, err := r.use()
	if err != nil {
		return nil, err
	}
	defer v.done()
	m := &RWMutex{thing: t, own: r.rwCount(t, r.slot), local: r.localLock(t.offset), left: r.localLock(t.offset + rwHeadSize)}
	// The count bears the participant's incarnation: an earlier owner's is void.
	for own := m.count(v); ; {
		n := atomic.LoadUint64(own)
		if n>>32 == uint64(r.id)>>32 || atomic.CompareAndSwapUint64(own, n, uint64(r.id)>>32<<32) {
			break
		}
	}
	for upTo := &m.head(v).upTo; ; {
		n := atomic.LoadUint32(upTo)
		if n > uint32(r.slot) || atomic.CompareAndSwapUint32(upTo, n, uint32(r.slot)+1) {
			break
		}
	}
	r.mu.Lock()
	r.read[m.own] = true
	r.mu.Unlock()
	return lockAt(r, t.offset, m), nil
}

// After the head comes the event for which a writer waits, then a line for the count of
// each participant: the number of its readers, below its incarnation.

func (r *Region) rwCounts() uint64 { return rwHeadSize + roundUp(r.eventSize(), line) }

func (r *Region) rwCount(t thing, slot int) uint64 {
	return t.offset + r.rwCounts() + uint64(slot)*line
}

// drained is the event that the last reader of a participant has left.
func (t thing) drained() uint64 { return t.offset + rwHeadSize }

func (m *RWMutex) head(v *view) *rwHead  { return (*rwHead)(v.at(m.offset)) }
func (m *RWMutex) count(v *view) *uint64 { return (*uint64)(v.at(m.own)) }

// settle brings the state into order that a dead writer has left, and says whether what
// the lock guards is whole. The lock was just taken.
func (m *RWMutex) settle(v *view) error {
	state := &m.head(v).state
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
func repairRWMutex(r *Region, v *view, t thing, dead owner) {
	if t.size < r.rwCounts()+uint64(r.config.slots)*line {
		return // no participant made this
	}
	own := (*uint64)(v.at(r.rwCount(t, int(uint32(dead))-1)))
	if n := atomic.LoadUint64(own); n>>32 == uint64(dead)>>32 {
		atomic.CompareAndSwapUint64(own, n, 0)
	}
	r.notify(v, t.drained())
}
