package sysvipc

import (
	"context"
	"fmt"
	"iter"
	"math"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"

	"github.com/sysvipc/sysvipc/internal/sysv"
)

// Message is one message of a queue. Data belongs to the receiver.
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
	if typ < 1 || typ > sysv.MaxMtype {
		return q.wrongType(typ)
	}
	errno := syscall.EAGAIN
	if waiting.count.Load() == 0 || !waiting.queued(q.sendKey(data)) {
		errno = q.send(typ, data, false)
	}
	switch errno {
	case 0:
		return nil
	case syscall.EAGAIN:
		return q.waitSend(ctx, typ, data)
	}
	return q.sendResult(errno, data)
}

func (q *Queue) send(typ int64, data []byte, block bool) (errno syscall.Errno) {
	s := q.getScratch(len(data))
	msg := s.msg(len(data))
	sysv.PutMtype(msg, typ)
	copyBytes(msg[sysv.MtypeSize:], data)
	if block {
		errno = sysv.Msgsnd(q.ID(), msg, 0)
	} else {
		errno = sysv.MsgsndNowait(q.ID(), msg, 0)
	}
	q.putScratch(s)
	return errno
}

// scratch is room for a message in the form that the kernel wants: the type, then the
// text.
type scratch struct {
	room []byte
	busy atomic.Bool // of a queue's own scratch: it is in use
}

// textAt is where the text begins: with a cache line, since it is copied twice.
const textAt = 64

const (
	maxOwn     = 8 << 10  // the largest text for which a queue keeps its own room
	maxScratch = 64 << 10 // the largest room that is kept for the next call
)

// scratches are for those whose queue's own is in use or would be too small.
var scratches = sync.Pool{New: func() any { return new(scratch) }}

// getScratch returns room for a text of n bytes: the queue's own, which is cheaper
// than one of the pool, unless that is in use.
func (q *Queue) getScratch(n int) *scratch {
	s := &q.own
	if n > maxOwn || !s.busy.CompareAndSwap(false, true) {
		s = scratches.Get().(*scratch)
	}
	if len(s.room) < textAt+n {
		s.room = make([]byte, textAt+n)
	}
	return s
}

// msg returns the message with a text of n bytes.
func (s *scratch) msg(n int) []byte { return s.room[textAt-sysv.MtypeSize : textAt+n] }

func (q *Queue) putScratch(s *scratch) {
	if s == &q.own {
		s.busy.Store(false)
		return
	}
	s.pool()
}

func (s *scratch) pool() {
	if len(s.room) <= maxScratch {
		scratches.Put(s)
	}
}

// ReceiveInto is Receive into a buffer of the caller: it allocates nothing. It returns
// the length and the type. A message that does not fit stays on the queue, and the
// error is ErrTooBig; see also [Selector.Truncated].
func (q *Queue) ReceiveInto(ctx context.Context, sel Selector, buf []byte) (n int, typ int64, err error) {
	want, flags, err := q.selection(ctx, sel)
	if err != nil {
		return 0, 0, err
	}
	errno := enomsg
	if !q.next.waits() && (waiting.count.Load() == 0 || !waiting.queued(q.receiveKey(want, flags))) {
		n, typ, errno = q.receiveInto(want, flags, buf, false)
	}
	if errno == 0 {
		return n, typ, nil
	}
	if mustWait(errno) {
		return q.waitInto(ctx, want, flags, buf)
	}
	return 0, 0, q.receiveResult("receive from", errno, len(buf))
}

// selection checks what every receiver is given.
func (q *Queue) selection(ctx context.Context, sel Selector) (typ int64, flags int, err error) {
	if ctx.Err() != nil {
		return 0, 0, q.cancelled("receive from", ctx)
	}
	if sel == (Selector{}) {
		return 0, 0, nil
	}
	return sel.kernel(q.object)
}

func (q *Queue) receiveInto(typ int64, flags int, buf []byte, block bool) (n int, got int64, errno syscall.Errno) {
	s := q.getScratch(len(buf))
	msg := s.msg(len(buf))
	if block {
		n, errno = sysv.Msgrcv(q.ID(), msg, typ, flags)
	} else {
		n, errno = sysv.MsgrcvNowait(q.ID(), msg, typ, flags)
	}
	if errno == 0 {
		n, got = copyBytes(buf, msg[sysv.MtypeSize:][:n]), sysv.Mtype(msg)
	}
	q.putScratch(s)
	return n, got, errno
}

// TrySend puts a message at the end of the queue if it fits now, and reports whether
// it did.
func (q *Queue) TrySend(typ int64, data []byte) (bool, error) {
	if typ < 1 || typ > sysv.MaxMtype {
		return false, q.wrongType(typ)
	}
	errno := q.send(typ, data, false)
	if errno == syscall.EAGAIN {
		return false, q.checkFits(data)
	}
	return errno == 0, q.sendResult(errno, data)
}

func (q *Queue) wrongType(typ int64) error {
	return q.refuse("send to", syscall.EINVAL, "type %d: a message has a type from 1 to %d", typ, int64(sysv.MaxMtype))
}

// checkFits refuses a message for which the kernel would wait for ever.
func (q *Queue) checkFits(data []byte) error {
	st, err := q.Stat()
	if err == nil && st.MaxBytes > 0 && len(data) > st.MaxBytes { // 0 stops senders; -1 is not known
		return q.refuse("send to", syscall.EMSGSIZE, "%d bytes never fit into a queue of %d: raise its capacity: \"sysvipc set msg:%d --qbytes\", or SetMaxBytes", len(data), st.MaxBytes, q.ID())
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
// Goroutines of this process that wait for the same selection get their messages in the
// order in which they came, save that the first five may change places: see
// [SemaphoreSet.Do].
func (q *Queue) Receive(ctx context.Context, sel Selector) (Message, error) {
	typ, flags, err := q.selection(ctx, sel.whole())
	if err != nil {
		return Message{}, err
	}
	var m Message
	errno := enomsg
	if !q.next.waits() && (waiting.count.Load() == 0 || !waiting.queued(q.receiveKey(typ, flags))) {
		m, errno = q.receive(typ, flags, false)
	}
	if mustWait(errno) {
		return q.waitMessage(ctx, typ, flags)
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

// TryReceiveInto is TryReceive into a buffer of the caller, as [Queue.ReceiveInto] does: it
// allocates nothing.
func (q *Queue) TryReceiveInto(sel Selector, buf []byte) (n int, typ int64, ok bool, err error) {
	want, flags, err := q.selection(context.Background(), sel)
	if err != nil {
		return 0, 0, false, err
	}
	n, typ, errno := q.receiveInto(want, flags, buf, false)
	switch {
	case errno == 0:
		return n, typ, true, nil
	case mustWait(errno):
		return 0, 0, false, nil
	}
	return 0, 0, false, q.receiveResult("receive from", errno, len(buf))
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
	case errno == syscall.ENOSYS && runtime.GOOS == "linux":
		return m, q.fail(op, errno, "this kernel is built without CONFIG_CHECKPOINT_RESTORE")
	case errno == syscall.EINVAL:
		if _, err := q.Stat(); err == nil {
			return m, q.fail(op, errno, "the kernel copies no message that is larger than kernel.msgmax, which was lowered after it was sent")
		}
	}
	return m, q.receiveResult(op, errno, 0)
}

// receive has room for any message: the kernel leaves one that does not fit on the
// queue, and the next attempt has more room.
func (q *Queue) receive(typ int64, flags int, block bool) (Message, syscall.Errno) {
	size := firstSize
	if flags&sysv.MSG_COPY != 0 { // the kernel first reads all the room that it may write
		size = max(256, int(q.copied.Load()))
	}
	for ; ; size = moreRoom(size) {
		s := q.getScratch(size)
		msg := s.msg(size)
		n, errno := msgrcv(q.ID(), msg, typ, flags, block)
		if errno == 0 {
			m := Message{Type: sysv.Mtype(msg), Data: cloneBytes(msg[sysv.MtypeSize:][:n])}
			q.putScratch(s)
			if flags&sysv.MSG_COPY != 0 && n > size/2 {
				q.copied.Store(int64(min(2*n, firstSize)))
			}
			return m, 0
		}
		q.putScratch(s)
		if errno != syscall.E2BIG || size == math.MaxInt32 {
			return Message{}, errno
		}
	}
}

// firstSize is the kernel's default for the largest message.
const firstSize = 8192

// moreRoom is for a message for which size was too small.
func moreRoom(size int) int {
	if size < firstSize {
		return firstSize
	}
	return min(max(4*size, largestMessage()), math.MaxInt32)
}

func largestMessage() int {
	lim, err := ReadLimits()
	if err != nil {
		return 0
	}
	return lim.Queues.MaxMessage
}

func msgrcv(id int, msg []byte, typ int64, flags int, block bool) (int, syscall.Errno) {
	if block {
		return sysv.Msgrcv(id, msg, typ, flags)
	}
	return sysv.MsgrcvNowait(id, msg, typ, flags)
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
