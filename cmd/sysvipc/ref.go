package main

import (
	"strconv"
	"strings"

	"github.com/sysvipc/sysvipc"
	"github.com/sysvipc/sysvipc/inspect"
	"github.com/sysvipc/sysvipc/internal/cli"
)

// ref names one object as the user does: by its ID, or by its key in one of the ways
// that keys come about.
type ref struct {
	kind sysvipc.Kind
	text string // as it was written
	id   int    // -1: by key
	key  sysvipc.Key
	how  string // for errors about the object: name=orders; empty by ID
	seen *typedNames
}

// The words for the kinds, in the order in which they are listed.
var kindWords = []struct {
	word string
	kind sysvipc.Kind
}{
	{"shm", sysvipc.KindSegment},
	{"sem", sysvipc.KindSemaphores},
	{"msg", sysvipc.KindQueue},
}

// word returns the word for a kind.
func word(kind sysvipc.Kind) string {
	for _, k := range kindWords {
		if k.kind == kind {
			return k.word
		}
	}
	return ""
}

// kindOf is the reverse of word.
func kindOf(word string) (sysvipc.Kind, bool) {
	for _, k := range kindWords {
		if k.word == word {
			return k.kind, true
		}
	}
	return 0, false
}

// refName is how an object is named in output.
func refName(kind sysvipc.Kind, id int) string {
	var room [16]byte
	return string(appendRefName(room[:0], kind, id))
}

func appendRefName(dst []byte, kind sysvipc.Kind, id int) []byte {
	return strconv.AppendInt(append(append(dst, word(kind)...), ':'), int64(id), 10)
}

const refForms = "write it as shm:5, sem:key=0x4d2, msg:name=NAME or msg:ftok=PATH:PROJ (see \"sysvipc help ref\")"

// nsPrefix begins a REF that names its IPC namespace: IDs begin at 0 in each of them.
const nsPrefix = "ns="

// parseRef reads a REF. One of another IPC namespace is refused: what has its ID here is another object.
func parseRef(s string) (ref, error) {
	object := s
	if text, ok := strings.CutPrefix(s, nsPrefix); ok {
		inode, rest, ok := strings.Cut(text, "/")
		ns, err := strconv.ParseUint(inode, 10, 64)
		if !ok || err != nil {
			return ref{}, cli.Usage("REF %q: write an IPC namespace as ns=INODE/shm:5, with the number that \"sysvipc ns\" shows", s)
		}
		if here := inspect.CurrentNamespace(); ns != here {
			return ref{}, cli.Fail(cli.ExitRefused, "%s is in IPC namespace %d, and this command in %d: run it there with \"nsenter --ipc=PATH sysvipc …\" (\"sysvipc ns\" shows what leads there)", s, ns, here)
		}
		object = rest
	}
	front, rest, ok := strings.Cut(object, ":")
	kind, known := kindOf(front)
	if !ok || !known {
		return ref{}, cli.Usage("REF %q names no object: %s", s, refForms)
	}
	r := ref{kind: kind, text: s, id: -1}
	how, what, byKey := strings.Cut(rest, "=")
	if !byKey {
		id, err := strconv.ParseInt(rest, 10, 32)
		if err != nil || id < 0 {
			return r, cli.Usage("REF %q: %q is no ID: %s", s, rest, refForms)
		}
		r.id = int(id)
		return r, nil
	}
	key, err := parseKeyAs(how, what)
	if err != nil {
		return r, err
	}
	if key == sysvipc.Private {
		return r, cli.Usage("REF %q: key 0 (IPC_PRIVATE) names no object: use its ID, as %s:ID", s, front)
	}
	r.key, r.how = key, rest
	return r, nil
}

// parseKeyAs makes a key in the way that the word before the equals sign says.
func parseKeyAs(how, what string) (sysvipc.Key, error) {
	switch how {
	case "key":
		return parseKey(what)
	case "ftok":
		return parseFtok(what)
	case "name":
		if what == "" {
			return 0, cli.Usage("name=: the name is empty")
		}
		return sysvipc.KeyOf(what), nil
	}
	return 0, cli.Usage("unknown way %q to name an object: %s", how, refForms)
}

// parseKey is [sysvipc.ParseKey] for the command line.
func parseKey(s string) (sysvipc.Key, error) {
	key, err := sysvipc.ParseKey(s)
	if err != nil {
		return 0, cli.Usage("%s", cli.Text(err))
	}
	return key, nil
}

// find returns the ID of the object. One that is named by its ID need not exist.
func (r ref) find() (int, error) {
	if r.id >= 0 {
		return r.id, nil
	}
	id, err := r.open()
	r.seen.add(typedName{r.kind, r.key, id, r.how})
	return id, err
}

// named is how a REF is told of: by its ID, and as it was written.
func (r ref) named(id int) string {
	if r.id < 0 {
		return refName(r.kind, id) + " (" + r.text + ")"
	}
	return refName(r.kind, id)
}

// open asks the kernel for the ID.
func (r ref) open() (int, error) {
	switch r.kind {
	case sysvipc.KindSegment:
		s, err := sysvipc.OpenSegment(r.key)
		return idOf(s, err)
	case sysvipc.KindSemaphores:
		s, err := sysvipc.OpenSemaphores(r.key)
		return idOf(s, err)
	default:
		q, err := sysvipc.OpenQueue(r.key)
		return idOf(q, err)
	}
}

func idOf(o interface{ ID() int }, err error) (int, error) {
	if err != nil {
		return -1, err
	}
	return o.ID(), nil
}
