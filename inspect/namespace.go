package inspect

// Namespace is an IPC namespace of this machine.
type Namespace struct {
	Inode uint64 // its number, as in the link /proc/PID/ns/ipc
	Own   bool   // that of this process

	// PIDs are the processes that have a thread in it, and Processes is how many these are.
	Processes int
	PIDs      []int
	Container string // that of the first process, as [Process] has it; "" if none is known
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
