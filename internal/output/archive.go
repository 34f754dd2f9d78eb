package output

import "time"

// Archived is an object as a file keeps it: what the kernel only counts or notes is not in it.
type Archived struct {
	Ref  string `json:"ref"`
	Type string `json:"type" enum:"shm,sem,msg"`
	Common
	*ArchivedSegment `when:"type=shm"`
	*ArchivedSet     `when:"type=sem"`
	*ArchivedQueue   `when:"type=msg"`
	Unknown          []string `json:"unknown"`
}

// ArchivedSegment is what a file keeps of a segment, beside its bytes.
type ArchivedSegment struct {
	Size      int64 `json:"size"` // bytes
	Destroyed bool  `json:"destroyed"`
	Locked    bool  `json:"locked"`
}

// ArchivedSet is what a file keeps of a semaphore set, beside its values.
type ArchivedSet struct {
	NSems int `json:"nsems"`
}

// ArchivedQueue is what a file keeps of a queue, beside its messages.
type ArchivedQueue struct {
	Messages int  `json:"messages"`
	Bytes    int  `json:"bytes"`
	MaxBytes *int `json:"max_bytes"`
}

// Archived is the part of an object that a file keeps.
func (o *Object) Archived() *Archived {
	a := &Archived{Ref: o.Ref, Type: o.Type, Common: o.Common}
	for _, name := range o.Unknown {
		switch name {
		case "owner", "group", "max_bytes":
			a.Unknown = append(a.Unknown, name)
		}
	}
	switch {
	case o.Segment != nil:
		a.ArchivedSegment = &ArchivedSegment{o.Size, o.Destroyed, o.Locked}
	case o.Set != nil:
		a.ArchivedSet = &ArchivedSet{o.NSems}
	default:
		a.ArchivedQueue = &ArchivedQueue{o.Messages, o.Bytes, o.MaxBytes}
	}
	return a
}

// DumpedObject is what "dump" tells.
type DumpedObject struct {
	*Archived
	Saved        bool `json:"saved"`
	*DumpedState `when:"saved=true"`
}

// DumpedState is how an object was that is in the file now.
type DumpedState struct {
	WasAttached bool `json:"was_attached"` // it was attached for a moment, to be read
	InUse       bool `json:"in_use"`       // it changed while it was saved
}

// RestoredObject is what "restore" and "undo" tell.
type RestoredObject struct {
	*Archived
	Outcome    string  `json:"outcome" enum:"restored,would-restore,skipped,failed"`
	RestoredAs *string `json:"restored_as"` // its new REF
}

// Event is a line of "watch --jsonl".
type Event struct {
	Time  time.Time `json:"time"`
	Event string    `json:"event" enum:"made,removed,destroyed,attached,detached,used,operated,set,sent,received,owner,mode"`
	What  *string   `json:"what"`
	*Archived
}

// SeenEvent is what the daemon noticed from one look to the next, at /api/v1/events.
type SeenEvent struct {
	Time  time.Time `json:"time"` // of the look
	Event string    `json:"event" enum:"made,removed,found,solved,more"`
	Ref   string    `json:"ref"`  // "" for what a check of doctor finds
	Text  string    `json:"text"` // what the object was, or what is found
}

// RemovedFile is what "undo --list" tells of a file. Size is bytes.
type RemovedFile struct {
	File      string    `json:"file"`
	Time      time.Time `json:"time"` // when the run began that saved it
	Size      int64     `json:"size"`
	Program   *string   `json:"program"`
	Namespace *string   `json:"namespace"` // as the link /proc/self/ns/ipc has it
	Undone    bool      `json:"undone"`    // all of it was brought back
	Unknown   []string  `json:"unknown"`
}
