package inspect

import (
	"strconv"
	"sync"
)

// Namespace is an IPC namespace of this machine.
type Namespace struct {
	Inode uint64 // its number, as in the link /proc/PID/ns/ipc
	Own   bool   // that of this process

	// PIDs are the processes that have a thread in it, and Processes is how many these are.
	Processes int
	PIDs      []int
	Container string // that of the first process, as [Process] has it; "" if none is known
	// Names are what people call it by: the containers and pods of its processes, the names that the engine gave these,
	// and its systemd unit if it has one alone.
	Names []string
	// Mounts are where it is bind-mounted, and Descriptors are the open files, /proc/PID/fd/N, that
	// refer to it. Either keeps a namespace without any process.
	Mounts, Descriptors []string

	// Path is a file by which [WithNamespace] gets there.
	Path string
}

// NamespaceList is all IPC namespaces that can be seen, that of this process first.
type NamespaceList struct {
	All      []Namespace
	Complete bool     // nothing was hidden
	Warnings []string // what was
}

// movedFrom is what [SetHomeNamespace] was given.
var movedFrom uint64

// ownNamespace is that of this process when it was first asked for.
var ownNamespace = sync.OnceValue(CurrentNamespace)

// HomeNamespace returns the IPC namespace that a REF without one means: that of this process, or the one that the process
// came from. 0 if it cannot be seen.
func HomeNamespace() uint64 {
	if movedFrom != 0 {
		return movedFrom
	}
	return ownNamespace()
}

// SetHomeNamespace is for a program that moved to another IPC namespace: from now on the REFs of the objects there carry it,
// since they are other objects at home. It must be called before anything is looked at.
func SetHomeNamespace(ns uint64) { movedFrom = ns }

// refText is "shm:5", or "ns=4026532199/shm:5" for an object elsewhere.
func refText(elsewhere uint64, word string, id int) string {
	text := word + ":" + strconv.Itoa(id)
	if elsewhere != 0 {
		text = "ns=" + strconv.FormatUint(elsewhere, 10) + "/" + text
	}
	return text
}

// elsewhere is the namespace of the snapshot if REFs have to carry it, and 0 at home.
func (s *Snapshot) elsewhere() uint64 {
	if home := HomeNamespace(); home == 0 || home == s.Namespace {
		return 0
	}
	return s.Namespace
}
