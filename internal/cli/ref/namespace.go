package ref

import (
	"fmt"
	"slices"

	"github.com/sysvipc/sysvipc/inspect"
	"github.com/sysvipc/sysvipc/internal/cli"
)

// NamespacePrefix begins a REF that names its IPC namespace: IDs begin at 0 in each of them.
const NamespacePrefix = "ns="

// Way is how the command came to the IPC namespace that it works in.
type Way string

// The ways.
const (
	Started Way = ""     // it is where it was started
	ByFlag  Way = "flag" // --ns names it, and all REFs without a namespace are of it
	ByRefs  Way = "refs" // all REFs name it
	OfMany  Way = "many" // REFs name it and others: each has a process, which takes its own
	OfAll   Way = "all"  // --ns all: each namespace has a process, which looks for all REFs
)

// Moved says where the command came from: of the whole process, set before any REF is read.
var Moved Move

// Move is a move from one IPC namespace to another. The zero value is none.
type Move struct {
	Way        Way
	Home, Here uint64 // Home is 0 if the command is where it was started
}

// here is the namespace in which the command works.
func (m *Move) here() uint64 {
	if m.Here != 0 {
		return m.Here
	}
	return inspect.HomeNamespace()
}

// unnamed is the namespace of REFs that name none.
func (m *Move) unnamed() uint64 {
	if m.Way == ByRefs || m.Way == OfMany {
		return inspect.HomeNamespace()
	}
	return m.here()
}

// Elsewhere is the error about REFs of other IPC namespaces. It comes before anything is done, so that the whole command can be
// run again there.
type Elsewhere struct {
	Namespaces []uint64 // of all REFs, in their order
	Input      []string // the REFs that standard input had
	first      Ref
	here       uint64
}

func (e *Elsewhere) Error() string {
	return fmt.Sprintf("%s is in IPC namespace %d, and this command in %d: run it there with \"nsenter --ipc=PATH\" (\"sysvipc ns\" shows what leads there)", e.first.Text, e.first.NS, e.here)
}

// Here leaves out the REFs that another process of this command has, and returns an error, [Elsewhere], if others are of another
// namespace.
func Here(refs []Ref) ([]Ref, error) { return here(refs, nil) }

// here is [Here] for REFs of which standard input had some.
func here(refs []Ref, input []string) ([]Ref, error) {
	here := Moved.here()
	if Moved.Way == OfMany {
		return slices.DeleteFunc(refs, func(r Ref) bool { return r.NS != here }), nil
	}
	away := slices.IndexFunc(refs, func(r Ref) bool { return r.NS != here })
	switch {
	case away < 0:
		return refs, nil
	case Moved.Way == ByRefs:
		return nil, cli.Usage("%s is in another IPC namespace than the REF before it: this verb works in one at a time", refs[away].Text)
	case Moved.Way != Started:
		return nil, cli.Usage("--ns and %s name two IPC namespaces: give one of them", refs[away].Text)
	}
	e := &Elsewhere{Input: input, first: refs[away], here: here}
	for _, r := range refs {
		if !slices.Contains(e.Namespaces, r.NS) {
			e.Namespaces = append(e.Namespaces, r.NS)
		}
	}
	return nil, &cli.Error{Code: cli.ExitRefused, Err: e}
}

// SameEverywhere refuses REFs by ID where a change is to be made in all namespaces: an ID is another object in each.
func SameEverywhere(refs []Ref) error {
	for _, r := range refs {
		if Moved.Way == OfAll && r.ID >= 0 {
			return cli.Usage("--ns all: %s is another object in each IPC namespace: name it by its key, or one namespace", r.Text)
		}
	}
	return nil
}
