// Package dynamic uses what lies in a region of package shared without the Go types of its
// values: to show, to watch and to change whatever there is, as the command's region verbs do.
//
// A [Region] finds structures by their names. [Region.Find] returns a [*Var], a [*Map], or
// another type for each kind, each with what that kind can do. Values are bytes, which the
// structure's [shape.Type] turns into JSON and back. What package shared says of crashes and of
// waiting holds here too.
//
//	found, err := dynamic.Of(r).Find("best")
//	if err != nil {
//		return err
//	}
//	if best, ok := found.(*dynamic.Var); ok {
//		value, err := best.Load()
//		fmt.Printf("%s %v\n", best.Type.AppendJSON(nil, value), err)
//	}
package dynamic

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"github.com/sysvipc/sysvipc"
	"github.com/sysvipc/sysvipc/shared"
	"github.com/sysvipc/sysvipc/shared/internal/core"
	"github.com/sysvipc/sysvipc/shared/internal/structure"
	"github.com/sysvipc/sysvipc/shared/shape"
)

// ErrReadOnly: the region is attached for reading only, by [Look], and the call would have to
// write.
var ErrReadOnly = errors.New("the region is attached for reading only")

// Region is a region whose structures are used without their types. Safe for concurrent use.
type Region struct{ core *core.Region }

// Of returns r, which remains open until it is closed.
func Of(r *shared.Region) *Region { return &Region{core.Of(r)} }

// Observer is a region that this process only reads, and takes no part in: it takes no slot, and
// nobody in the region notices. The kernel does: it counts the attach, and notes the time and the
// pid.
type Observer struct{ Region }

// Look attaches the region in a segment for reading only. It fails with [shared.ErrNoRegion] if
// there is none. Close it.
func Look(seg *sysvipc.Segment) (*Observer, error) { return observer(core.Look(seg, structure.Kinds)) }

// LookFile is [Look] for a region in a file.
func LookFile(path string) (*Observer, error) { return observer(core.LookFile(path, structure.Kinds)) }

func observer(r *core.Region, err error) (*Observer, error) {
	if err != nil {
		return nil, err
	}
	return &Observer{Region{r}}, nil
}

// Close detaches the region.
func (o *Observer) Close() error { return o.core.Detach() }

// Info returns what the region says of itself.
func (r *Region) Info() (shared.Info, error) {
	info, err := r.core.Describe()
	return shared.Info(info), err
}

// Participants returns who has the region open, in the order of their slots. Nobody is alive in a
// file that was not opened since the system was started.
func (r *Region) Participants() (all []shared.Participant, err error) {
	there, err := r.core.Participants()
	for _, p := range there {
		all = append(all, shared.Participant(p))
	}
	return all, err
}

// Structure is what lies in a region under a name: a [*Var], [*Counter], [*Mutex], [*RWMutex],
// [*Map], [*Chan], [*Topic], [*Doc], [*Records], or [*Unknown].
type Structure interface {
	Describe() *Description
}

// Description is what a region says of a structure.
type Description struct {
	Name   string
	Kind   string // "var", "counter", "mutex", "rwmutex", "map", "chan", "topic", "doc", "records"
	Offset int64  // of its bytes
	Size   int64  // of its bytes
	Cap    int    // of a map, chan or topic, and of a doc or records in bytes; else 0
	Codec  string // of a doc: "json" if it is JSON; else ""

	// Type is that of the value, of the messages, or of the values of a map. It is nil
	// where there is none, and where the description cannot be read.
	Type *shape.Type
	// Key is the type of a map's keys, and Entry that of its entries, with the fields key and
	// value; else nil.
	Key, Entry *shape.Type

	region *core.Region
}

// Describe returns the description.
func (d *Description) Describe() *Description { return d }

// Unknown is a structure of a kind that this release does not know, or whose type cannot be read.
type Unknown struct{ Description }

// All returns what there is in the region, in the order in which it was made.
func (r *Region) All() ([]Structure, error) {
	var all []Structure
	err := r.core.EachEntry(func(e core.Found) { all = append(all, newStructure(e)) })
	if err != nil {
		return nil, err
	}
	slices.SortFunc(all, func(a, b Structure) int { return int(a.Describe().Offset - b.Describe().Offset) })
	return all, nil
}

// Find returns the structure with this name. It fails with [fs.ErrNotExist] if there is none.
func (r *Region) Find(name string) (Structure, error) {
	e, ok, err := r.core.FindEntry(name)
	if err != nil {
		return nil, err
	}
	if !ok {
		return nil, fmt.Errorf("shared: region %q has no %q: %w", r.core.Name, name, fs.ErrNotExist)
	}
	return newStructure(e), nil
}

// newStructure makes the type of an entry's kind. What others have written there is not believed.
func newStructure(e core.Found) Structure {
	t := e.Structure
	d := Description{Name: strings.Clone(t.Name), Kind: structure.Kinds.Of(e.Kind).Name, Offset: int64(t.Offset), Size: int64(t.Size), region: t.Region}
	if d.Kind == "" {
		d.Kind = fmt.Sprintf("kind%d", e.Kind)
	}
	typed := func(size uint64) bool {
		d.Type, _ = shape.TypeOf(e.Shape, size, e.Fingerprint)
		return d.Type != nil
	}
	switch e.Kind {
	case structure.KindMutex:
		if t.Size >= core.MutexBytes {
			return &Mutex{d, t}
		}
	case structure.KindRWMutex:
		if structure.RWMutexFits(t) {
			return &RWMutex{d, t}
		}
	case structure.KindCounter:
		if t.Size == structure.WordLen(t.Region) {
			d.Type = shape.TypeOfNumber("i64")
			return &Counter{d, structure.NewWord(t)}
		}
	case structure.KindVar:
		if structure.VariableFits(t) && typed(t.Params[0]) {
			return &Var{d, structure.VariableOf(t)}
		}
	case structure.KindChan:
		if c, ok := structure.RingOf(t); ok {
			if d.Cap = c.Cap(); typed(t.Params[0]) {
				return &Chan{d, c}
			}
		}
	case structure.KindTopic:
		if c, ok := structure.TopicOf(t); ok {
			if d.Cap = c.Cap(); typed(t.Params[0]) {
				return &Topic{d, c}
			}
		}
	case structure.KindRecords:
		if c, ok := structure.RecordsOf(t); ok {
			d.Cap = int(t.Params[0])
			return &Records{d, c}
		}
	case structure.KindDoc:
		if doc, ok := structure.DocOf(t, e.Shape); ok {
			d.Codec, d.Cap = doc.Codec, int(doc.Capacity)
			return &Doc{d, doc}
		}
	case structure.KindMap:
		if l, ok := structure.LayoutOf(t); ok {
			d.Cap = int(l.Capacity)
			if cell, err := shape.TypeOf(e.Shape, l.Stride, e.Fingerprint); err == nil {
				d.Key, _ = cell.Part("key", l.Key)
				d.Type, _ = cell.Part("value", l.Val)
				d.Entry = cell
			}
			if d.Key != nil && d.Type != nil {
				return &Map{d, structure.NewTable(t, l, shape.Blank(d.Key.Size(), []shape.Field{d.Key.Root()}))}
			}
		}
	}
	return &Unknown{d}
}

func (d *Description) fail(format string, args ...any) error {
	return fmt.Errorf("shared: %s %q in region %q: "+format, append([]any{d.Kind, d.Name, d.region.Name}, args...)...)
}

// writable is an error if this process only reads the region.
func (d *Description) writable() error {
	if d.region.Slot < 0 {
		return d.fail("%w", ErrReadOnly)
	}
	return nil
}

// fits checks the length of a value that the caller hands in.
func (d *Description) fits(value []byte, t *shape.Type) error {
	if len(value) != t.Size() {
		return d.fail("a value of %d bytes, where it has %d", len(value), t.Size())
	}
	return nil
}

// Position says how far a structure has come, to compute rates from. What it does not count is 0.
type Position struct {
	In  uint64 // changes of a var or doc, the value of a counter, messages that were sent or published
	Out uint64 // messages that were received
	// Of records both are bytes, with what each takes of the room besides.
}

// Hold is why others wait for a participant at a structure, or may have to.
type Hold struct {
	// Slot is that of the participant, as [shared.Participant] has it, or -1: then TID is
	// that of none of them, such as of a C program that has not joined.
	Slot int
	Role HoldRole
	TID  int    // of a thread of the holder of a lock
	N    uint64 // how often a process reads, or how many messages a gated subscriber has yet to take
}

// HoldRole is in which way a structure is held.
type HoldRole string

const (
	HoldLocks      HoldRole = "locks"      // a mutex, or an rwmutex for writing; also a writer that waits for its readers
	HoldReads      HoldRole = "reads"      // an rwmutex
	HoldSubscribes HoldRole = "subscribes" // to a topic, gated
)

func holds(all []structure.Hold, role HoldRole) (out []Hold) {
	for _, h := range all {
		out = append(out, Hold{Slot: h.Slot, Role: role, TID: h.TID, N: h.N})
	}
	return out
}
