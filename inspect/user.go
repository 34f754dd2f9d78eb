package inspect

import (
	"fmt"
	"time"

	"github.com/sysvipc/sysvipc/internal/plural"
)

// Role says what a user has to do with an object.
type Role string

// The roles.
const (
	Attached Role = "attached"      // has the segment attached
	Waiting  Role = "waiting"       // a thread of it is blocked on the set or queue
	Creator  Role = "creator"       // made the segment
	LastUser Role = "last-user"     // attached or detached the segment last
	Operator Role = "operator"      // operated on a semaphore last
	Sender   Role = "last-sender"   // sent to the queue last
	Receiver Role = "last-receiver" // received from the queue last
	Holds    Role = "holder"        // was seen taking from a semaphore, and not giving back
)

// User is a process, or a thread, that has to do with an object.
type User struct {
	PID     int // 0 if it is not visible
	TID     int // the thread that waits; 0 in other roles
	Role    Role
	Status  Status
	Process *Process  // nil if it has ended, or cannot be seen
	At      time.Time // when it did what its role says; zero if not known

	// Mappings are the attaches of a process, ReadOnly how many of them are so. Elsewhere is true if
	// the process is in another IPC namespace now, or its namespace cannot be seen: then what it has
	// attached may be another object, with the same ID, key and length.
	Mappings, ReadOnly int
	Elsewhere          bool

	// Semaphores are the indexes that an operator operated on last: the first of them, and how many.
	FirstSemaphore, Semaphores int
	Taken                      *Taken // what a holder was seen taking
}

// Comm is the name of the user's program, or "" if there is none to be seen. After a reuse of the
// pid it would be that of another program, so there is none.
func (u *User) Comm() string {
	if u.Taken != nil && u.Process == nil {
		return u.Taken.Comm
	}
	if u.Process == nil || u.Status == Reused {
		return ""
	}
	return u.Process.Comm
}

// Gone reports whether the process has ended for certain. A pid that was reused by the clock alone is no evidence, since
// the clock may have been set, or the machine suspended; that a thread of the kernel has it is.
func (u *User) Gone() bool {
	return u.Status == Dead || u.Status == Reused && u.Process != nil && u.Process.kernel
}

// unsure reports whether it may live and cannot be seen to.
func (u *User) unsure() bool { return u.Status == Hidden || u.Status == Reused && !u.Gone() }

// Evidence says how the statement is known.
func (u *User) Evidence() string {
	switch u.Role {
	case Attached:
		text := fmt.Sprintf("/proc/%d/maps has %s", u.PID, plural.Of(u.Mappings, "mapping"))
		if u.ReadOnly > 0 {
			text += fmt.Sprintf(", %d read-only", u.ReadOnly)
		}
		if u.Elsewhere {
			text += "; the process is in another IPC namespace, so it may be another segment with the same ID, key and length"
		}
		return text
	case Holds:
		text := u.Taken.text()
		if u.Status == Dead {
			text += "; no such process any more"
		}
		return text
	case Waiting:
		return fmt.Sprintf("/proc/%d/task/%d/syscall", u.PID, u.TID)
	}
	text := map[Role]string{
		Creator: "shm_cpid", LastUser: "shm_lpid", Sender: "msg_lspid", Receiver: "msg_lrpid", Operator: "sempid",
	}[u.Role]
	if u.Role == Operator {
		text += fmt.Sprintf(" of semaphore %d", u.FirstSemaphore)
		if u.Semaphores > 1 {
			text += fmt.Sprintf(" and %d more", u.Semaphores-1)
		}
	}
	switch u.Status {
	case Dead:
		text += "; no such process any more"
	case Reused:
		text += fmt.Sprintf("; process %d started %s later, so the pid was reused", u.PID, u.Process.Started.Sub(u.At).Round(time.Second))
		if !u.Gone() {
			text += ", or the clock was set"
		}
	case Hidden:
		if u.PID == 0 {
			text += " is 0: not visible from this PID namespace"
		} else {
			text += "; whether it lives cannot be seen"
		}
	}
	return text
}
