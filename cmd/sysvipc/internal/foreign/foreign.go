// Package foreign reads what other programs keep in objects, by their own layouts.
//
// The bytes come from anybody, so nothing in them is believed: each decoder is a pure function that returns an error for
// what cannot be, and reads no more than it was given. [Guess] names a layout only where the object itself is certain.
package foreign

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/sysvipc/sysvipc"
	"github.com/sysvipc/sysvipc/internal/output"
)

// Names are the layouts that are known.
var Names = []string{"ntp", "php", "semian", "postgres"}

// Object is what decoders read. Of a segment it has the first bytes, of a set all values.
type Object struct {
	Kind   sysvipc.Kind
	Key    sysvipc.Key
	Size   int64 // of the segment
	Bytes  []byte
	Values []int
}

// Most is how many bytes of a segment are of use.
const Most = 4 << 20

// Guess returns the layout of an object whose signature is certain, or "": NTP's keys with its size, the words with which
// PHP and PostgreSQL begin. Semian's sets have none.
func Guess(o *Object) string {
	if o.Kind != sysvipc.KindSegment {
		return ""
	}
	if _, err := php(o); err == nil {
		return "php"
	}
	if h, err := postgres(o); err == nil && h.Total == uint64(o.Size) {
		return "postgres"
	}
	if c, err := ntp(o, clockNow()); err == nil && c.Unit != nil {
		return "ntp"
	}
	return ""
}

// Decode reads an object by a layout, one of [Names].
func Decode(as string, o *Object) (*output.Decoded, error) {
	d := &output.Decoded{As: as}
	err := errors.New("there is no such layout")
	switch as {
	case "ntp":
		d.NTP, err = ntp(o, clockNow())
	case "php":
		d.PHP, err = php(o)
	case "semian":
		d.Semian, err = semian(o)
	case "postgres":
		d.Postgres, err = postgres(o)
	}
	if err != nil {
		return nil, fmt.Errorf("it is none of %s: %w", as, err)
	}
	return d, nil
}

// Wants reports whether a layout is one of objects of this kind.
func Wants(as string, kind sysvipc.Kind) bool {
	if as == "semian" {
		return kind == sysvipc.KindSemaphores
	}
	return kind == sysvipc.KindSegment
}

// fields takes a C struct apart: each number stands at a multiple of its alignment. Behind the end all is zero.
type fields struct {
	p     []byte
	at    int
	align int // of numbers of 8 bytes
}

func (f *fields) next(size, align int) []byte {
	f.at = (f.at + align - 1) / align * align
	b := make([]byte, 8)
	if f.at+size <= len(f.p) {
		copy(b, f.p[f.at:f.at+size])
	}
	f.at += size
	return b
}

func (f *fields) uint32() uint32 { return binary.NativeEndian.Uint32(f.next(4, 4)) }
func (f *fields) int() int       { return int(int32(f.uint32())) }
func (f *fields) int64() int64   { return int64(f.uint64()) }
func (f *fields) uint64() uint64 { return binary.NativeEndian.Uint64(f.next(8, f.align)) }

// long is a number of as many bits as the program's words have.
func (f *fields) long(bits int) int64 {
	if bits == 64 {
		return f.int64()
	}
	return int64(f.int())
}

// ulong is the same of numbers that are not negative.
func (f *fields) ulong(bits int) uint64 {
	if bits == 64 {
		return f.uint64()
	}
	return uint64(f.uint32())
}
