package cluster

import (
	"context"
	"errors"
	"strconv"

	"github.com/sysvipc/sysvipc"
)

// walkMost is how many messages in flight are passed by before all
// types are asked.
const walkMost = 8

// walk looks for the first message, and asks for its type only: so nothing is taken that
// is not received.
func (q *Queue) walk(ctx context.Context, s selection) (*item, error) {
	q.mu.Lock()
	since := q.clock()
	q.mu.Unlock()
	seq := uint64(1)
	tried := map[int64]bool{}
	for range walkMost {
		m, err := q.peek(ctx, seq)
		if m == nil || err != nil {
			return nil, err
		}
		seq = m.seq + 1
		if !s.has(m.Type) {
			continue
		}
		if !tried[m.Type] {
			tried[m.Type] = true
			if err := q.fill(ctx, []int64{m.Type}, 1, since); err != nil {
				return nil, err
			}
		}
		q.mu.Lock()
		if c := q.consumer(m.Type); len(c.items) > 0 && c.items[0].seq <= m.seq {
			it := c.take()
			q.mu.Unlock()
			return it, nil
		}
		q.mu.Unlock()
	}
	return nil, nil
}

// peeked is a message as it lies in the stream.
type peeked struct {
	sysvipc.Message
	seq uint64
}

// peek returns the first message from seq on, or nil if there is none.
func (q *Queue) peek(ctx context.Context, seq uint64) (*peeked, error) {
	got, err := q.conn.stored(ctx, q.stream, `{"seq":`+strconv.FormatUint(seq, 10)+`,"next_by_subj":"`+q.subject+`*"}`)
	if err != nil || got.Seq == 0 {
		return nil, err
	}
	typ, ok := q.typeOf(got.Subject)
	if !ok {
		return nil, errors.New("the server's answer is not understood")
	}
	return &peeked{sysvipc.Message{Type: typ, Data: append([]byte{}, got.Data...)}, got.Seq}, nil
}

// Peek returns the message at this index, 0 being the first, and leaves it where it is:
// one in flight, too. It costs a question for each
// message before it. It fails with ErrWouldBlock if there are fewer messages.
func (q *Queue) Peek(ctx context.Context, index int) (sysvipc.Message, error) {
	const op = "peek at"
	if index < 0 {
		return sysvipc.Message{}, q.refuse(op, nil, "index %d is negative", index)
	}
	q.flushAcks(ctx)
	for seq := uint64(1); ; index-- {
		m, err := q.peek(ctx, seq)
		switch {
		case isGone(err):
			return sysvipc.Message{}, q.removed(op)
		case err != nil:
			return sysvipc.Message{}, q.fail(op, err, "")
		case m == nil:
			return sysvipc.Message{}, q.refuse(op, sysvipc.ErrWouldBlock, "there are fewer messages")
		case index == 0:
			return m.Message, nil
		}
		seq = m.seq + 1
	}
}
