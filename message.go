package sysvipc

import (
	"context"
	"fmt"
	"iter"
	"math"
	"sync"
	"syscall"

	"github.com/sysvipc/sysvipc/internal/sysv"
)

// Message is one message of a queue. Data belongs to whoever received it.
type Message struct {
	Type int64 // at least 1
	Data []byte
}

// Send puts a message at the end of the queue, or waits until it fits: msgsnd(2). The
// type is at least 1, and on 32-bit systems below 1<<31; data may be empty. It fails
// with ErrTooBig for a message that can never fit, with ErrRemoved if the queue is
// removed, and with the context's error if that ends first; then nothing was sent.
func (q *Queue) Send(ctx context.Context, typ int64, data []byte) error {
	if ctx.Err() != nil {
		return q.cancelled("send to", ctx)
	}
	if err := q.checkType(typ); err != nil {
		return err
	}
	errno := syscall.EAGAIN
	key := lineKey{object: objectKey{q.kind, q.id}, call: 's', number: int64(len(data))}
	if !waiting.queued(&key) {
		errno = q.send(typ, data, false)
	}
	if errno == syscall.EAGAIN {
		if err := q.checkFits(data); err != nil {
			return err
		}
		var cancelled bool
		errno, cancelled = waiting.wait(ctx, &key, func(block bool) syscall.Errno {
			return q.send(typ, data, block)
		})
		if cancelled {
			return q.cancelled("send to", ctx)
		}
	}
	return q.sendResult(errno, data)
}

// TrySend puts a message at the end of the queue if it fits now, and reports whether
// it did.
func (q *Queue) TrySend(typ int64, data []byte) (bool, error) {
	if err := q.checkType(typ); err != nil {
		return false, err
	}
	errno := q.send(typ, data, false)
	if errno == syscall.EAGAIN {
		return false, q.checkFits(data)
	}
	return errno == 0, q.sendResult(errno, data)
}

func (q *Queue) send(typ int64, data []byte, block bool) syscall.Errno {
	msg := getScratch(len(data))
	defer msg.put()
	sysv.PutMtype(msg.b, typ)
	copy(msg.b[sysv.MtypeSize:], data)
	if block {
		return sysv.Msgsnd(q.id, msg.b, 0)
	}
	return sysv.MsgsndNowait(q.id, msg.b, 0)
}

func (q *Queue) checkType(typ int64) error {
	if typ < 1 || typ > sysv.MaxMtype {
		return q.refuse("send to", syscall.EINVAL, "type %d: a message has a type from 1 to %d", typ, int64(sysv.MaxMtype))
	}
	return nil
}

// checkFits refuses a message for which the kernel would wait for ever.
func (q *Queue) checkFits(data []byte) error {
	st, err := q.Stat()
	if err == nil && len(data) > st.MaxBytes {
		return q.refuse("send to", syscall.EMSGSIZE, "%d bytes never fit into a queue of %d: raise its capacity with SetMaxBytes or \"sysvipc set msg:%d --qbytes\"", len(data), st.MaxBytes, q.id)
	}
	return nil
}

func (q *Queue) sendResult(errno syscall.Errno, data []byte) error {
	switch errno {
	case 0:
		return nil
	case syscall.EINVAL:
		if lim, err := ReadLimits(); err == nil && len(data) > lim.Queues.MaxMessage {
			return q.refuse("send to", syscall.EMSGSIZE, "kernel.msgmax: a message has at most %d bytes, not %d", lim.Queues.MaxMessage, len(data))
		}
	case syscall.ENOMEM:
		return q.fail("send to", errno, fmt.Sprintf("the kernel has no memory for %d bytes", len(data)))
	}
	return q.fail("send to", errno, "")
}

// Receive takes the first message that sel selects, or waits for one: msgrcv(2). A
// message of any size comes whole. It fails with ErrRemoved if the queue is removed,
// and with the context's error if that ends first; then no message was taken.
//
// Goroutines of this process that wait for the same selection stand in line, in order.
func (q *Queue) Receive(ctx context.Context, sel Selector) (Message, error) {
	typ, flags, err := q.selection(ctx, sel.whole())
	if err != nil {
		return Message{}, err
	}
	var m Message
	errno := syscall.EAGAIN
	key := lineKey{object: objectKey{q.kind, q.id}, call: 'r', number: typ, flags: flags}
	if !waiting.queued(&key) {
		m, errno = q.receive(typ, flags, false)
	}
	if mustWait(errno) {
		return q.waitMessage(ctx, key)
	}
	return m, q.receiveResult("receive from", errno, 0)
}

// waitMessage is apart from Receive so that only those who wait pay for it.
func (q *Queue) waitMessage(ctx context.Context, key lineKey) (m Message, err error) {
	errno, cancelled := waiting.wait(ctx, &key, func(block bool) (errno syscall.Errno) {
		m, errno = q.receive(key.number, key.flags, block)
		return errno
	})
	if cancelled {
		return Message{}, q.cancelled("receive from", ctx)
	}
	return m, q.receiveResult("receive from", errno, 0)
}

// TryReceive takes the first message that sel selects, if there is one now, and
// reports whether there was.
func (q *Queue) TryReceive(sel Selector) (Message, bool, error) {
	typ, flags, err := q.selection(context.Background(), sel.whole())
	if err != nil {
		return Message{}, false, err
	}
	m, errno := q.receive(typ, flags, false)
	if mustWait(errno) {
		return Message{}, false, nil
	}
	return m, errno == 0, q.receiveResult("receive from", errno, 0)
}

// ReceiveInto is Receive into a buffer of the caller: it allocates nothing. It returns
// the length and the type. A message that does not fit stays on the queue, and the
// error is ErrTooBig; see also [Selector.Truncated].
func (q *Queue) ReceiveInto(ctx context.Context, sel Selector, buf []byte) (n int, typ int64, err error) {
	want, flags, err := q.selection(ctx, sel)
	if err != nil {
		return 0, 0, err
	}
	errno := syscall.EAGAIN
	key := lineKey{object: objectKey{q.kind, q.id}, call: 'r', number: want, flags: flags}
	if !waiting.queued(&key) {
		n, typ, errno = q.receiveInto(want, flags, buf, false)
	}
	if mustWait(errno) {
		return q.waitInto(ctx, key, buf)
	}
	return n, typ, q.receiveResult("receive from", errno, len(buf))
}

// waitInto is apart from ReceiveInto so that only those who wait pay for it.
func (q *Queue) waitInto(ctx context.Context, key lineKey, buf []byte) (n int, typ int64, err error) {
	errno, cancelled := waiting.wait(ctx, &key, func(block bool) (errno syscall.Errno) {
		n, typ, errno = q.receiveInto(key.number, key.flags, buf, block)
		return errno
	})
	if cancelled {
		return 0, 0, q.cancelled("receive from", ctx)
	}
	return n, typ, q.receiveResult("receive from", errno, len(buf))
}

// Messages receives messages for as long as the loop goes on, and waits for more. It
// ends with an error: the context's, or ErrRemoved.
func (q *Queue) Messages(ctx context.Context, sel Selector) iter.Seq2[Message, error] {
	return func(yield func(Message, error) bool) {
		for {
			m, err := q.Receive(ctx, sel)
			if !yield(m, err) || err != nil {
				return
			}
		}
	}
}

// Peek returns the message at this index, 0 being the first, and leaves it where it
// is: no field of the queue changes (MSG_COPY, since Linux 3.8, with
// CONFIG_CHECKPOINT_RESTORE). It fails with ErrWouldBlock if there are fewer messages.
func (q *Queue) Peek(index int) (Message, error) {
	const op = "peek at"
	if index < 0 {
		return Message{}, q.refuse(op, syscall.EINVAL, "index %d is negative", index)
	}
	m, errno := q.receive(int64(index), sysv.MSG_COPY, false)
	switch {
	case errno == enomsg:
		return m, q.fail(op, errno, fmt.Sprintf("it has no message with index %d", index))
	case errno == syscall.ENOSYS:
		return m, q.fail(op, errno, "this kernel is built without CONFIG_CHECKPOINT_RESTORE")
	case errno == syscall.EINVAL:
		if _, err := q.Stat(); err == nil {
			return m, q.fail(op, errno, "the kernel copies no message that is larger than kernel.msgmax, which was lowered after it was sent")
		}
	}
	return m, q.receiveResult(op, errno, 0)
}

// selection checks what every receiver is given.
func (q *Queue) selection(ctx context.Context, sel Selector) (typ int64, flags int, err error) {
	if ctx.Err() != nil {
		return 0, 0, q.cancelled("receive from", ctx)
	}
	return sel.kernel(q.object)
}

func (q *Queue) receiveInto(typ int64, flags int, buf []byte, block bool) (n int, got int64, errno syscall.Errno) {
	msg := getScratch(len(buf))
	defer msg.put()
	if n, errno = msg.receive(q.id, typ, flags, block); errno != 0 {
		return 0, 0, errno
	}
	return copy(buf, msg.b[sysv.MtypeSize:][:n]), sysv.Mtype(msg.b), 0
}

// receive has room for any message: the kernel leaves one that does not fit on the
// queue, and the next attempt has more room.
func (q *Queue) receive(typ int64, flags int, block bool) (Message, syscall.Errno) {
	for size := firstSize; ; size = min(max(4*size, largestMessage()), math.MaxInt32) {
		msg := getScratch(size)
		n, errno := msg.receive(q.id, typ, flags, block)
		if errno == 0 {
			m := Message{Type: sysv.Mtype(msg.b), Data: append([]byte{}, msg.b[sysv.MtypeSize:][:n]...)}
			msg.put()
			return m, 0
		}
		msg.put()
		if errno != syscall.E2BIG || size == math.MaxInt32 {
			return Message{}, errno
		}
	}
}

// firstSize is the kernel's default for the largest message.
const firstSize = 8192

func largestMessage() int {
	lim, err := ReadLimits()
	if err != nil {
		return 0
	}
	return lim.Queues.MaxMessage
}

func (q *Queue) receiveResult(op string, errno syscall.Errno, room int) error {
	switch errno {
	case 0:
		return nil
	case syscall.E2BIG:
		return q.fail(op, errno, fmt.Sprintf("the message is larger than the buffer of %d bytes, and is still on the queue", room))
	}
	return q.fail(op, errno, "")
}

// scratch is a buffer in the form that the kernel wants: the type, then the text.
type scratch struct{ b []byte }

var scratches = sync.Pool{New: func() any { return new(scratch) }}

// maxScratch is the largest buffer that is kept for the next call.
const maxScratch = 64 << 10

// getScratch returns a buffer for a text of n bytes.
func getScratch(n int) *scratch {
	s := scratches.Get().(*scratch)
	if n += sysv.MtypeSize; n > cap(s.b) {
		s.b = make([]byte, n)
	}
	s.b = s.b[:n]
	return s
}

func (s *scratch) put() {
	if cap(s.b) <= maxScratch {
		scratches.Put(s)
	}
}

func (s *scratch) receive(id int, typ int64, flags int, block bool) (int, syscall.Errno) {
	if block {
		return sysv.Msgrcv(id, s.b, typ, flags)
	}
	return sysv.MsgrcvNowait(id, s.b, typ, flags)
}
