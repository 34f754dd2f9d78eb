package archive

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"syscall"

	"github.com/sysvipc/sysvipc"
	"github.com/sysvipc/sysvipc/cmd/sysvipc/internal/segread"
	"github.com/sysvipc/sysvipc/inspect"
)

// RestoreOptions are choices of [Reader.Restore].
type RestoreOptions struct {
	// SameID gives each object the ID that it had, which needs CAP_CHECKPOINT_RESTORE.
	SameID bool
	// Progress, if not nil, gets the numbers of bytes that are done. It may be called by several goroutines.
	Progress func(n int64)
}

// Restore makes the object that [Reader.Next] returned, with its key, owner, mode and content, and returns its ID. It is
// whole, or does not exist: what was begun is removed again if the content turns out to be damaged (see [Damage]) or
// the kernel refuses something. Until it is whole nobody but its owner may use it. If its key is taken,
// or with SameID its ID, the error is [fs.ErrExist], and what has it stays as it is.
func (d *Reader) Restore(ctx context.Context, o *Object, opts RestoreOptions) (id int, err error) {
	if opts.Progress == nil {
		opts.Progress = func(int64) {}
	}
	var c sysvipc.Creator
	if opts.SameID {
		c.ID = &o.ID
	}
	switch o.SysvKind() {
	case sysvipc.KindSegment:
		return d.restoreSegment(ctx, o, c, opts)
	case sysvipc.KindSemaphores:
		return d.restoreSet(o, c)
	default:
		return d.restoreQueue(ctx, o, c)
	}
}

// made is an object that was made here.
type made interface {
	ID() int
	Remove() error
	Chmod(fs.FileMode) error
	Chown(uid, gid int) error
}

// private is the mode of an object that is not yet whole: only its owner may use it, and x bits that nobody gives an
// object mark it, should this process be killed.
const private = inspect.Unfinished

// finish gives an object its owner and mode, or removes it if err is not nil, or becomes it.
func finish(m made, o *Object, uid, gid int, err error) (int, error) {
	if err == nil && (uid != o.UID || gid != o.GID) {
		if err = m.Chown(o.UID, o.GID); err != nil {
			err = fmt.Errorf("it cannot be given to its owner %d:%d: %w", o.UID, o.GID, err)
		}
	}
	if err == nil {
		err = m.Chmod(fs.FileMode(o.Mode))
	}
	if err == nil {
		return m.ID(), nil
	}
	if removeErr := m.Remove(); removeErr != nil && !errors.Is(removeErr, sysvipc.ErrRemoved) {
		return m.ID(), fmt.Errorf("%w; and what was begun could not be removed: %w", err, removeErr)
	}
	return -1, err
}

func (d *Reader) restoreSegment(ctx context.Context, o *Object, c sysvipc.Creator, opts RestoreOptions) (int, error) {
	seg, err := c.CreateSegment(o.SysvKey(), o.Size, private)
	if errors.Is(err, syscall.ENOMEM) {
		// One that is larger than memory can be, for its holes, was made without a reserve.
		c.NoReserve = true
		seg, err = c.CreateSegment(o.SysvKey(), o.Size, private)
	}
	if err != nil {
		return -1, err
	}
	st, err := seg.Stat()
	if err == nil {
		err = d.fillSegment(ctx, seg, opts.Progress)
	}
	if err == nil && o.Locked {
		err = seg.Lock()
	}
	return finish(seg, o, st.UID, st.GID, err)
}

func (d *Reader) fillSegment(ctx context.Context, seg *sysvipc.Segment, progress func(int64)) error {
	mem, err := seg.Attach(nil)
	if err != nil {
		return err
	}
	to := io.WriterAt(mem)
	if file, fileErr := segread.File(mem, seg.ID()); fileErr == nil {
		defer file.Close()
		to = file
	}
	err = d.Content(true, func(position int64, p []byte) error {
		if err := ctx.Err(); err != nil {
			return err
		}
		progress(int64(len(p)))
		return writeTouching(to, position, p)
	})
	if closeErr := mem.Close(); err == nil {
		err = closeErr
	}
	return err
}

// writeTouching writes bytes into fresh memory, and does not touch pages that stay zero: they take no memory then.
func writeTouching(to io.WriterAt, position int64, p []byte) error {
	for len(p) > 0 {
		// To the end of the page that position is in, and then page by page.
		n := func(from int) int {
			return min(len(p), from+len(zeros)-int((position+int64(from))%int64(len(zeros))))
		}
		zero := 0
		for zero < len(p) && allZero(p[zero:n(zero)]) {
			zero = n(zero)
		}
		p, position = p[zero:], position+int64(zero)
		used := 0
		for used < len(p) && !allZero(p[used:n(used)]) {
			used = n(used)
		}
		if used == 0 {
			continue
		}
		if _, err := to.WriteAt(p[:used], position); err != nil {
			return err
		}
		p, position = p[used:], position+int64(used)
	}
	return nil
}

// Values returns the content of the set that [Reader.Next] returned.
func (d *Reader) Values(o *Object) ([]int, error) {
	var values []int
	err := d.Content(false, func(_ int64, p []byte) error {
		for ; len(p) >= 2; p = p[2:] {
			values = append(values, int(binary.LittleEndian.Uint16(p)))
		}
		return nil
	})
	if err == nil && len(values) != o.Len {
		err = &Damage{o.Ref(), d.offset, fmt.Errorf("it has %d values, not %d", len(values), o.Len)}
	}
	return values, err
}

// restoreSet has all values before it makes the set, which is never seen without them.
func (d *Reader) restoreSet(o *Object, c sysvipc.Creator) (int, error) {
	values, err := d.Values(o)
	if err != nil {
		return -1, err
	}
	set, err := c.CreateSemaphores(o.SysvKey(), private, values...)
	if err != nil {
		return -1, err
	}
	st, err := set.Stat()
	return finish(set, o, st.UID, st.GID, err)
}

func (d *Reader) restoreQueue(ctx context.Context, o *Object, c sysvipc.Creator) (int, error) {
	q, err := c.CreateQueue(o.SysvKey(), private)
	if err != nil {
		return -1, err
	}
	st, err := q.Stat()
	if err == nil {
		err = d.fillQueue(ctx, q, o, st.MaxBytes)
	}
	return finish(q, o, st.UID, st.GID, err)
}

// fillQueue sends the messages into a queue with room for all of them, and then gives it its capacity: a queue may hold more
// than that, if it was lowered.
func (d *Reader) fillQueue(ctx context.Context, q *sysvipc.Queue, o *Object, capacity int) error {
	set := func(n int64) error {
		if n == int64(capacity) {
			return nil
		}
		if n != int64(int(n)) {
			return fmt.Errorf("a queue of %d bytes is not possible here", n)
		}
		capacity = int(n)
		return q.SetMaxBytes(capacity)
	}
	last := int64(capacity) // where its own is not known
	if o.MaxBytes != nil {
		last = *o.MaxBytes
	}
	if err := set(max(last, o.Bytes, int64(o.Messages))); err != nil {
		return err
	}
	if err := d.Send(ctx, o, q); err != nil {
		return err
	}
	return set(last)
}

// Send sends the messages of the queue that [Reader.Next] returned to q, which must have room for them.
func (d *Reader) Send(ctx context.Context, o *Object, q *sysvipc.Queue) error {
	m := &messageParser{left: o.Bytes}
	m.send = func(typ int64, text []byte) error {
		if err := ctx.Err(); err != nil {
			return err
		}
		ok, err := q.TrySend(typ, text)
		if err == nil && !ok {
			err = fmt.Errorf("its messages do not fit, since another process sends to it, too: %d of %d are sent", m.count, o.Messages)
		}
		return err
	}
	err := d.Content(false, func(_ int64, p []byte) error { return m.write(p) })
	if err == nil && (len(m.rest) > 0 || m.count != o.Messages) {
		err = &Damage{o.Ref(), d.offset, fmt.Errorf("it has %d messages, not %d", m.count, o.Messages)}
	}
	return err
}

// Overwrite gives a segment of the same size all bytes of the one that [Reader.Next] returned.
func (d *Reader) Overwrite(ctx context.Context, o *Object, seg *sysvipc.Segment) error {
	mem, err := seg.Attach(nil)
	if err != nil {
		return err
	}
	at := int64(0)
	wipe := func(end int64) error { // what the file leaves out
		for err := error(nil); at < end; at += int64(len(zeros)) {
			if _, err = mem.WriteAt(zeros[:min(end-at, int64(len(zeros)))], at); err != nil {
				return err
			}
		}
		return ctx.Err()
	}
	err = d.Content(false, func(position int64, p []byte) error {
		if err := wipe(position); err != nil {
			return err
		}
		at = position + int64(len(p))
		_, err := mem.WriteAt(p, position)
		return err
	})
	if err == nil {
		err = wipe(o.Size)
	}
	if closeErr := mem.Close(); err == nil {
		err = closeErr
	}
	return err
}

// messageParser takes a stream apart into messages.
type messageParser struct {
	left  int64 // how many bytes of texts there can still be
	send  func(typ int64, text []byte) error
	rest  []byte // of a message that is not complete
	count int
}

func (m *messageParser) write(p []byte) error {
	m.rest = append(m.rest, p...)
	all := m.rest
	for len(all) >= messageHead {
		typ, n := int64(binary.LittleEndian.Uint64(all)), int64(binary.LittleEndian.Uint32(all[8:]))
		if n > m.left {
			return fmt.Errorf("a message of %d bytes is longer than all together", n)
		}
		if int64(len(all)) < messageHead+n {
			break
		}
		if err := m.send(typ, all[messageHead:messageHead+n]); err != nil {
			return err
		}
		m.left -= n
		m.count++
		all = all[messageHead+n:]
	}
	m.rest = m.rest[:copy(m.rest, all)]
	return nil
}
