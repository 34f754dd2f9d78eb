package ipctest

import "fmt"

// Capability is one that only some machines give their users, by its number.
type Capability int

// The capabilities that tests need.
const (
	CapSetGID            Capability = 6
	CapSetUID            Capability = 7
	CapIPCOwner          Capability = 15
	CapSysAdmin          Capability = 21
	CapCheckpointRestore Capability = 40
)

// String returns the kernel's name.
func (c Capability) String() string {
	switch c {
	case CapSetGID:
		return "CAP_SETGID"
	case CapSetUID:
		return "CAP_SETUID"
	case CapIPCOwner:
		return "CAP_IPC_OWNER"
	case CapSysAdmin:
		return "CAP_SYS_ADMIN"
	case CapCheckpointRestore:
		return "CAP_CHECKPOINT_RESTORE"
	}
	return fmt.Sprintf("capability %d", int(c))
}
