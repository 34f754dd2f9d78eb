package region

import (
	"bufio"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"time"

	"github.com/sysvipc/sysvipc/internal/plural"
	"github.com/sysvipc/sysvipc/shared/dynamic"
	"github.com/sysvipc/sysvipc/shared/shape"
)

// A recording is a file of blocks, each with a length, a checksum (CRC-32C of what
// follows), and that many bytes. Numbers are little-endian:
//
//	8 bytes   "SYSVREC" and the version, 1
//	u32 u32   length and checksum, then the first byte of the block says what it is:
//	'h'       what was recorded, as JSON: recordHead
//	'v'       u16 number of the structure, u64 nanoseconds since the beginning, the value: of a
//	          map a key and its value, or the key alone if it was deleted
//	'e'       u64 how many values there are: the end
//
// A recorder that is killed leaves a file without an end, and perhaps with half a block.
const (
	recordMagic   = "SYSVREC\x01"
	maxBlock      = 1<<30 + 64
	maxHead       = 1 << 26
	recordFixed   = 1 + 2 + 8 // bytes of a 'v' before the value
	maxRecordings = 1 << 16   // structures in a file
)

// recordHead says what was recorded. The values have the byte order of the machine.
type recordHead struct {
	Schema     string      `json:"schema"`
	Region     string      `json:"region"`
	Started    time.Time   `json:"started"`
	Order      string      `json:"byte_order"`
	Structures []structure `json:"things"`
}

type structure struct {
	Name        string `json:"name"`
	Kind        string `json:"kind"`
	Size        int    `json:"size"`
	Fingerprint uint64 `json:"fingerprint"`
	Type        string `json:"type,omitempty"`
	Codec       string `json:"codec,omitempty"` // of a doc, whose values have up to size bytes

	// Of the keys of a map.
	KeySize        int    `json:"key_size,omitempty"`
	KeyFingerprint uint64 `json:"key_fingerprint,omitempty"`
	Key            string `json:"key,omitempty"`
}

// describe says what is to be known of a structure to play it back.
func describe(a *dynamic.Description) structure {
	d := structure{Name: a.Name, Kind: a.Kind, Codec: a.Codec}
	if a.Kind == "doc" {
		d.Size = a.Cap
	}
	if a.Type != nil {
		d.Size, d.Fingerprint, d.Type = a.Type.Size(), a.Type.Fingerprint(), a.Type.String()
	}
	if a.Key != nil {
		d.KeySize, d.KeyFingerprint, d.Key = a.Key.Size(), a.Key.Fingerprint(), a.Key.String()
	}
	return d
}

// fits reports whether values that were recorded of d can be those of a structure like other.
func (d structure) fits(other structure) bool {
	if d.Kind == "doc" {
		d.Size, other.Size = 0, 0 // a value that is too big is refused
	}
	moved := shape.MovedField(d.Type, other.Type) + shape.MovedField(d.Key, other.Key)
	d.Type, d.Key, other.Type, other.Key = "", "", "", "" // the fingerprints tell the rest
	return d == other && moved == ""
}

// said is how errors name it.
func (d structure) said() string {
	switch d.Kind {
	case "doc":
		return "doc in " + d.Codec
	case "map":
		return fmt.Sprintf("map of %s to %s", d.Key, d.Type)
	}
	return fmt.Sprintf("%s of %s", d.Kind, d.Type)
}

// has reports whether a value may have so many bytes.
func (d structure) has(n int) bool {
	switch d.Kind {
	case "doc":
		return n <= d.Size
	case "map":
		return n == d.KeySize || n == d.KeySize+d.Size
	}
	return n == d.Size
}

const recordSchema = "sysvipc-record/1"

// byteOrder is that of this machine.
func byteOrder() string {
	if binary.NativeEndian.Uint16([]byte{1, 0}) == 1 {
		return "little"
	}
	return "big"
}

// recordWriter writes a recording.
type recordWriter struct {
	out   *bufio.Writer
	start time.Time
	count uint64
	block []byte
}

func newRecordWriter(w io.Writer, head recordHead) (*recordWriter, error) {
	r := &recordWriter{out: bufio.NewWriterSize(w, 64<<10), start: head.Started}
	text, err := json.Marshal(head)
	if err != nil {
		return nil, err
	}
	r.out.WriteString(recordMagic)
	return r, r.write(append([]byte{'h'}, text...))
}

// write writes a block. Errors of the buffer stay until Flush.
func (r *recordWriter) write(block []byte) error {
	var frame [8]byte
	binary.LittleEndian.PutUint32(frame[:], uint32(len(block)))
	binary.LittleEndian.PutUint32(frame[4:], crc32.Checksum(block, crc32.MakeTable(crc32.Castagnoli)))
	r.out.Write(frame[:])
	_, err := r.out.Write(block)
	return err
}

func (r *recordWriter) value(index int, at time.Time, value []byte) error {
	r.count++
	b := append(r.block[:0], 'v')
	b = binary.LittleEndian.AppendUint16(b, uint16(index))
	b = binary.LittleEndian.AppendUint64(b, uint64(max(at.Sub(r.start), 0)))
	r.block = append(b, value...)
	return r.write(r.block)
}

func (r *recordWriter) end() error {
	if err := r.write(binary.LittleEndian.AppendUint64([]byte{'e'}, r.count)); err != nil {
		return err
	}
	return r.out.Flush()
}

// recorded is one value of a recording. The bytes are valid until the next one.
type recorded struct {
	index int
	after time.Duration
	value []byte
}

// recordReader reads a recording, and believes nothing.
type recordReader struct {
	in    *bufio.Reader
	head  recordHead
	count uint64
	block []byte
}

// errCutOff: a recording ends before its end.
var errCutOff = errors.New("the file is cut off: its recorder was killed, or the disk was full")

func newRecordReader(in io.Reader) (*recordReader, error) {
	r := &recordReader{in: bufio.NewReaderSize(in, 64<<10)}
	magic := make([]byte, len(recordMagic))
	if _, err := io.ReadFull(r.in, magic); err != nil || string(magic[:7]) != recordMagic[:7] {
		return nil, errors.New("this is no recording of \"sysvipc region record\"")
	}
	if magic[7] != recordMagic[7] {
		return nil, fmt.Errorf("the recording has version %d, and this program knows version %d", magic[7], recordMagic[7])
	}
	block, err := r.next(maxHead)
	if err == io.EOF {
		err = errCutOff
	}
	if err != nil {
		return nil, err
	}
	if len(block) == 0 || block[0] != 'h' {
		return nil, errors.New("the recording does not begin with what was recorded")
	}
	if err := json.Unmarshal(block[1:], &r.head); err != nil {
		return nil, fmt.Errorf("the recording does not say what was recorded: %w", err)
	}
	switch {
	case r.head.Schema != recordSchema:
		return nil, fmt.Errorf("the recording has schema %q, and this program knows %q", r.head.Schema, recordSchema)
	case r.head.Order != byteOrder():
		return nil, fmt.Errorf("the recording was made on a machine with another byte order: %s", r.head.Order)
	case len(r.head.Structures) > maxRecordings:
		return nil, errors.New("the recording has too many structures")
	}
	for _, d := range r.head.Structures {
		if d.Size < 0 || d.Size > maxBlock || d.KeySize < 0 || d.KeySize > maxBlock {
			return nil, fmt.Errorf("the recording is damaged: values of %d bytes", max(d.Size, d.KeySize))
		}
	}
	return r, nil
}

// next reads a block of at most so many bytes. The end of the file is io.EOF.
func (r *recordReader) next(most uint32) ([]byte, error) {
	var frame [8]byte
	if _, err := io.ReadFull(r.in, frame[:]); err != nil {
		if err == io.ErrUnexpectedEOF {
			err = errCutOff
		}
		return nil, err
	}
	n := binary.LittleEndian.Uint32(frame[:])
	if n > most {
		return nil, fmt.Errorf("the recording is damaged: a block of %d bytes", n)
	}
	// In pieces, since a damaged length may be large.
	r.block = r.block[:0]
	for left := int(n); left > 0; {
		piece := min(left, 1<<20)
		at := len(r.block)
		r.block = append(r.block, make([]byte, piece)...)
		if _, err := io.ReadFull(r.in, r.block[at:]); err != nil {
			if err == io.EOF || err == io.ErrUnexpectedEOF {
				err = errCutOff
			}
			return nil, err
		}
		left -= piece
	}
	if crc32.Checksum(r.block, crc32.MakeTable(crc32.Castagnoli)) != binary.LittleEndian.Uint32(frame[4:]) {
		return nil, fmt.Errorf("the recording is damaged: wrong checksum behind %s", plural.Of(int(r.count), "value"))
	}
	return r.block, nil
}

// value returns the next value. The end is io.EOF, and errCutOff if it comes too early.
func (r *recordReader) value() (v recorded, err error) {
	block, err := r.next(maxBlock)
	if err == io.EOF {
		err = errCutOff
	}
	if err != nil {
		return v, err
	}
	damaged := fmt.Errorf("the recording is damaged behind %s", plural.Of(int(r.count), "value"))
	switch {
	case len(block) == 9 && block[0] == 'e':
		if binary.LittleEndian.Uint64(block[1:]) != r.count {
			return v, damaged
		}
		return v, io.EOF
	case len(block) < recordFixed || block[0] != 'v':
		return v, damaged
	}
	v.index = int(binary.LittleEndian.Uint16(block[1:]))
	v.after = time.Duration(binary.LittleEndian.Uint64(block[3:]))
	v.value = block[recordFixed:]
	if v.index >= len(r.head.Structures) || !r.head.Structures[v.index].has(len(v.value)) || v.after < 0 {
		return v, damaged
	}
	r.count++
	return v, nil
}
