// Package history keeps what the daemon has seen: samples of totals and events, each in a ring of
// fixed size, in one file that survives the death of the process, or in memory.
package history

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"sync"
	"time"
)

// History is what is kept. Safe for concurrent use.
type History struct {
	mu              sync.Mutex
	samples, events ring
	close           func() error
}

// The file: a header of magic and number of events, then the slots of events, then those of samples.
const (
	magic      = "sysvipc history 2\n"
	headerSize = 64
	eventsAt   = 32 // where in the header the number of slots for events stands
	eventShare = 16 // of so many bytes one is for events
	memoryLog  = 1000
)

var (
	sampleSlot = int64(slotHead + binary.Size(Sample{}))
	eventSlot  = int64(slotHead + binary.Size(eventRecord{}))
)

// New returns a history in memory, with room for n samples and 1,000 events.
func New(n int) *History {
	h := &History{close: func() error { return nil }}
	h.lay(&memory{make([]byte, headerSize+memoryLog*eventSlot+int64(n)*sampleSlot)}, memoryLog, int64(n))
	return h
}

// lay says where the rings lie in a store.
func (h *History) lay(s store, events, samples int64) {
	h.events = ring{store: s, base: headerSize, size: eventSlot, n: events}
	h.samples = ring{store: s, base: headerSize + events*eventSlot, size: sampleSlot, n: samples}
}

// memory is a file in memory.
type memory struct{ bytes []byte }

func (m *memory) ReadAt(p []byte, off int64) (int, error)  { return copy(p, m.bytes[off:]), nil }
func (m *memory) WriteAt(p []byte, off int64) (int, error) { return copy(m.bytes[off:], p), nil }

// Open opens the history in a file, or makes it, with room for size bytes. If the file was made with
// another size, what has room moves to a new file that takes its name. Another process that has it
// open is an error.
func Open(path string, size int64) (*History, error) {
	h, err := open(path, size)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return h, nil
}

func open(path string, size int64) (*History, error) {
	events := max(1, size/eventShare/eventSlot)
	samples := (size - headerSize - events*eventSlot) / sampleSlot
	if samples < 1 {
		return nil, fmt.Errorf("%d bytes are no room for a history: it takes %d and more", size, headerSize+eventSlot+sampleSlot)
	}
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, errors.Unwrap(err)
	}
	old, err := openLocked(path, file)
	if err != nil {
		file.Close()
		return nil, err
	}
	if old != nil && old.events.n == events && old.samples.n == samples {
		return old, nil
	}
	h := &History{close: file.Close}
	if old == nil {
		h.lay(file, events, samples)
		if err := h.writeHeader(); err != nil {
			file.Close()
			return nil, err
		}
		return h, nil
	}
	defer file.Close()
	return old.moveTo(path, events, samples)
}

// openLocked reads what is in a file that no other process may write meanwhile; nil if it is empty.
func openLocked(path string, file *os.File) (*History, error) {
	if err := lockFile(file); err != nil {
		return nil, err
	}
	info, err := file.Stat()
	if err != nil {
		return nil, err
	}
	if there, err := os.Stat(path); err != nil || !os.SameFile(info, there) {
		return nil, errors.New("another process has just given this history another size")
	}
	if info.Size() == 0 {
		return nil, nil
	}
	return load(file)
}

// moveTo copies what has room into a file with other sizes, which takes the name of the old one when it is
// whole: a process that is killed meanwhile leaves the old one.
func (h *History) moveTo(path string, events, samples int64) (*History, error) {
	part := path + ".new"
	if err := os.Remove(part); err != nil && !os.IsNotExist(err) { // of one that was killed
		return nil, err
	}
	file, err := os.OpenFile(part, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, err
	}
	n := &History{close: file.Close}
	n.lay(file, events, samples)
	err = errors.Join(lockFile(file), n.writeHeader(), copyTo[eventRecord](&n.events, &h.events), copyTo[Sample](&n.samples, &h.samples))
	if err == nil {
		err = os.Rename(part, path)
	}
	if err != nil {
		return nil, errors.Join(err, file.Close(), os.Remove(part))
	}
	return n, nil
}

// copyTo copies the newest records of a ring under their numbers.
func copyTo[T any](to, from *ring) error {
	for seq := max(from.oldest(), from.next-to.n); seq < from.next; seq++ {
		var record T
		if !from.read(seq, &record) {
			continue
		}
		if err := to.put(seq, &record); err != nil {
			return err
		}
	}
	to.next = from.next
	return nil
}

// writeHeader writes the header, and makes the file as long as it will ever be.
func (h *History) writeHeader() error {
	head := make([]byte, headerSize)
	copy(head, magic)
	binary.LittleEndian.PutUint64(head[eventsAt:], uint64(h.events.n))
	file := h.samples.store.(*os.File)
	if err := file.Truncate(h.samples.base + h.samples.n*sampleSlot); err != nil {
		return err
	}
	_, err := file.WriteAt(head, 0)
	return err
}

// Read opens the history in a file that another process may write, to be read alone.
func Read(path string) (*History, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	h, err := load(file)
	if err != nil {
		file.Close()
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return h, nil
}

// errForeign: another program's file is left alone.
var errForeign = errors.New("this is no history of sysvipcd, or one of another version")

// load finds the rings of a file, and their newest records.
func load(file *os.File) (*History, error) {
	head := make([]byte, headerSize)
	if _, err := file.ReadAt(head, 0); err == io.EOF || err == nil && string(head[:len(magic)]) != magic {
		return nil, errForeign
	} else if err != nil {
		return nil, err
	}
	info, err := file.Stat()
	if err != nil {
		return nil, err
	}
	events := binary.LittleEndian.Uint64(head[eventsAt:])
	room := info.Size() - headerSize
	if events < 1 || events > uint64(room)/uint64(eventSlot) || room-int64(events)*eventSlot < sampleSlot {
		return nil, errForeign
	}
	h := &History{close: file.Close}
	h.lay(file, int64(events), (room-int64(events)*eventSlot)/sampleSlot)
	h.events.load()
	h.samples.load()
	return h, nil
}

// Close closes the file.
func (h *History) Close() error { return h.close() }

// Add adds a sample in place of the oldest one. It is not synced: what the kernel has survives the
// process, and the last seconds before a power cut are lost.
func (h *History) Add(s *Sample) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.samples.add(s)
}

// Note adds events in place of the oldest ones, likewise.
func (h *History) Note(events ...Event) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	for i := range events {
		if err := h.events.add(events[i].record()); err != nil {
			return err
		}
	}
	return nil
}

// Samples returns those from one time until before another, at most most: of several that are thinned to
// one, the largest of each number.
func (h *History) Samples(from, to time.Time, most int) []Sample {
	h.mu.Lock()
	defer h.mu.Unlock()
	first, end := h.samples.from(from.UnixMilli()), h.samples.from(to.UnixMilli())
	each := max(1, (end-first+int64(most)-1)/int64(most))
	var all []Sample
	for seq := first; seq < end; seq++ {
		var s Sample
		if !h.samples.read(seq, &s) {
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

// Events returns the last ones from one time until before another, at most most, the newest first. If kinds are given, those
// of them alone.
func (h *History) Events(from, to time.Time, most int, kinds ...What) []Event {
	h.mu.Lock()
	defer h.mu.Unlock()
	first, end := h.events.from(from.UnixMilli()), h.events.from(to.UnixMilli())
	var all []Event
	for seq := end - 1; seq >= first && len(all) < most; seq-- {
		var r eventRecord
		if h.events.read(seq, &r) && (len(kinds) == 0 || slices.Contains(kinds, r.What)) {
			all = append(all, r.event())
		}
	}
	return all
}

// Noted returns how many events there have been since the history was made.
func (h *History) Noted() int64 {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.events.next
}

// At returns the last sample until a time.
func (h *History) At(t time.Time) (Sample, bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for seq := h.samples.from(t.UnixMilli()+1) - 1; seq >= h.samples.oldest(); seq-- {
		var s Sample
		if h.samples.read(seq, &s) {
			return s, true
		}
	}
	return Sample{}, false
}
