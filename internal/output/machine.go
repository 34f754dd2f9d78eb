package output

import "github.com/sysvipc/sysvipc/inspect"

// Namespace is an IPC namespace of this machine.
type Namespace struct {
	NS          uint64   `json:"ns"`
	Own         bool     `json:"own"`       // that of this process
	Processes   int      `json:"processes"` // that have a thread in it
	PIDs        []int    `json:"pids"`
	Mounts      []string `json:"mounts"`
	Descriptors []string `json:"descriptors"`
	Path        *string  `json:"path"`      // a file that leads there
	Container   *string  `json:"container"` // of its first process
	Names       []string `json:"names"`     // of its containers, pods and unit
	Segments    *int     `json:"segments"`
	Sets        *int     `json:"sets"`
	Queues      *int     `json:"queues"`
	Unknown     []string `json:"unknown"`
}

// NamespaceOf is a namespace whose objects are not counted.
func NamespaceOf(ns *inspect.Namespace) *Namespace {
	return &Namespace{
		NS: ns.Inode, Own: ns.Own, Processes: ns.Processes, PIDs: ns.PIDs, Mounts: ns.Mounts, Descriptors: ns.Descriptors, Path: OrNil(ns.Path), Container: OrNil(ns.Container), Names: ns.Names,
	}
}

// Finding is something that is wrong with objects, limits or settings.
type Finding struct {
	NS       *uint64 `json:"ns,omitempty"` // the inode of the IPC namespace, with --ns
	Check    string  `json:"check"`
	Severity string  `json:"severity" enum:"ok,warning,critical"`
	Text     string  `json:"text"`
	Remedy   *string `json:"remedy"`
}

// FindingOf is a finding of [inspect.Diagnose].
func FindingOf(f *inspect.Finding) *Finding {
	return &Finding{Check: f.Check, Severity: f.Severity.String(), Text: f.Text, Remedy: OrNil(f.Remedy)}
}

// Key is what "ftok" tells.
type Key struct {
	Key    int32   `json:"key"`
	KeyHex string  `json:"key_hex"`
	Path   *string `json:"path"` // of the file, or nil
	Proj   *int    `json:"proj"` // the project byte
	Name   *string `json:"name"` // nil for the key of a file
}
