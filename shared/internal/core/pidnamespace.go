package core

import (
	"fmt"
	"sync/atomic"
)

// The kernel's robust locks carry thread IDs, and each PID namespace counts its own. A process
// that dies with an operation pending on a lock has the kernel mark the lock as a dead
// owner's if it carries "its" TID, though that may be one of another namespace, who lives.
// Then two hold the lock. So all who have a region open at a time are of one PID namespace.
//
// Each participant says in its slot which that is. Who joins looks at all slots before it
// touches any lock, and once more when it has said so itself: of two who come at once at
// least one sees the other, and leaves. A participant that is dead is in nobody's way: a
// container that is started again comes in a namespace of its own.

// elsewhere fails if a participant of another PID namespace lives.
func (r *Region) elsewhere(v *View) error {
	for index := range int(r.Config.Slots) {
		s := v.Slot(r.Plan, index)
		theirs := atomic.LoadUint64(&s.PIDNS)
		if atomic.LoadUint32(&s.Life.Word)&TIDMask == 0 || theirs == 0 || theirs == RobustOwners.PIDNS {
			continue // free, or dead, or it comes just now and looks after this
		}
		if RobustOwners.PIDNS == 0 {
			return fmt.Errorf("others have it open, and whether they are in the PID namespace of this process cannot be known, as all who share a region must be: mount /proc")
		}
		return fmt.Errorf("it is open in another PID namespace (pid:[%d], by process %d there), and the kernel's locks carry thread IDs, which hold for one only: run all who share it in one PID namespace, such as by shareProcessNamespace: true for the containers of a pod, or --pid=container:NAME", theirs, s.PID)
	}
	return nil
}
