package structure

import (
	"sync/atomic"

	"github.com/sysvipc/sysvipc/shared/internal/core"
)

// The numbers of the kinds, as they stand in the entries of regions.
const (
	KindMutex = iota + 1
	KindVar
	KindCounter
	KindRWMutex
	KindMap
	KindChan
	KindTopic
	KindDoc
	KindRecords
)

// Kinds are all kinds of structures.
var Kinds = core.Kinds{
	KindMutex:   {Name: "mutex", Locks: firstLock, Retire: retireMutex},
	KindVar:     {Name: "var", Locks: cellsLock},
	KindCounter: {Name: "counter"},
	KindRWMutex: {Name: "rwmutex", Locks: firstLock, Repair: repairRWMutex, Retire: retireRWMutex},
	KindMap:     {Name: "map", Unit: "entries", Capacity: 0, Locks: stripeLocks, Repair: repairMap},
	KindChan:    {Name: "chan", Unit: "messages", Capacity: 1, Repair: repairChan},
	KindTopic:   {Name: "topic", Unit: "messages", Capacity: 1, Locks: firstLock, Repair: repairTopic},
	KindDoc:     {Name: "doc", Unit: "bytes", Capacity: 0, Locks: cellsLock, SameType: sameCodec},
	KindRecords: {Name: "records", Unit: "bytes", Capacity: 0, Locks: recordLocks, Repair: repairRecords},
}

// firstLock: the structure begins with its lock.
func firstLock(t core.Structure, do func(at uint64)) { do(t.Offset) }

// cellsLock is the lock of the writers to four cells, if there are any.
func cellsLock(t core.Structure, do func(at uint64)) {
	if t.Params[1] != 0 {
		do(t.Offset + core.Line)
	}
}

// recordLocks are those of the senders and of the receivers.
func recordLocks(t core.Structure, do func(at uint64)) {
	do(t.Offset)
	do(t.Offset + core.Line)
}

// stripeLocks are those of the writers to each stripe.
func stripeLocks(t core.Structure, do func(at uint64)) {
	if l, ok := LayoutOf(t); ok {
		for i := range l.Stripes {
			do(t.Offset + i*l.stripe)
		}
	}
}

// sameCodec reports whether two documents are in one codec. Their shapes have the capacity in
// them.
func sameCodec(a, b [4]uint64) bool { return a[2] == b[2] }

// retireMutex: that its lock was free is enough.
func retireMutex(*core.View, core.Structure) bool { return true }

// retireRWMutex has new readers wait for the lock, if there are none now. A kill leaves the state
// that the next owner of the lock repairs.
func retireRWMutex(v *core.View, t core.Structure) bool {
	m := &RWMutex{Structure: t}
	state := &m.Head(v).State
	before := atomic.LoadUint32(state)
	atomic.StoreUint32(state, rwWanted)
	if !RWMutexFits(t) || !m.empty(v) {
		atomic.StoreUint32(state, before)
		return false
	}
	return true
}
