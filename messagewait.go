package sysvipc

import (
	"context"
	"syscall"
)

// What a message that has to wait needs is apart from what one that need not does, so
// that only waiters pay for it.

// waitSend is apart from Send so that only waiters pay for it.
func (q *Queue) waitSend(ctx context.Context, typ int64, data []byte) error {
	if err := q.checkFits(data); err != nil {
		return err
	}
	var errno syscall.Errno
	var cancelled bool
	if waiting.beginDirect() {
		errno, cancelled = block(ctx, func(block bool) syscall.Errno { return q.send(typ, data, block) })
		errno = waiting.endDirect(errno)
	} else {
		errno, cancelled = q.sendQueued(ctx, typ, data)
	}
	if cancelled {
		return q.cancelled("send to", ctx)
	}
	return q.sendResult(errno, data)
}

func (q *Queue) sendQueued(ctx context.Context, typ int64, data []byte) (syscall.Errno, bool) {
	return waiting.enqueue(ctx, q.sendKey(data), func(block bool) syscall.Errno { return q.send(typ, data, block) })
}

// sendKey says what a sender waits for.
func (q *Queue) sendKey(data []byte) *waitKey {
	return &waitKey{object: objectKey{q.kind, q.ID()}, call: 's', number: int64(len(data))}
}

// waitInto is apart from ReceiveInto so that only waiters pay for it.
func (q *Queue) waitInto(ctx context.Context, want int64, flags int, buf []byte) (n int, typ int64, err error) {
	q.next.waited()
	var errno syscall.Errno
	var cancelled bool
	if waiting.beginDirect() {
		errno, cancelled = block(ctx, func(block bool) (errno syscall.Errno) {
			n, typ, errno = q.receiveInto(want, flags, buf, block)
			return errno
		})
		errno = waiting.endDirect(errno)
	} else {
		n, typ, errno, cancelled = q.intoQueued(ctx, want, flags, buf)
	}
	if cancelled {
		return 0, 0, q.cancelled("receive from", ctx)
	}
	if errno != 0 { // n is the kernel's -1
		return 0, 0, q.receiveResult("receive from", errno, len(buf))
	}
	return n, typ, nil
}

func (q *Queue) intoQueued(ctx context.Context, want int64, flags int, buf []byte) (n int, typ int64, errno syscall.Errno, cancelled bool) {
	errno, cancelled = waiting.enqueue(ctx, q.receiveKey(want, flags), func(block bool) (errno syscall.Errno) {
		n, typ, errno = q.receiveInto(want, flags, buf, block)
		return errno
	})
	return n, typ, errno, cancelled
}

// waitMessage is apart from Receive so that only waiters pay for it.
func (q *Queue) waitMessage(ctx context.Context, typ int64, flags int) (m Message, err error) {
	q.next.waited()
	var errno syscall.Errno
	var cancelled bool
	if waiting.beginDirect() {
		errno, cancelled = block(ctx, func(block bool) (errno syscall.Errno) {
			m, errno = q.receive(typ, flags, block)
			return errno
		})
		errno = waiting.endDirect(errno)
	} else {
		m, errno, cancelled = q.messageQueued(ctx, typ, flags)
	}
	if cancelled {
		return Message{}, q.cancelled("receive from", ctx)
	}
	return m, q.receiveResult("receive from", errno, 0)
}

func (q *Queue) messageQueued(ctx context.Context, typ int64, flags int) (m Message, errno syscall.Errno, cancelled bool) {
	errno, cancelled = waiting.enqueue(ctx, q.receiveKey(typ, flags), func(block bool) (errno syscall.Errno) {
		m, errno = q.receive(typ, flags, block)
		return errno
	})
	return m, errno, cancelled
}

// receiveKey says what a receiver waits for.
func (q *Queue) receiveKey(want int64, flags int) *waitKey {
	return &waitKey{object: objectKey{q.kind, q.ID()}, call: 'r', number: want, flags: flags}
}
