package archive

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"slices"

	"github.com/klauspost/compress/s2"
)

const (
	magic      = "sysvipc\x1adump"
	version    = 1
	prefaceLen = len(magic) + 4
	headLen    = 32
	blockSize  = 1 << 20 // the longest payload, packed or not
)

// The types of blocks.
const (
	blockHeader = 'H'
	blockObject = 'O'
	blockData   = 'D'
	blockEnd    = 'E'
	blockLast   = 'Z'
)

// The codecs.
const (
	asIs = iota
	packed
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// block is a piece of a file on its way. Its rooms grow as they are needed, and are used again.
type block struct {
	typ      byte
	position int64
	number   uint32
	plain    []byte // the payload, unpacked
	room     []byte // for the packed payload

	head   [headLen]byte
	stored []byte        // the payload as it is in the file: plain, or in room
	ready  chan struct{} // one token when head and stored are made
}

func newBlock() *block {
	return &block{ready: make(chan struct{}, 1)}
}

// grown returns room for n bytes, which are anything.
func grown(room []byte, n int) []byte { return slices.Grow(room[:0], n)[:n] }

// pack makes head and stored. A payload that does not get smaller is stored as it is.
func (b *block) pack() {
	codec := byte(asIs)
	b.stored = b.plain
	b.room = grown(b.room, s2.MaxEncodedLen(len(b.plain)))
	if p := s2.Encode(b.room, b.plain); len(p) < len(b.plain) {
		codec, b.stored = packed, p
	}
	h := b.head[:]
	clear(h)
	h[0], h[1] = b.typ, codec
	le := binary.LittleEndian
	le.PutUint32(h[4:], uint32(len(b.plain)))
	le.PutUint32(h[8:], uint32(len(b.stored)))
	le.PutUint32(h[12:], crc32.Checksum(b.stored, castagnoli))
	le.PutUint64(h[16:], uint64(b.position))
	le.PutUint32(h[24:], b.number)
	le.PutUint32(h[28:], crc32.Checksum(h[:28], castagnoli))
}

// errTruncated is a stream that ends too early.
var errTruncated = errors.New("the file ends here, and is not whole")

// read reads the next block, and checks all but its payload. After an error nothing that
// follows can be understood.
func (b *block) read(r io.Reader, number uint32) error {
	h := b.head[:]
	if _, err := io.ReadFull(r, h); err != nil {
		return tooShort(err)
	}
	le := binary.LittleEndian
	if le.Uint32(h[28:]) != crc32.Checksum(h[:28], castagnoli) {
		return errors.New("a checksum is wrong, of what says how to read on")
	}
	b.typ, b.number, b.position = h[0], le.Uint32(h[24:]), int64(le.Uint64(h[16:]))
	plain, stored := le.Uint32(h[4:]), le.Uint32(h[8:])
	switch {
	case b.number != number:
		return fmt.Errorf("block %d stands where block %d belongs", b.number, number)
	case h[1] > packed || h[2] != 0 || h[3] != 0:
		return fmt.Errorf("codec %d is unknown: a later version may have written it", h[1])
	case plain > blockSize || stored > blockSize || h[1] == asIs && plain != stored:
		return fmt.Errorf("a block of %d bytes, %d when unpacked, is not possible", stored, plain)
	case b.position < 0:
		return errors.New("a position is negative")
	}
	b.room = grown(b.room, int(stored))
	b.stored = b.room
	_, err := io.ReadFull(r, b.stored)
	return tooShort(err)
}

func tooShort(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return errTruncated
	}
	return err
}

// unpack checks the payload and makes plain.
func (b *block) unpack() error {
	le := binary.LittleEndian
	if le.Uint32(b.head[12:]) != crc32.Checksum(b.stored, castagnoli) {
		return errors.New("a checksum is wrong")
	}
	want := int(le.Uint32(b.head[4:]))
	if b.head[1] == asIs {
		b.plain = append(b.plain[:0], b.stored...)
		return nil
	}
	if n, err := s2.DecodedLen(b.stored); err != nil || n != want {
		return fmt.Errorf("a block unpacks to %d bytes, not to %d", n, want)
	}
	plain, err := s2.Decode(grown(b.plain, want), b.stored)
	if err != nil {
		return fmt.Errorf("a block cannot be unpacked: %w", err)
	}
	b.plain = plain
	return nil
}
