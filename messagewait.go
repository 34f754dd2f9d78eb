package sysvipc

import (
	"context"
	"syscall"
)

// What a message that has to wait needs is apart from what one that need not does, so
// that only those who wait pay for it.

// waitSend is apart from Send so that only those who wait pay for it.
func (q *Queue) waitSend(ctx context.Context, typ int64, data []byte) error {
	if err := q.checkFits(data); err != nil {
		return err
	}
	errno, cancelled := waiting.wait(ctx, func() *lineKey { return q.sendKey(data) }, func(block bool) syscall.Errno {
		return q.send(typ, data, block)
	})
	if cancelled {
		return q.cancelled("send to", ctx)
	}
	return q.sendResult(errno, data)
}

// sendKey says what a sender waits for.
func (q *Queue) sendKey(data []byte) *lineKey {
	return &lineKey{object: objectKey{q.kind, q.ID()}, call: 's', number: int64(len(data))}
}

// waitInto is apart from ReceiveInto so that only those who wait pay for it.
func (q *Queue) waitInto(ctx context.Context, want int64, flags int, buf []byte) (n int, typ int64, err error) {
	q.next.waited()
	errno, cancelled := waiting.wait(ctx, func() *lineKey { return q.receiveKey(want, flags) }, func(block bool) (errno syscall.Errno) {
		n, typ, errno = q.receiveInto(want, flags, buf, block)
		return errno
	})
	if cancelled {
		return 0, 0, q.cancelled("receive from", ctx)
	}
	if errno != 0 { // n is the kernel's -1
		return 0, 0, q.receiveResult("receive from", errno, len(buf))
	}
	return n, typ, nil
}

// waitMessage is apart from Receive so that only those who wait pay for it.
func (q *Queue) waitMessage(ctx context.Context, typ int64, flags int) (m Message, err error) {
	q.next.waited()
	errno, cancelled := waiting.wait(ctx, func() *lineKey { return q.receiveKey(typ, flags) }, func(block bool) (errno syscall.Errno) {
		m, errno = q.receive(typ, flags, block)
		return errno
	})
	if cancelled {
		return Message{}, q.cancelled("receive from", ctx)
	}
	return m, q.receiveResult("receive from", errno, 0)
}

// receiveKey says what a receiver waits for.
func (q *Queue) receiveKey(want int64, flags int) *lineKey {
	return &lineKey{object: objectKey{q.kind, q.ID()}, call: 'r', number: want, flags: flags}
}
