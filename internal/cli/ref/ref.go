// Package ref reads REFs, which name objects on the command line: [Ref] by ID or by key, [Names] for errors that name an
// object as the user did, [KeyFlags] for the key of a new one.
package ref

import (
	"errors"
	"fmt"
	"io/fs"
	"strconv"
	"strings"

	"github.com/sysvipc/sysvipc"
	"github.com/sysvipc/sysvipc/internal/cli"
	"github.com/sysvipc/sysvipc/internal/cli/arg"
)

// Ref names one object as the user does: by its ID, or by its key in one of the ways
// that keys come about.
type Ref struct {
	Kind sysvipc.Kind
	Text string // as it was written
	ID   int    // -1: by key
	Key  sysvipc.Key
	NS   uint64 // its IPC namespace; 0 where there are none
	how  string // for errors about the object: name=orders; empty by ID
	seen *Names
}

// Words are the words for the kinds, in the order in which they are listed.
var Words = []struct {
	Word string
	Kind sysvipc.Kind
}{
	{"shm", sysvipc.KindSegment},
	{"sem", sysvipc.KindSemaphores},
	{"msg", sysvipc.KindQueue},
}

// Word returns the word for a kind.
func Word(kind sysvipc.Kind) string {
	for _, k := range Words {
		if k.Kind == kind {
			return k.Word
		}
	}
	return ""
}

// KindOf is the reverse of [Word].
func KindOf(word string) (sysvipc.Kind, bool) {
	for _, k := range Words {
		if k.Word == word {
			return k.Kind, true
		}
	}
	return 0, false
}

// Name is how an object is named in output.
func Name(kind sysvipc.Kind, id int) string {
	var room [16]byte
	return string(AppendName(room[:0], kind, id))
}

// AppendName appends it.
func AppendName(dst []byte, kind sysvipc.Kind, id int) []byte {
	if Moved.Home != 0 {
		dst = append(strconv.AppendUint(append(dst, NamespacePrefix...), Moved.Here, 10), '/')
	}
	return strconv.AppendInt(append(append(dst, Word(kind)...), ':'), int64(id), 10)
}

const refForms = "write it as shm:5, sem:key=0x4d2, msg:name=NAME or msg:ftok=PATH:PROJ (see \"sysvipc help ref\")"

// Parse reads a REF. One of another IPC namespace is an error, [Elsewhere]: what has its ID here is another object.
func Parse(s string) (Ref, error) {
	r, err := parse(s)
	if err != nil {
		return r, err
	}
	_, err = here([]Ref{r}, nil)
	return r, err
}

// parse reads a REF of any namespace.
func parse(s string) (Ref, error) {
	object, ns := s, Moved.unnamed()
	if text, ok := strings.CutPrefix(s, NamespacePrefix); ok {
		inode, rest, ok := strings.Cut(text, "/")
		var err error
		if ns, err = strconv.ParseUint(inode, 10, 64); !ok || err != nil {
			return Ref{}, cli.Usage("REF %q: write an IPC namespace as ns=INODE/shm:5, with the number that \"sysvipc ns\" shows", s)
		}
		object = rest
	}
	front, rest, ok := strings.Cut(object, ":")
	kind, known := KindOf(front)
	if !ok || !known {
		return Ref{}, cli.Usage("REF %q names no object: %s", s, refForms)
	}
	r := Ref{Kind: kind, Text: s, ID: -1, NS: ns}
	how, what, byKey := strings.Cut(rest, "=")
	if !byKey {
		id, err := strconv.ParseInt(rest, 10, 32)
		if err != nil || id < 0 {
			return r, cli.Usage("REF %q: %q is no ID: %s", s, rest, refForms)
		}
		r.ID = int(id)
		return r, nil
	}
	key, err := ParseKeyAs(how, what)
	if err != nil {
		return r, err
	}
	if key == sysvipc.Private {
		return r, cli.Usage("REF %q: key 0 (IPC_PRIVATE) names no object: use its ID, as %s:ID", s, front)
	}
	r.Key, r.how = key, rest
	return r, nil
}

// ParseKeyAs makes a key in the way that the word before the equals sign says.
func ParseKeyAs(how, what string) (sysvipc.Key, error) {
	switch how {
	case "key":
		return ParseKey(what)
	case "ftok":
		return arg.ParseFtok(what)
	case "name":
		if what == "" {
			return 0, cli.Usage("name=: the name is empty")
		}
		return sysvipc.KeyOf(what), nil
	}
	return 0, cli.Usage("unknown way %q to name an object: %s", how, refForms)
}

// ParseKey is [sysvipc.ParseKey] for the command line.
func ParseKey(s string) (sysvipc.Key, error) {
	key, err := sysvipc.ParseKey(s)
	if err != nil {
		return 0, cli.Usage("%s", cli.Text(err))
	}
	return key, nil
}

// Find returns the ID of the object. One that is named by its ID need not exist.
func (r Ref) Find() (int, error) {
	if r.ID >= 0 {
		return r.ID, nil
	}
	id, err := r.open()
	r.seen.add(typedName{r.Kind, r.Key, id, r.how})
	if name, ok := strings.CutPrefix(r.how, "name="); ok && r.Kind == sysvipc.KindSemaphores && errors.Is(err, fs.ErrNotExist) {
		if _, e := sysvipc.OpenSemaphores(sysvipc.KeyOf("run/" + name)); e == nil {
			r.seen.Name(err)
			err = fmt.Errorf("%w; the lock of \"sysvipc run --name %s\" is sem:name=run/%s", err, name, name)
		}
	}
	return id, err
}

// Named names a REF in a message: by its ID, and as it was written.
func (r Ref) Named(id int) string {
	if r.ID < 0 {
		return Name(r.Kind, id) + " (" + r.Text + ")"
	}
	return Name(r.Kind, id)
}

// open asks the kernel for the ID.
func (r Ref) open() (int, error) {
	switch r.Kind {
	case sysvipc.KindSegment:
		s, err := sysvipc.OpenSegment(r.Key)
		return IDOf(s, err)
	case sysvipc.KindSemaphores:
		s, err := sysvipc.OpenSemaphores(r.Key)
		return IDOf(s, err)
	default:
		q, err := sysvipc.OpenQueue(r.Key)
		return IDOf(q, err)
	}
}

// IDOf is the ID of what a call that may have failed returned; -1 if it did.
func IDOf(o interface{ ID() int }, err error) (int, error) {
	if err != nil {
		return -1, err
	}
	return o.ID(), nil
}
