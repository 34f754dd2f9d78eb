package archive

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/sysvipc/sysvipc"
	"github.com/sysvipc/sysvipc/cmd/sysvipc/internal/segread"
)

// SaveOptions are choices of [Writer.Save].
type SaveOptions struct {
	// NoAttach saves a segment only if that is possible without attaching it: through a process that has it attached.
	NoAttach bool
	// MayAttach, if not nil, is asked before a segment is attached to save it, and refuses that by an error.
	MayAttach func(id int) error
	// Hold leaves a segment that nobody has attached attached by this process, which the kernel notes: nobody else
	// uses it without being noted after that. [Saved.Held] detaches it.
	Hold bool
	// Progress, if not nil, gets the numbers of bytes that are done, holes too.
	Progress func(n int64)
}

// Saved says what was saved.
type Saved struct {
	Object
	Attached bool // the segment was attached for it, which the kernel notes
	Held     *sysvipc.Memory
	InUse    bool // the queue changed meanwhile, whenever it was tried
}

// Save reads an object from the kernel and adds it. An object that cannot be read whole is left out,
// or marked in the file as one that must not be used; then the error says why, and the next object
// can follow. Whether an error is one of the file tells [Writer.Err].
func (a *Writer) Save(ctx context.Context, kind sysvipc.Kind, id int, opts SaveOptions) (Saved, error) {
	var s Saved
	var err error
	switch kind {
	case sysvipc.KindSegment:
		err = a.saveSegment(ctx, id, &s, opts)
	case sysvipc.KindSemaphores:
		err = a.saveSet(id, &s)
	case sysvipc.KindQueue:
		err = a.saveQueue(ctx, id, &s)
	default:
		err = fmt.Errorf("archive: kind %v", kind)
	}
	if fatal := a.Err(); fatal != nil {
		return s, fatal
	}
	return s, err
}

// Err returns why the file itself cannot be written.
func (a *Writer) Err() error { return a.failed() }

func objectOf(o sysvipc.Object) Object {
	k := Object{
		Kind: kindWords[o.Kind], ID: o.ID, Key: int32(o.Key), Mode: uint32(o.Mode),
		UID: o.UID, GID: o.GID, CUID: o.CUID, CGID: o.CGID,
	}
	if !o.Changed.IsZero() {
		k.Changed = o.Changed.Unix()
	}
	return k
}

// OfSegment returns what a file keeps of a segment besides its bytes.
func OfSegment(st *sysvipc.SegmentStat) Object {
	o := objectOf(st.Object)
	o.Size, o.Locked, o.Destroyed = st.Size, st.Locked, st.Destroyed
	return o
}

// OfSet is the same of a set.
func OfSet(st *sysvipc.SemaphoreSetStat) Object {
	o := objectOf(st.Object)
	o.Len = st.Len
	return o
}

// OfQueue is the same of a queue.
func OfQueue(st *sysvipc.QueueStat) Object {
	o := objectOf(st.Object)
	o.Messages, o.Bytes = st.Messages, int64(st.Bytes)
	if st.MaxBytes >= 0 {
		n := int64(st.MaxBytes)
		o.MaxBytes = &n
	}
	return o
}

func (a *Writer) saveSegment(ctx context.Context, id int, s *Saved, opts SaveOptions) error {
	st, err := sysvipc.SegmentByID(id).Stat()
	if err != nil {
		return err
	}
	s.Object = OfSegment(&st)
	var view *segread.View
	if opts.Hold && st.Attaches == 0 {
		if s.Held, err = sysvipc.SegmentByID(id).Attach(&sysvipc.AttachOptions{ReadOnly: true}); err == nil {
			s.Attached = true
			view = segread.Over(s.Held, id)
		}
		opts.NoAttach = true
	} else {
		view, err = a.open(id, st.Attaches)
	}
	if err != nil && !opts.NoAttach {
		if opts.MayAttach != nil {
			if err := opts.MayAttach(id); err != nil {
				return err
			}
		}
		s.Attached = true
		view, err = segread.Attach(id)
	}
	if err != nil {
		return err
	}
	defer view.Close()
	if view.Size() != st.Size {
		return fmt.Errorf("%s: it was removed meanwhile, and its ID has come to another one", s.Ref())
	}
	if err := a.Begin(&s.Object); err != nil {
		return err
	}
	progress := opts.Progress
	if progress == nil {
		progress = func(int64) {}
	}
	return a.endWith(a.copySegment(ctx, view, progress))
}

// open opens a segment through its users, who are looked for once for all that are saved: later ones
// are as if they were not there.
func (a *Writer) open(id, attaches int) (*segread.View, error) {
	if attaches > 0 && a.users == nil {
		a.users = segread.Find()
	}
	if a.users == nil {
		return new(segread.Users).Open(id)
	}
	return a.users.Open(id)
}

// endWith ends the object and returns the first error.
func (a *Writer) endWith(err error) error {
	if endErr := a.End(err); err == nil {
		err = endErr
	}
	return err
}

// copySegment adds what is no hole.
func (a *Writer) copySegment(ctx context.Context, view *segread.View, progress func(int64)) error {
	told := int64(0)
	for at := int64(0); ; {
		start, end, err := view.Data(at)
		if err == io.EOF {
			progress(view.Size() - told)
			return nil
		}
		if err != nil {
			return err
		}
		for start < end {
			// A block ends at a multiple of its size.
			next := min(end, start-start%blockSize+blockSize)
			if err := ctx.Err(); err != nil {
				return err
			}
			if err := a.Fill(start, int(next-start), func(p []byte) error { return readAll(view, p, start) }); err != nil {
				return err
			}
			progress(next - told)
			start, told = next, next
		}
		at = end
	}
}

func readAll(r io.ReaderAt, p []byte, off int64) error {
	n, err := r.ReadAt(p, off)
	if n == len(p) {
		return nil
	}
	if err == nil || err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return err
}

func (a *Writer) saveSet(id int, s *Saved) error {
	set := sysvipc.SemaphoresByID(id)
	st, err := set.Stat()
	if err != nil {
		return err
	}
	s.Object = OfSet(&st)
	values, err := set.Values()
	if err != nil {
		return err
	}
	if len(values) != st.Len {
		return fmt.Errorf("%s: it was removed meanwhile, and its ID has come to another one", s.Ref())
	}
	if err := a.Begin(&s.Object); err != nil {
		return err
	}
	content := make([]byte, 0, 2*len(values))
	for _, v := range values {
		content = binary.LittleEndian.AppendUint16(content, uint16(v))
	}
	_, err = a.Write(content)
	return a.endWith(err)
}

// messageHead is what stands before the text of each message: its type and its length.
const messageHead = 8 + 4

// queueAttempts is how often a queue is read that others use meanwhile.
const queueAttempts = 5

// saveQueue peeks at all messages, so that the queue stays as it is. It is the queue of one instant if what the kernel
// counts is the same before and after. The kernel's times are seconds: in that of the last use the messages must be the same
// twice, too.
func (a *Writer) saveQueue(ctx context.Context, id int, s *Saved) error {
	q := sysvipc.QueueByID(id)
	var content, last []byte
	for try := 1; ; try++ {
		began := time.Now()
		before, err := q.Stat()
		if err != nil {
			return err
		}
		content = content[:0]
		count := 0
		for ; ; count++ {
			if err := ctx.Err(); err != nil {
				return err
			}
			m, err := q.Peek(count)
			if errors.Is(err, sysvipc.ErrWouldBlock) {
				break
			}
			if err != nil {
				return err
			}
			content = appendMessage(content, m)
		}
		after, err := q.Stat()
		if err != nil {
			return err
		}
		s.Object = OfQueue(&after)
		s.Messages, s.Bytes = count, int64(len(content)-messageHead*count)
		s.InUse = before != after || count != after.Messages || s.Bytes != int64(after.Bytes) ||
			usedSince(&after, began) && !bytes.Equal(content, last)
		if !s.InUse || try == queueAttempts {
			break
		}
		last, content = content, last
	}
	if err := a.Begin(&s.Object); err != nil {
		return err
	}
	_, err := a.Write(content)
	return a.endWith(err)
}

// usedSince reports whether a queue may have been used after a time, or in the same second.
func usedSince(st *sysvipc.QueueStat, t time.Time) bool {
	const tick = 20 * time.Millisecond // by which the kernel's clock of seconds may be late
	t = t.Add(-time.Second - tick)
	return st.Sent.After(t) || st.Received.After(t)
}

func appendMessage(dst []byte, m sysvipc.Message) []byte {
	dst = binary.LittleEndian.AppendUint64(dst, uint64(m.Type))
	dst = binary.LittleEndian.AppendUint32(dst, uint32(len(m.Data)))
	return append(dst, m.Data...)
}
