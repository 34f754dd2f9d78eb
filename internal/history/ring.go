package history

import (
	"bufio"
	"encoding/binary"
	"hash/crc32"
	"io"
	"sort"
)

// ring is a part of a store that holds the newest n records of one size. A record is in a slot with a
// checksum, so that one that was half written when the machine lost its power, or is being written by
// another process, is known.
type ring struct {
	store store
	base  int64 // where it begins
	size  int64 // bytes of a slot
	n     int64 // slots
	next  int64 // the sequence number of the next record, whose slot is that number modulo n
}

type store interface {
	io.ReaderAt
	io.WriterAt
}

// slotHead is what a slot has before its record: checksum, sequence number.
const slotHead = 4 + 8

// put writes the record of a sequence number.
func (r *ring) put(seq int64, record any) error {
	buf := binary.LittleEndian.AppendUint64(make([]byte, 4, r.size), uint64(seq))
	buf, err := binary.Append(buf, binary.LittleEndian, record)
	if err != nil {
		return err
	}
	binary.LittleEndian.PutUint32(buf, checksum(buf[4:]))
	_, err = r.store.WriteAt(buf, r.base+seq%r.n*r.size)
	return err
}

// add writes the next record.
func (r *ring) add(record any) error {
	err := r.put(r.next, record)
	if err == nil {
		r.next++
	}
	return err
}

// checksum is not 0 for zeros.
func checksum(b []byte) uint32 { return ^crc32.ChecksumIEEE(b) | 1 }

// read gets the record of a sequence number, if the slot has that one.
func (r *ring) read(seq int64, record any) bool {
	buf := make([]byte, r.size)
	if _, err := r.store.ReadAt(buf, r.base+seq%r.n*r.size); err != nil {
		return false
	}
	got, ok := parse(buf, record)
	return ok && got == seq
}

func parse(slot []byte, record any) (seq int64, ok bool) {
	if binary.LittleEndian.Uint32(slot) != checksum(slot[4:]) {
		return 0, false
	}
	_, err := binary.Decode(slot[slotHead:], binary.LittleEndian, record)
	return int64(binary.LittleEndian.Uint64(slot[4:])), err == nil
}

// load finds the newest record, by reading all slots once.
func (r *ring) load() {
	slots := bufio.NewReaderSize(io.NewSectionReader(r.store, r.base, r.n*r.size), 1<<16)
	buf := make([]byte, r.size)
	for i := range r.n {
		if _, err := io.ReadFull(slots, buf); err != nil {
			return // the file ends here: what follows was never written
		}
		if seq := int64(binary.LittleEndian.Uint64(buf[4:])); binary.LittleEndian.Uint32(buf) == checksum(buf[4:]) && seq >= 0 && seq < 1<<62 && seq%r.n == i {
			r.next = max(r.next, seq+1)
		}
	}
}

// oldest is the sequence number of the oldest record.
func (r *ring) oldest() int64 { return max(0, r.next-r.n) }

// from is the sequence number of the first record from a time on, in milliseconds: a record begins with its time.
func (r *ring) from(time int64) int64 {
	oldest := r.oldest()
	return oldest + int64(sort.Search(int(r.next-oldest), func(i int) bool {
		var at int64
		return r.read(oldest+int64(i), &at) && at >= time
	}))
}
