package region

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"testing"
	"time"
)

// A recorder that is killed leaves what it had recorded; damage is found before anything
// is replayed.
func TestRecordings(t *testing.T) {
	t.Parallel()
	head := recordHead{Schema: recordSchema, Started: time.Now(), Order: byteOrder(), Structures: []structure{{Name: "a", Size: 8}, {Name: "b", Size: 3}}}
	var file bytes.Buffer
	w, err := newRecordWriter(&file, head)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 5 {
		value := binary.LittleEndian.AppendUint64(nil, uint64(i))
		if err := errors.Join(w.value(0, head.Started.Add(time.Duration(i)), value), w.value(1, head.Started, []byte("abc"))); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.end(); err != nil {
		t.Fatal(err)
	}
	whole := file.Bytes()
	in, err := newRecordReader(bytes.NewReader(whole))
	if err != nil {
		t.Fatal(err)
	}
	for i := range 10 {
		v, err := in.value()
		if err != nil || v.index != i%2 || i%2 == 0 && (binary.LittleEndian.Uint64(v.value) != uint64(i/2) || int(v.after) != i/2) {
			t.Errorf("%d: got %+v (%v)", i, v, err)
		}
	}
	if _, err := in.value(); err != io.EOF {
		t.Errorf("got %v, want the end", err)
	}
	for n := range whole {
		if complete, err := checkRecording(bytes.NewReader(whole[:n])); complete || n > 300 && err != nil {
			t.Errorf("cut off at %d of %d: %v, %v", n, len(whole), complete, err)
		}
		changed := bytes.Clone(whole)
		changed[n] ^= 0x10
		if complete, err := checkRecording(bytes.NewReader(changed)); complete && err == nil {
			t.Errorf("byte %d of %d changed: not noticed", n, len(whole))
		}
	}
}

// What was recorded is played into structures of its own type only, and no value of another length
// is taken for one of them.
func TestRecordedStructures(t *testing.T) {
	t.Parallel()
	v := structure{Name: "a", Kind: "var", Size: 8, Fingerprint: 5, Type: "struct{A int64}"}
	q := structure{Name: "a", Kind: "var", Size: 8, Fingerprint: 7, Type: "A:i32@0,B:i32@4"}
	m := structure{Name: "a", Kind: "map", Size: 8, Fingerprint: 5, KeySize: 4, KeyFingerprint: 6}
	d := structure{Name: "a", Kind: "doc", Size: 10, Codec: "json"}
	for _, c := range []struct {
		recorded, here structure
		fits           bool
	}{
		{v, v, true},
		{v, structure{Name: "a", Kind: "var", Size: 8, Fingerprint: 5, Type: "struct{B int64}"}, true},
		{v, structure{Name: "a", Kind: "var", Size: 8, Fingerprint: 6}, false},
		{q, structure{Name: "a", Kind: "var", Size: 8, Fingerprint: 7, Type: "A:i32@0,C:i32@4"}, true},
		{q, structure{Name: "a", Kind: "var", Size: 8, Fingerprint: 7, Type: "B:i32@0,A:i32@4"}, false},
		{v, structure{Name: "a", Kind: "topic", Size: 8, Fingerprint: 5}, false},
		{m, m, true},
		{m, structure{Name: "a", Kind: "map", Size: 8, Fingerprint: 5, KeySize: 4, KeyFingerprint: 7}, false},
		{d, structure{Name: "a", Kind: "doc", Size: 99, Codec: "json"}, true},
		{d, structure{Name: "a", Kind: "doc", Size: 10, Codec: "gob"}, false},
	} {
		if c.recorded.fits(c.here) != c.fits {
			t.Errorf("%+v in %+v: want %t", c.recorded, c.here, c.fits)
		}
	}
	for n := range 20 {
		if v.has(n) != (n == 8) || m.has(n) != (n == 4 || n == 12) || d.has(n) != (n <= 10) {
			t.Errorf("%d bytes", n)
		}
	}
}
