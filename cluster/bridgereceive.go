package cluster

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/sysvipc/sysvipc"
)

// Receive carries messages from the cluster's queue to the kernel's, until ctx ends. It
// waits while the kernel's queue is full or not there. It returns an error only for what
// it cannot wait for to change.
//
// One bridge receives from a queue at a time; others wait to take its place when it dies.
// It is then the only receiver, so that the order lasts through its death: what it had
// not acknowledged comes first.
//
// It notes in the journal which message it is about to put onto the kernel's queue, and
// that it has, and then acknowledges it; what is delivered again is recognised by that.
// Killed between the two notes, which is a few microseconds, it may not know that it did,
// and the message comes twice, counted as "bridge_repeated", unless the kernel's queue
// shows that it is there. So does what was not yet acknowledged, if the bridge goes on
// without its journal, or on another machine.
func (b *Bridge) Receive(ctx context.Context) error {
	j, err := openJournal(b.Journal)
	if err != nil {
		return err
	}
	defer j.close()
	if b.Select != sysvipc.Any {
		return b.Remote.refuse("bridge from", nil, "it carries all types")
	}
	set, err := b.Remote.conn.EnsureSemaphores(ctx, "bridge "+b.Remote.tok(), 1)
	if err != nil {
		return err
	}
	set.Close(ctx)
	for ctx.Err() == nil {
		if err := b.receiveAlone(ctx, j); err != nil && ctx.Err() == nil {
			if !errors.Is(err, errAgain) {
				return err
			}
		}
	}
	return nil
}

func (q *Queue) tok() string { return strings.TrimPrefix(q.stream, "SYSVIPC_Q_") }

var errAgain = errors.New("begin again")

// receiveAlone receives for as long as it holds the lock of those who do.
func (b *Bridge) receiveAlone(ctx context.Context, j *journal) error {
	set, err := b.Remote.conn.OpenSemaphores(ctx, "bridge "+b.Remote.tok())
	if err != nil {
		return err
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), attempt)
		defer cancel()
		set.Close(ctx)
	}()
	grant, err := set.TryTake(ctx, sysvipc.Add(0, -1))
	if err == nil && grant == nil {
		b.note("another bridge receives from the queue: waiting to take its place", nil)
		grant, err = set.Take(ctx, sysvipc.Add(0, -1))
	}
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		select {
		case <-grant.Lost():
			b.note("the lease is lost: another bridge may receive now", nil)
			cancel()
		case <-ctx.Done():
		}
	}()
	r := &receiver{Bridge: b, j: j}
	if err := r.restore(ctx); err != nil {
		return err
	}
	for ctx.Err() == nil {
		if err := r.run(ctx); err != nil && !errors.Is(err, errAgain) && ctx.Err() == nil {
			return err
		}
	}
	return errAgain
}

// receiver is a bridge at work from the cluster to the kernel.
type receiver struct {
	*Bridge
	j     *journal
	local *sysvipc.Queue

	made    uint64 // when the stream was: with another one, the numbers begin anew
	sent    uint64 // the number of the last that is on the kernel's queue
	print   uint64 // its fingerprint
	sending uint64 // the number of the next, if it was begun
	next    uint64 // its fingerprint
	pid     uint64 // of the bridge that noted it
}

func (r *receiver) save() error {
	return r.j.write(0, r.made, r.sent, r.print, r.sending, r.next, uint64(os.Getpid()))
}

// restore reads what the bridge before knew.
func (r *receiver) restore(ctx context.Context) error {
	r.made = uint64(r.Remote.made.UnixNano())
	var err error
	if r.local, err = r.open(ctx); err != nil {
		return err
	}
	old, err := r.j.read(0, 6)
	if err != nil || old == nil || old[0] != r.made {
		return err
	}
	r.sent, r.print, r.sending, r.next, r.pid = old[1], old[2], old[3], old[4], old[5]
	if r.sending > r.sent && r.arrived() {
		r.sent, r.print = r.sending, r.next
	}
	return r.save()
}

// arrived finds out whether the message that was begun is on the kernel's queue. In doubt
// it is not.
func (r *receiver) arrived() bool {
	st, err := r.local.Stat()
	if err == nil && st.LastSendPID == int(r.pid) && st.Messages > 0 && r.print != r.next {
		// The last that was put there is the last of the queue, and came from that bridge.
		if m, err := r.local.Peek(st.Messages - 1); err == nil {
			switch fingerprint(m) {
			case r.next:
				return true
			case r.print:
				return false
			}
		}
	}
	r.count("bridge_repeated", 1)
	return false
}

// run receives until there is a gap.
func (r *receiver) run(ctx context.Context) error {
	cons, err := r.consumer(ctx)
	if err != nil {
		return err
	}
	messages, err := cons.Messages(jetstream.PullMaxMessages(512), jetstream.PullExpiry(10*time.Second), jetstream.PullHeartbeat(2*time.Second))
	if err != nil {
		return r.Remote.fail("bridge from", err, "")
	}
	defer messages.Stop()
	stop := context.AfterFunc(ctx, messages.Stop)
	defer stop()
	for want := uint64(1); ; want++ {
		msg, err := messages.Next()
		switch {
		case errors.Is(err, jetstream.ErrNoHeartbeat):
			want--
			continue // it asks again by itself
		case err != nil: // it was stopped, or the consumer is gone
			return r.gone(ctx)
		}
		meta, err := msg.Metadata()
		if err != nil {
			return r.Remote.fail("bridge from", err, "")
		}
		if meta.Sequence.Consumer != want || meta.NumDelivered != 1 {
			return errAgain // something was lost on its way: begin with that
		}
		typ, ok := r.Remote.typeOf(msg.Subject())
		if !ok {
			return r.Remote.fail("bridge from", fmt.Errorf("subject %q has no type", msg.Subject()), "")
		}
		m := sysvipc.Message{Type: typ, Data: msg.Data()}
		if meta.Sequence.Stream <= r.sent {
			r.count("bridge_suppressed", 1)
		} else if err := r.put(ctx, meta.Sequence.Stream, m, meta.NumPending > 0); err != nil {
			return err
		}
		if err := msg.Ack(); err != nil {
			return errAgain
		}
		if meta.NumPending == 0 || want%256 == 0 {
			r.Remote.conn.metrics.Gauge("bridge_backlog", r.Remote.name, float64(meta.NumPending))
		}
	}
}

// gone waits a little, and fails if the queue was removed.
func (r *receiver) gone(ctx context.Context) error {
	if ctx.Err() == nil && !r.Remote.exists(ctx) {
		return r.Remote.removed("bridge from")
	}
	pause(ctx, 50*time.Millisecond)
	return errAgain
}

// put puts a message onto the kernel's queue. If more follow, the note before the next
// says that this one is there.
func (r *receiver) put(ctx context.Context, seq uint64, m sysvipc.Message, more bool) error {
	r.sending, r.next = seq, fingerprint(m)
	if err := r.save(); err != nil {
		return err
	}
	told := false
	for {
		err := r.local.Send(ctx, m.Type, m.Data)
		switch {
		case err == nil:
			r.sent, r.print = seq, r.next
			r.count("bridge_received", 1)
			if more {
				return nil
			}
			return r.save()
		case errors.Is(err, sysvipc.ErrRemoved):
			if r.local, err = r.open(ctx); err != nil {
				return err
			}
		case errors.Is(err, sysvipc.ErrTooBig):
			if !told {
				r.note(fmt.Sprintf("a message of %d bytes does not fit onto the local queue: waiting until its limits are raised", len(m.Data)), err)
				told = true
			}
			if err := pause(ctx, time.Second); err != nil {
				return err
			}
		default:
			return err
		}
	}
}

// consumer makes the consumer anew, which then begins with what was not acknowledged.
func (r *receiver) consumer(ctx context.Context) (cons jetstream.Consumer, err error) {
	const name = "bridge"
	q := r.Remote
	err = persist(ctx, func(ctx context.Context) error {
		s, err := q.conn.js.Stream(ctx, q.stream)
		if err != nil {
			return err
		}
		if err := s.DeleteConsumer(ctx, name); err != nil && !errors.Is(err, jetstream.ErrConsumerNotFound) {
			return err
		}
		// Consumers of receivers that left are in the way.
		for info := range s.ListConsumers(ctx).Info() {
			if strings.HasPrefix(info.Name, "t") && info.NumWaiting == 0 && info.NumAckPending == 0 {
				s.DeleteConsumer(ctx, info.Name)
			}
		}
		cons, err = s.CreateConsumer(ctx, jetstream.ConsumerConfig{
			Durable: name, FilterSubject: q.subject + "*", AckPolicy: jetstream.AckExplicitPolicy, AckWait: 24 * time.Hour, MaxAckPending: 4096,
		})
		return err
	})
	if isCode(err, codeConsumerOverlap, codeConsumerOverlapAll) {
		return nil, q.fail("bridge from", err, "other programs receive from it: a bridge has to be the only one")
	}
	if isGone(err) {
		return nil, q.removed("bridge from")
	}
	if err != nil {
		return nil, q.fail("bridge from", err, "")
	}
	return cons, nil
}
