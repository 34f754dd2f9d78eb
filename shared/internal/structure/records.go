package structure

import (
	"context"
	"errors"
	"fmt"
	"structs"
	"sync/atomic"
	"unsafe"

	"github.com/sysvipc/sysvipc/shared/internal/core"
)

// The ring of a Records, as in model/records.pml. A record has a position, counted in bytes
// from the first, and lies at position mod room. It does not cross the end: a record that
// is gone from the beginning fills the rest. Its first word says where it is, what becomes
// of it, and who is at it:
//
//	writing(s) -> full -> reading(s) -> gone
//
// tail is where the next one comes, and head the first that is not gone. Senders take
// places under one robust lock and receivers take records under another, and hold them for
// a few instructions only: a record is filled and read with no lock held. A sender writes
// the record's head, with its name in it, before it moves tail; so one that is killed has
// taken a place that names it, or none.
//
// Repair, when participant s is dead and none of its threads runs any more: writing(s)
// becomes gone, and reading(s) becomes full. A record that is full again may lie before
// next, where receivers go on looking. So next holds for one epoch only: when that has
// changed, they look from head.
//
// After the head come two events, of a record and of room, and then the room. The parameter
// is its size.
type recordsHead struct {
	_       structs.HostLayout
	send    core.Node
	_       [24]byte
	receive core.Node
	_       [24]byte
	tail    uint64 // changed by who holds send
	closed  uint32 // likewise
	_       [52]byte
	head    uint64
	_       [56]byte
	next    uint64 // changed by who holds receive
	valid   uint64 // the epoch for which next holds
	_       [48]byte
	epoch   uint64
	_       [56]byte
}

// record is the head of a record.
type record struct {
	_     structs.HostLayout
	state uint64
	size  uint32 // bytes behind the head
	lines uint32 // that it takes, with its head
}

const (
	recordsHeadSize = 384
	recordLen       = 16
)

// The parts of a record's first word: the state, the slot of its owner, the position.
const (
	recordWriting = 1
	recordFull    = 2
	recordReading = 3
	recordGone    = 4

	recordStates = 7
	recordSlot   = 3
	recordSlots  = 1<<20 - 1
	recordPlace  = 23
)

type Records struct {
	core.Structure
	room  uint64 // bytes
	news  uint64 // the event for which receivers wait
	space uint64 // the event for which senders wait
	start uint64 // offset of the room
	me    uint64 // this participant's slot, as in a record's word

	sending, receiving          chan struct{} // local lines for the locks
	spins                       bool
	sendSpinner, receiveSpinner core.Spinner // of senders and receivers
}

func recordsSize(r *core.Region, room uint64) uint64 {
	return recordsHeadSize + 2*core.RoundUp(r.EventSize(), core.Line) + room
}

// RecordsOf returns the ring that lies in t, if what its entry says can be true.
func RecordsOf(t core.Structure) (*Records, bool) {
	r, room := t.Region, t.Params[0]
	if room < minRecords || room > maxRecords || room%core.Line != 0 || recordsSize(r, room) != t.Size {
		return nil, false
	}
	c := &Records{Structure: t, room: room, news: t.Offset + recordsHeadSize, me: uint64(r.Slot) << recordSlot, spins: core.ManyProcessors()}
	c.space = c.news + core.RoundUp(r.EventSize(), core.Line)
	c.start = c.space + core.RoundUp(r.EventSize(), core.Line)
	c.sending, c.receiving = r.LocalLock(t.Offset), r.LocalLock(t.Offset+core.Line)
	return c, true
}

func (c *Records) head(v *core.View) *recordsHead { return (*recordsHead)(v.At(c.Offset)) }

// at returns the head of the record at p. It lies inside, with all of its line, whatever p is.
func (c *Records) at(v *core.View, p uint64) *record {
	return (*record)(v.At(c.start + p%c.room&^(core.Line-1)))
}

// bytes returns what is behind the head at p: size bytes, which were checked.
func (c *Records) bytes(v *core.View, p, size uint64) []byte {
	from := c.start + p%c.room + recordLen
	return v.Bytes[from : from+size : from+size]
}

// span is how much room a record takes.
func (c *Records) span(size uint64) uint64 { return core.RoundUp(recordLen+size, core.Line) }

// mark returns the word of a record at p.
func (c *Records) mark(p, state uint64) uint64 { return p/core.Line<<recordPlace | state }

// lengths is the second word of a record's head, which is read and written at once.
func (rec *record) lengths() *uint64 { return (*uint64)(unsafe.Pointer(&rec.size)) }

// look reads the head of the record at p, which is below tail. Not ok is one that no honest
// participant has written, or that has been overwritten since: then head is beyond p.
func (c *Records) look(v *core.View, p, tail uint64) (word, size, span uint64, ok bool) {
	rec := c.at(v, p)
	word = atomic.LoadUint64(&rec.state)
	both := atomic.LoadUint64(rec.lengths())
	sizes := unpack[[2]uint32](both)
	size, span = uint64(sizes[0]), uint64(sizes[1])*core.Line
	state := word & recordStates
	ok = p%core.Line == 0 && word>>recordPlace == c.mark(p, 0)>>recordPlace && state >= recordWriting && state <= recordGone &&
		span > 0 && span <= tail-p && p%c.room+span <= c.room && size <= span-recordLen
	return word, size, span, ok
}

// fits reports whether there is room for span bytes at tail, or for what fills the rest.
func (c *Records) fits(head, tail, span uint64) (need uint64, ok bool) {
	if rest := c.room - tail%c.room; rest < span {
		span = rest
	}
	return span, c.room-(tail-head) >= span
}

// put takes a place for a record. The send lock is held.
func (c *Records) put(v *core.View, size uint64) (p uint64, how outcome) {
	h := c.head(v)
	span := c.span(size)
	for {
		if atomic.LoadUint32(&h.closed) != 0 {
			return 0, ended
		}
		head := c.advance(v)
		tail := atomic.LoadUint64(&h.tail)
		if tail-head > c.room || tail%core.Line != 0 {
			return tail, damaged
		}
		need, ok := c.fits(head, tail, span)
		if !ok {
			return head, blocked
		}
		if need == span {
			c.Write(v, tail, size, span, recordWriting|c.me)
			return tail, done
		}
		c.Write(v, tail, 0, need, recordGone)
	}
}

// Write writes the head of a record at tail, and then moves tail.
func (c *Records) Write(v *core.View, tail, size, span, state uint64) {
	rec := c.at(v, tail)
	atomic.StoreUint64(rec.lengths(), pack([2]uint32{uint32(size), uint32(span / core.Line)}))
	atomic.StoreUint64(&rec.state, c.mark(tail, state))
	atomic.StoreUint64(&c.head(v).tail, tail+span)
}

// advance moves head over what is gone, and returns it. As long as head is at a record, the
// record is not overwritten.
func (c *Records) advance(v *core.View) uint64 {
	h := c.head(v)
	for range c.room / core.Line {
		head, tail := atomic.LoadUint64(&h.head), atomic.LoadUint64(&h.tail)
		if !beyond(tail, head) {
			return head
		}
		word, _, span, ok := c.look(v, head, tail)
		if !ok || word&recordStates != recordGone {
			return head
		}
		atomic.CompareAndSwapUint64(&h.head, head, head+span)
	}
	return atomic.LoadUint64(&h.head)
}

// commit makes the record at p one of n bytes that can be received.
func (c *Records) commit(v *core.View, p, size, n uint64) error {
	core.RaceReleaseMerge(c.sending)
	rec := c.at(v, p)
	atomic.StoreUint64(rec.lengths(), pack([2]uint32{uint32(n), uint32(c.span(size) / core.Line)}))
	if !atomic.CompareAndSwapUint64(&rec.state, c.mark(p, recordWriting|c.me), c.mark(p, recordFull)) {
		return c.lost(v)
	}
	return nil
}

// abandon gives back the place at p, to which nothing was sent.
func (c *Records) abandon(v *core.View, p uint64) {
	atomic.CompareAndSwapUint64(&c.at(v, p).state, c.mark(p, recordWriting|c.me), c.mark(p, recordGone))
	c.advance(v)
	c.Region.Notify(v, c.space)
	c.Region.Notify(v, c.news) // receivers wait at this record
}

// find looks for the first record that is full from p on.
func (c *Records) find(v *core.View, p uint64) (at, word, size, span uint64, how outcome) {
	h := c.head(v)
	for range 2*c.room/core.Line + 64 {
		closed := atomic.LoadUint32(&h.closed) != 0 // before tail, which moves no more then
		tail := atomic.LoadUint64(&h.tail)
		if p == tail {
			if closed && c.advance(v) == tail {
				return p, 0, 0, 0, ended
			}
			return p, 0, 0, 0, blocked
		}
		var ok bool
		word, size, span, ok = c.look(v, p, tail)
		if head := atomic.LoadUint64(&h.head); beyond(head, p) {
			p = head // what was there may have been overwritten
			continue
		}
		if !ok || !beyond(tail, p) {
			return p, word, 0, 0, damaged
		}
		switch word & recordStates {
		case recordFull:
			return p, word, size, span, done
		case recordWriting:
			return p, word, 0, 0, blocked
		}
		p += span
	}
	return p, 0, 0, 0, busy
}

// from is where receivers look first.
func (c *Records) from(v *core.View) (p, epoch uint64) {
	h := c.head(v)
	epoch = atomic.LoadUint64(&h.epoch)
	if atomic.LoadUint64(&h.valid) == epoch {
		return atomic.LoadUint64(&h.next), epoch
	}
	return atomic.LoadUint64(&h.head), epoch
}

// take takes the first record that is full. The receive lock is held.
func (c *Records) take(v *core.View) (p, word, size uint64, how outcome) {
	h := c.head(v)
	from, epoch := c.from(v)
	p, word, size, span, how := c.find(v, from)
	if how != done {
		return p, word, 0, how
	}
	if !atomic.CompareAndSwapUint64(&c.at(v, p).state, word, c.mark(p, recordReading|c.me)) {
		return p, word, 0, busy
	}
	// In this order: a kill before the last leaves what is not yet looked at behind it.
	atomic.StoreUint64(&h.next, p+span)
	atomic.StoreUint64(&h.valid, epoch)
	return p, word, size, done
}

// release gives the record at p back to the senders.
func (c *Records) release(v *core.View, p uint64) error {
	if !atomic.CompareAndSwapUint64(&c.at(v, p).state, c.mark(p, recordReading|c.me), c.mark(p, recordGone)) {
		return c.lost(v)
	}
	c.advance(v)
	c.Region.Notify(v, c.space)
	if atomic.LoadUint32(&c.head(v).closed) != 0 {
		c.Region.Notify(v, c.news) // it may have been the last
	}
	return nil
}

// putBack leaves the record at p to others.
func (c *Records) putBack(v *core.View, p uint64) {
	atomic.CompareAndSwapUint64(&c.at(v, p).state, c.mark(p, recordReading|c.me), c.mark(p, recordFull))
	atomic.AddUint64(&c.head(v).epoch, 1)
	c.Region.Notify(v, c.news)
}

// count returns how many records are full.
func (c *Records) count(v *core.View) (n int) {
	p := atomic.LoadUint64(&c.head(v).head)
	for range c.room / core.Line {
		var span uint64
		var how outcome
		if p, _, _, span, how = c.find(v, p); how != done {
			break
		}
		p += span
		n++
	}
	return n
}

// repairRecords brings the records into order that a dead participant had taken. Those who
// sleep are woken by the WakeAll that follows.
func repairRecords(v *core.View, t core.Structure, dead core.Owner) {
	c, ok := RecordsOf(t)
	if !ok {
		return
	}
	h, slot := c.head(v), uint64(uint32(dead)-1)
	p := atomic.LoadUint64(&h.head)
	for range 2*c.room/core.Line + 64 {
		tail := atomic.LoadUint64(&h.tail)
		if !beyond(tail, p) {
			break
		}
		word, _, span, ok := c.look(v, p, tail)
		if head := atomic.LoadUint64(&h.head); beyond(head, p) {
			p = head // what was there was not the dead one's, and may have been overwritten
			continue
		}
		if !ok {
			break
		}
		if word>>recordSlot&recordSlots == slot {
			switch word & recordStates {
			case recordWriting:
				atomic.CompareAndSwapUint64(&c.at(v, p).state, word, c.mark(p, recordGone))
			case recordReading:
				atomic.CompareAndSwapUint64(&c.at(v, p).state, word, c.mark(p, recordFull))
			}
		}
		p += span
	}
	// Always: the process that began this repair may have been killed just before.
	atomic.AddUint64(&h.epoch, 1)
	c.advance(v)
}

// lost says why a record is no longer this participant's.
func (c *Records) lost(v *core.View) error {
	if err := c.Open(v); err != nil {
		return err
	}
	return c.damage()
}

func (c *Records) damage() error {
	return fmt.Errorf("shared: records %q in region %q: %w: a record's head does not fit", c.Name, c.Region.Name, core.ErrCorrupt)
}

// wrapped names the channel in an error of a context.
func (c *Records) wrapped(ctx context.Context, what string, err error) error {
	if cause := ctx.Err(); cause != nil && errors.Is(err, cause) {
		return fmt.Errorf("shared: %s records %q: %w", what, c.Name, cause)
	}
	return err
}
