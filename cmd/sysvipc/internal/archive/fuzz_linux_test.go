package archive

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"io"
	"testing"
)

// mend makes all checksums and numbers right, so that what is changed reaches the code behind them.
func mend(file []byte) {
	le := binary.LittleEndian
	at := prefaceLen
	for n := uint32(0); at+headLen <= len(file); n++ {
		h := file[at : at+headLen]
		stored := int(le.Uint32(h[8:]))
		if at += headLen; stored > len(file)-at {
			stored = len(file) - at
		}
		le.PutUint32(h[12:], crc32.Checksum(file[at:at+stored], castagnoli))
		le.PutUint32(h[24:], n)
		le.PutUint32(h[28:], crc32.Checksum(h[:28], castagnoli))
		at += stored
	}
}

// Whatever the bytes are, reading ends, nothing panics, and no more memory is taken than there are bytes for.
func FuzzReader(f *testing.F) {
	seed := func(fill func(w *Writer)) {
		var b bytes.Buffer
		w, err := NewWriter(&b, Header{})
		if err != nil {
			f.Fatal(err)
		}
		fill(w)
		if err := w.Close(); err != nil {
			f.Fatal(err)
		}
		f.Add(b.Bytes(), true)
		f.Add(b.Bytes(), false)
	}
	seed(func(*Writer) {})
	seed(func(w *Writer) {
		w.Begin(&Object{Kind: "shm", Size: 10000})
		w.Fill(4096, 100, func(p []byte) error { copy(p, "text"); return nil })
		w.End(nil)
		w.Begin(&Object{Kind: "sem", Len: 2})
		w.Write([]byte{1, 0, 2, 0})
		w.End(nil)
	})
	seed(func(w *Writer) {
		w.Begin(&Object{Kind: "msg", Messages: 2, Bytes: 5})
		w.Write([]byte("\x01\x00\x00\x00\x00\x00\x00\x00\x05\x00\x00\x00hello\x02\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"))
		w.End(nil)
		w.Begin(&Object{Kind: "shm", Size: 1 << 40})
		w.End(io.ErrUnexpectedEOF)
	})
	f.Fuzz(func(t *testing.T, file []byte, mended bool) {
		if mended {
			mend(file)
		}
		r, err := NewReader(bytes.NewReader(file))
		if err != nil {
			return
		}
		for o, err := range r.Objects() {
			if err != nil {
				return
			}
			m := &messageParser{left: o.Bytes, send: func(_ int64, text []byte) error {
				if int64(len(text)) > o.Bytes {
					t.Errorf("a message of %d bytes in a queue of %d", len(text), o.Bytes)
				}
				return nil
			}}
			sum := int64(0)
			err := r.Content(false, func(position int64, p []byte) error {
				sum += int64(len(p))
				if o.Kind == "shm" && (position < 0 || position+int64(len(p)) > o.Size) {
					t.Errorf("%d bytes at %d of a segment of %d", len(p), position, o.Size)
				}
				if o.Kind == "msg" {
					return m.write(p)
				}
				return nil
			})
			if err == nil && o.contentLen() >= 0 && sum != o.contentLen() {
				t.Errorf("%s has %d bytes, want %d", o.Ref(), sum, o.contentLen())
			}
		}
	})
}
