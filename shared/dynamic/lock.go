package dynamic

import (
	"github.com/sysvipc/sysvipc/shared/internal/core"
	"github.com/sysvipc/sysvipc/shared/internal/structure"
)

// Mutex is a [shared.Mutex].
type Mutex struct {
	Description
	at core.Structure
}

// LockState is what the word of a mutex says.
type LockState struct {
	Locked bool
	TID    int  // a thread of the holder
	Died   bool // the last holder was killed with it: the next one gets shared.ErrOwnerDied
	Lost   bool // what it guards was not repaired: nobody can take it any more
}

// State returns what the word of the mutex says at this moment.
func (m *Mutex) State() (LockState, error) {
	tid, died, lost, err := structure.LockState(m.at)
	return LockState{tid != 0, tid, died, lost}, err
}

// Holds returns who holds the mutex at this moment.
func (m *Mutex) Holds() ([]Hold, error) {
	all, err := structure.LockHolds(m.at)
	return holds(all, HoldLocks), err
}

// RWMutex is a [shared.RWMutex].
type RWMutex struct {
	Description
	at core.Structure
}

// Holds returns who holds the lock at this moment.
func (m *RWMutex) Holds() ([]Hold, error) {
	writer, err := structure.LockHolds(m.at)
	if err != nil {
		return nil, err
	}
	readers, err := structure.ReaderHolds(m.at)
	return append(holds(writer, HoldLocks), holds(readers, HoldReads)...), err
}
