package shared

import (
	"context"
	"io"
	"iter"

	"github.com/sysvipc/sysvipc/shared/internal/core"
	"github.com/sysvipc/sysvipc/shared/internal/structure"
)

// Records is a channel of byte records of any length among the goroutines of all processes
// that have the region open: many may send and many receive. Records are received in the
// order in which their senders took their places. Safe for concurrent use.
//
// [Records.Fill] and [Records.Handle] lend the record's place in the region, so that
// nothing is copied: they cost the same whatever its length.
//
// A process may be killed at any instant:
//
//   - A sender that is killed in Send or Fill loses at most the record that it was about to
//     send. What they have returned nil for stays, also when all processes are gone.
//   - A receiver that is killed in Receive or Handle leaves the record to the next
//     receiver, unless it had already given its place back, which is their last step. So
//     a record can arrive twice, and late, if its receiver was killed in the midst of it;
//     use Handle if none must be lost.
//
// A process that sleeps in the region is woken by the kernel when a participant dies, and repairs
// its work at once; if none sleeps, the next that would wait for it does.
//
// A process that is stopped (SIGSTOP) is not dead: in the midst of Send or Fill it holds up
// receivers at its record, in the midst of Receive or Handle senders when they come round
// to its place, and in the few instructions in which it takes a place all of the others.
type Records struct{ ring *structure.Records }

// RecordsOf returns the region's channel of records with this name, and makes it if there
// is none, with size bytes of room, rounded up to 64. A record takes its length and 16
// bytes, rounded up to 64; so the longest is 16 bytes shorter than the room. RecordsOf
// fails if another program declared it with another size.
func RecordsOf(r *Region, name string, size int) (*Records, error) {
	c, err := structure.DeclareRecords(core.Of(r), name, size)
	if err != nil {
		return nil, err
	}
	return &Records{c}, nil
}

// Send sends a record, and waits for room until ctx is done. It fails with
// [sysvipc.ErrTooBig] if the record can never fit, and with [ErrChanClosed] after Close.
func (q *Records) Send(ctx context.Context, record []byte) error { return q.ring.Send(ctx, record) }

// Fill sends a record that fill writes where it lies: into b, which has size bytes and
// unknown contents. Fill returns how many it has written, as [io.Reader] does, so that a
// Read method will do. If it returns an error or panics, nothing is sent; Fill returns its
// error. B must not be used after fill has returned. Receivers of what is sent later wait
// meanwhile.
func (q *Records) Fill(ctx context.Context, size int, fill func(b []byte) (n int, err error)) error {
	return q.ring.Fill(ctx, size, fill)
}

// Receive returns the next record, and waits for one until ctx is done. The record is in
// buf if that is long enough, and in a new slice if not. When the channel is closed and all
// its records have been received, it returns [io.EOF].
func (q *Records) Receive(ctx context.Context, buf []byte) (record []byte, err error) {
	return q.ring.Receive(ctx, buf)
}

// Handle receives the next record, as Receive does, calls handle with it where it lies, and
// only then takes it out of the channel. If handle returns an error or panics, or the
// process is killed meanwhile, the record is left to the next receiver: so each is handled
// at least once. Record must not be used after handle has returned. Handle returns what
// handle does.
func (q *Records) Handle(ctx context.Context, handle func(record []byte) error) error {
	return q.ring.Handle(ctx, handle)
}

// All receives records until the channel's end, or until ctx is done, which it yields as an
// error. A record is valid until the next turn of the loop.
func (q *Records) All(ctx context.Context) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		var buf []byte
		for {
			record, err := q.Receive(ctx, buf)
			if err == io.EOF || !yield(record, err) || err != nil {
				return
			}
			buf = record
		}
	}
}

// Close ends the channel, for all processes and for good: nothing more can be sent, and
// receivers get [io.EOF] when they have received what was. It may wait for a sender who is
// taking a place, until ctx is done. A second Close does nothing.
func (q *Records) Close(ctx context.Context) error { return q.ring.Close(ctx) }

// Len returns how many records wait to be received. It looks at each.
func (q *Records) Len() (int, error) { return q.ring.Len() }

// MaxLen returns the length of the longest record.
func (q *Records) MaxLen() int { return q.ring.MaxLen() }
