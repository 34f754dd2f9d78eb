package dashboard

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"sort"
	"sync"
	"time"
)

// Sample is what a look amounts to, for the history. The unknown is the largest number of its type.
type Sample struct {
	Time                                   int64 // Unix time in milliseconds
	Bytes, Resident, Swapped, MessageBytes uint64
	Segments, Sets, Semaphores, Queues     uint32
	Attaches, Messages, Waiting, Oldest    uint32 // the last in seconds
	Orphans, Candidates, Deadlocks         uint32
	Blocked                                uint32 // queues that are full or stuck
}

// sampleOf sums a look up.
func sampleOf(look *Look) Sample {
	t, w := totalsOf(look.Snapshot), waitsOf(look.Snapshot)
	s := Sample{
		Time: look.Time.UnixMilli(), Bytes: uint64(t.Bytes), Resident: uint64(t.Resident), Swapped: uint64(t.Swapped), MessageBytes: uint64(t.MessageBytes),
		Segments: uint32(look.Limits.Segments.InUse), Sets: uint32(look.Limits.Semaphores.InUse), Semaphores: uint32(look.Limits.Semaphores.InTotal),
		Queues: uint32(look.Limits.Queues.InUse), Attaches: uint32(t.Attaches), Messages: uint32(t.Messages), Waiting: uint32(len(look.Waits)),
		Oldest: uint32(w.Oldest / time.Second), Deadlocks: uint32(w.Deadlocks), Blocked: uint32(w.FullQueues + w.StuckQueues),
	}
	for k := range kinds {
		s.Candidates += uint32(t.Verdicts[k][4])
		s.Orphans += uint32(t.Verdicts[k][5])
	}
	return s
}

// History is a ring of samples of fixed size, in a file that survives the death of the process, or in
// memory. Safe for concurrent use.
type History struct {
	mu    sync.Mutex
	store store
	close func() error
	n     int64 // slots
	next  int64 // the sequence number of the next sample; that of a slot is n apart from the one before
}

type store interface {
	io.ReaderAt
	io.WriterAt
}

// The file: a header, then slots. A slot has a checksum, so that one that was half written when the
// machine lost its power is known.
const (
	historyMagic  = "sysvipc history 1\n"
	historyHeader = 64
	slotHead      = 12 // checksum, sequence number
)

var slotSize = int64(slotHead + binary.Size(Sample{}))

// OpenHistory opens the history in a file, or makes it, with room for size bytes. What a larger file
// has beyond that is dropped. Another process that has it open is an error.
func OpenHistory(path string, size int64) (*History, error) {
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	h := &History{store: file, close: file.Close}
	if err := h.open(file, size); err != nil {
		file.Close()
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return h, nil
}

func (h *History) open(file *os.File, size int64) error {
	if err := lockFile(file); err != nil {
		return err
	}
	if h.n = (size - historyHeader) / slotSize; h.n < 1 {
		return fmt.Errorf("%d bytes are no room for a history: it takes %d and more", size, historyHeader+slotSize)
	}
	head := make([]byte, historyHeader)
	switch n, err := file.ReadAt(head, 0); {
	case n == 0 && err == io.EOF:
		copy(head, historyMagic)
		if _, err := file.WriteAt(head, 0); err != nil {
			return err
		}
	case string(head[:len(historyMagic)]) != historyMagic:
		return errors.New("this is no history of sysvipcd")
	}
	return h.load(file, historyHeader+h.n*slotSize)
}

// load finds the newest sample. If the file was made with another size, the samples move to where
// they belong now.
func (h *History) load(file *os.File, size int64) error {
	info, err := file.Stat()
	if err != nil {
		return err
	}
	was := (info.Size() - historyHeader) / slotSize
	type found struct {
		seq int64
		s   Sample
	}
	var all []found
	moved := false
	for i := range was {
		if seq, s, ok := h.slot(i); ok {
			all = append(all, found{seq, s})
			moved = moved || i != seq%h.n
		}
	}
	sort.Slice(all, func(i, j int) bool { return all[i].seq < all[j].seq })
	if len(all) > 0 {
		h.next = all[len(all)-1].seq + 1
	}
	if !moved && was <= h.n {
		return nil
	}
	if err := file.Truncate(historyHeader); err != nil {
		return err
	}
	for _, f := range all[max(0, int64(len(all))-h.n):] {
		if err := h.put(f.seq, &f.s); err != nil {
			return err
		}
	}
	return nil
}

// NewHistory returns a history in memory, with room for n samples.
func NewHistory(n int) *History {
	return &History{store: &memory{make([]byte, historyHeader+int64(n)*slotSize)}, close: func() error { return nil }, n: int64(n)}
}

// memory is a file in memory.
type memory struct{ bytes []byte }

func (m *memory) ReadAt(p []byte, off int64) (int, error)  { return copy(p, m.bytes[off:]), nil }
func (m *memory) WriteAt(p []byte, off int64) (int, error) { return copy(m.bytes[off:], p), nil }

// Close closes the file.
func (h *History) Close() error { return h.close() }

// Add adds a sample in place of the oldest one. It is not synced: what the kernel has survives the
// process, and the last seconds before a power cut are lost.
func (h *History) Add(s *Sample) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	err := h.put(h.next, s)
	if err == nil {
		h.next++
	}
	return err
}

func (h *History) put(seq int64, s *Sample) error {
	buf := binary.LittleEndian.AppendUint64(make([]byte, 4, slotSize), uint64(seq))
	buf, err := binary.Append(buf, binary.LittleEndian, s)
	if err != nil {
		return err
	}
	binary.LittleEndian.PutUint32(buf, checksum(buf[4:]))
	_, err = h.store.WriteAt(buf, historyHeader+seq%h.n*slotSize)
	return err
}

// checksum is not 0 for zeros.
func checksum(b []byte) uint32 { return ^crc32.ChecksumIEEE(b) | 1 }

// slot reads one slot.
func (h *History) slot(i int64) (seq int64, s Sample, ok bool) {
	buf := make([]byte, slotSize)
	if _, err := h.store.ReadAt(buf, historyHeader+i*slotSize); err != nil || binary.LittleEndian.Uint32(buf) != checksum(buf[4:]) {
		return 0, s, false
	}
	_, err := binary.Decode(buf[slotHead:], binary.LittleEndian, &s)
	return int64(binary.LittleEndian.Uint64(buf[4:])), s, err == nil
}

// Samples returns those from a time on, at most most: of several that are thinned to one, the largest
// of each number.
func (h *History) Samples(from time.Time, most int) []Sample {
	h.mu.Lock()
	defer h.mu.Unlock()
	oldest := max(0, h.next-h.n)
	first := oldest + int64(sort.Search(int(h.next-oldest), func(i int) bool {
		_, s, ok := h.slot((oldest + int64(i)) % h.n)
		return ok && s.Time >= from.UnixMilli()
	}))
	each := max(1, (h.next-first+int64(most)-1)/int64(most))
	var all []Sample
	for seq := first; seq < h.next; seq++ {
		got, s, ok := h.slot(seq % h.n)
		if !ok || got != seq {
			continue
		}
		if (seq-first)%each == 0 || len(all) == 0 {
			all = append(all, s)
		} else {
			all[len(all)-1].largest(&s)
		}
	}
	return all
}

// largest makes each number the larger one of two samples.
func (s *Sample) largest(o *Sample) {
	s.Time = o.Time
	for _, p := range [][2]*uint64{{&s.Bytes, &o.Bytes}, {&s.Resident, &o.Resident}, {&s.Swapped, &o.Swapped}, {&s.MessageBytes, &o.MessageBytes}} {
		*p[0] = max(*p[0], *p[1])
	}
	for _, p := range [][2]*uint32{
		{&s.Segments, &o.Segments},
		{&s.Sets, &o.Sets},
		{&s.Semaphores, &o.Semaphores},
		{&s.Queues, &o.Queues},
		{&s.Attaches, &o.Attaches},
		{&s.Messages, &o.Messages},
		{&s.Waiting, &o.Waiting},
		{&s.Oldest, &o.Oldest},
		{&s.Orphans, &o.Orphans},
		{&s.Candidates, &o.Candidates},
		{&s.Deadlocks, &o.Deadlocks},
		{&s.Blocked, &o.Blocked},
	} {
		*p[0] = max(*p[0], *p[1])
	}
}
