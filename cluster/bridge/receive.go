package bridge

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/sysvipc/sysvipc"
	"github.com/sysvipc/sysvipc/cluster"
	"github.com/sysvipc/sysvipc/cluster/internal/jserr"
)

// opReceive is what errors say was tried.
const opReceive = "bridge from"

// Receive carries messages from the cluster's queue to the kernel's, until ctx ends. It
// waits while the kernel's queue is full or not there. It returns an error only for what
// it cannot wait for to change.
//
// One bridge receives from a queue at a time; others wait to take its place when it dies.
// It is then the only receiver, so that the order lasts through its death: the next one
// begins with what it had not acknowledged.
//
// It notes in the journal which message it is about to put onto the kernel's queue, then that
// it has, and then acknowledges it. Redeliveries are recognised by that, and what a sending
// bridge has sent again, since the servers died, by its number. A bridge that is killed
// between the two notes, which is a microsecond or two, may not know that it did: then the
// message is delivered twice, and counted as "bridge_repeated", unless the kernel's queue
// shows that it is there. A bridge that goes on without its journal, or on another machine,
// delivers again what was not yet acknowledged.
func (b *Bridge) Receive(ctx context.Context) error {
	j, err := openJournal(b.Journal, kindOfReceiver, sizeOfReceiver)
	if err != nil {
		return err
	}
	defer j.close()
	if b.Select != sysvipc.Any {
		return b.fail(opReceive, errors.New("invalid argument"), "it carries all types")
	}
	set, err := b.Remote.Conn().EnsureSemaphores(ctx, b.lockName(), 1)
	if ctx.Err() != nil && errors.Is(err, ctx.Err()) {
		return nil // the end came while the servers were away
	}
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

// lockName is the name of the set that lets one bridge receive from the queue at a time.
func (b *Bridge) lockName() string {
	const longest = 64 // bytes of a name
	name := "bridge " + strings.TrimPrefix(b.Remote.Stream(), "SYSVIPC_Q_")
	if len(name) > longest {
		name = fmt.Sprintf("bridge %x", sha256.Sum256([]byte(name)))[:longest]
	}
	return name
}

// receiveAlone receives for as long as it holds the lock of those who do.
func (b *Bridge) receiveAlone(ctx context.Context, j *journal) error {
	set, err := b.Remote.Conn().OpenSemaphores(ctx, b.lockName())
	if err != nil {
		return err
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), b.patience(attempt))
		defer cancel()
		set.Close(ctx)
	}()
	grant, err := set.TryTake(ctx, sysvipc.Add(0, -1))
	if err == nil && grant == nil {
		b.note("another bridge receives from the queue: waiting to take its place", nil)
		grant, err = set.Take(ctx, sysvipc.Add(0, -1))
	}
	if errors.Is(err, cluster.ErrLeaseLost) { // while it waited: it has nothing, and waits again
		b.note("the lease is lost: waiting again to take the place of the one that receives", err)
		return errAgain
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

// The journal of a receiver. Messages that are put onto the kernel's queue are counted; of
// the last and of the next there are notes, at places that take turns.
const (
	kindOfReceiver = 0x3276637276737973 // in a file, "sysvrcv2"

	wordMade  = 1 // when the stream was: with another one, the numbers begin again
	wordBegun = 2 // how many were begun
	wordDone  = 3 // how many are on the kernel's queue: as many, or one less
	wordPID   = 4 // of the bridge that began the last
	wordNotes = 8 // sequence in the stream, when it was stored, fingerprint, checksum

	sizeOfNote     = 4
	wordKnown      = wordNotes + 2*sizeOfNote // what bridges have sent
	sizeOfReceiver = wordKnown + knownSenders*sizeOfKnown
)

// receiver carries from the cluster to the kernel.
type receiver struct {
	*Bridge
	j     *journal
	local *sysvipc.Queue
}

var pid = uint64(os.Getpid())

// note is what the journal has of a message.
type note struct{ seq, stored, print uint64 }

// sum is the note's checksum, which a note that was never written does not have.
func (n note) sum(count uint64) uint64 {
	h := fnv.New64a()
	binary.Write(h, binary.LittleEndian, []uint64{count, n.seq, n.stored, n.print})
	return h.Sum64() | 1
}

// noted returns what the journal has of a message, and whether that is whole.
func (r *receiver) noted(count uint64) (n note, whole bool) {
	at := wordNotes + sizeOfNote*int(count%2)
	n = note{r.j.get(at), r.j.get(at + 1), r.j.get(at + 2)}
	return n, count == 0 || r.j.get(at+3) == n.sum(count)
}

// begin notes that a message is about to be put onto the kernel's queue.
func (r *receiver) begin(n note) {
	next := r.j.get(wordDone) + 1
	at := wordNotes + sizeOfNote*int(next%2)
	for i, word := range []uint64{n.seq, n.stored, n.print, n.sum(next)} {
		r.j.set(at+i, word)
	}
	r.j.set(wordPID, pid)
	r.j.set(wordBegun, next)
}

// done notes that it is there.
func (r *receiver) done() { r.j.set(wordDone, r.j.get(wordBegun)) }

// seen reports whether a message was put onto the kernel's queue before. One with an earlier
// sequence that was stored later was not: the servers went back, and count from there.
func (r *receiver) seen(at *nats.MsgMetadata) bool {
	last, _ := r.noted(r.j.get(wordDone))
	if at.Sequence.Stream > last.seq {
		return false
	}
	if stored(at) <= last.stored {
		return true
	}
	r.count("went_back", 1)
	r.note(fmt.Sprintf("the servers went back: message %d was the last, and %d is newer", last.seq, at.Sequence.Stream), errWentBack)
	return false
}

// stored is when the servers stored a message, in nanoseconds of their clock.
func stored(at *nats.MsgMetadata) uint64 { return uint64(at.Timestamp.UnixNano()) }

var errWentBack = errors.New("what they had acknowledged is lost, or replaced by a copy of before")

// whole reports whether the journal is as a bridge has written it.
func (r *receiver) whole() bool {
	begun, done := r.j.get(wordBegun), r.j.get(wordDone)
	_, last := r.noted(done)
	_, next := r.noted(begun)
	return last && next && (begun == done || begun == done+1)
}

// restore reads what the bridge before knew.
func (r *receiver) restore(ctx context.Context) error {
	local, err := r.open(ctx)
	if err != nil {
		return err
	}
	r.local = local
	_, info, err := r.stream(ctx, opReceive)
	if err != nil {
		return err
	}
	made := uint64(info.Created.UnixNano())
	damaged := !r.whole()
	if damaged {
		r.note("the journal is damaged: what was not acknowledged is delivered twice", nil)
	}
	if damaged || r.j.get(wordMade) != made {
		for i := wordBegun; i < sizeOfReceiver; i++ {
			r.j.set(i, 0)
		}
		r.j.set(wordMade, made)
	}
	if r.j.get(wordBegun) > r.j.get(wordDone) {
		if r.arrived() {
			r.done()
		} else {
			r.j.set(wordBegun, r.j.get(wordDone))
		}
	}
	return nil
}

// arrived finds out whether the message that was begun is on the kernel's queue. In doubt
// it is not.
func (r *receiver) arrived() bool {
	last, _ := r.noted(r.j.get(wordDone))
	begun, _ := r.noted(r.j.get(wordBegun))
	print, next := last.print, begun.print
	st, err := r.local.Stat()
	if err == nil && st.LastSendPID == int(r.j.get(wordPID)) && st.Messages > 0 && print != next {
		// The last that was put there is the last of the queue, and came from that bridge.
		if m, err := r.local.Peek(st.Messages - 1); err == nil {
			switch fingerprint(m) {
			case next:
				return true
			case print:
				return false
			}
		}
	}
	r.count("bridge_repeated", 1)
	return false
}

// run receives until there is a gap.
func (r *receiver) run(ctx context.Context) error {
	if err := r.remakeConsumer(ctx); err != nil {
		return err
	}
	conn := r.Remote.Conn()
	pull, err := openPull(conn, r.Remote.Stream(), consumerName)
	if err != nil {
		return r.fail(opReceive, err, "")
	}
	defer pull.close()
	for want := uint64(1); ; want++ {
		msg, err := pull.next(ctx)
		if err != nil { // the consumer is gone, or out of reach
			pause(ctx, 50*time.Millisecond)
			return errAgain
		}
		at, err := msg.Metadata()
		typ, err2 := strconv.ParseInt(msg.Subject[strings.LastIndexByte(msg.Subject, '.')+1:], 10, 64)
		if err := errors.Join(err, err2); err != nil {
			return r.fail(opReceive, fmt.Errorf("a message came with subject %q and reply %q: %w", msg.Subject, msg.Reply, err), "")
		}
		if at.Sequence.Consumer != want || at.NumDelivered != 1 {
			return errAgain // something was lost on its way: begin with that
		}
		m := sysvipc.Message{Type: typ, Data: msg.Data}
		print := fingerprint(m)
		place, mark := r.known(msg.Header.Get(jetstream.MsgIDHeader), print)
		if r.seen(at) || place > 0 && r.j.get(place) == mark {
			r.count("bridge_suppressed", 1)
		} else if err := r.put(ctx, note{at.Sequence.Stream, stored(at), print}, m); err != nil {
			return err
		}
		if place > 0 {
			r.j.set(place, mark)
		}
		if err := conn.NATS().Publish(msg.Reply, ackWord); err != nil {
			return errAgain
		}
		if r.Metrics != nil && (at.NumPending == 0 || want%256 == 0) {
			r.Metrics.Gauge("bridge_backlog", r.Remote.Name(), float64(at.NumPending))
		}
	}
}

// put puts a message onto the kernel's queue.
func (r *receiver) put(ctx context.Context, n note, m sysvipc.Message) error {
	r.begin(n)
	noted := false
	for {
		err := r.local.Send(ctx, m.Type, m.Data)
		switch {
		case err == nil:
			r.done()
			r.count("bridge_received", 1)
			return nil
		case errors.Is(err, sysvipc.ErrRemoved):
			if r.local, err = r.open(ctx); err != nil {
				return err
			}
		case errors.Is(err, sysvipc.ErrTooBig):
			if !noted {
				r.note(fmt.Sprintf("a message of %d bytes does not fit onto the local queue: waiting until its limits are raised", len(m.Data)), err)
				noted = true
			}
			if err := pause(ctx, time.Second); err != nil {
				return err
			}
		default:
			return err
		}
	}
}

// consumerName is that of the consumer by which a bridge receives.
const consumerName = "bridge"

var ackWord = []byte("+ACK")

// remakeConsumer makes the consumer again, which then begins with what was not acknowledged.
func (r *receiver) remakeConsumer(ctx context.Context) error {
	js, _ := r.Remote.Conn().JetStream()
	err := r.Remote.Conn().Retry(ctx, func(ctx context.Context) error {
		s, err := js.Stream(ctx, r.Remote.Stream())
		if err != nil {
			return err
		}
		if err := s.DeleteConsumer(ctx, consumerName); err != nil && !errors.Is(err, jetstream.ErrConsumerNotFound) {
			return err
		}
		// Consumers of receivers that left are in the way.
		for info := range s.ListConsumers(ctx).Info() {
			if strings.HasPrefix(info.Name, "t") && info.NumWaiting == 0 && info.NumAckPending == 0 {
				s.DeleteConsumer(ctx, info.Name)
			}
		}
		_, err = s.CreateConsumer(ctx, jetstream.ConsumerConfig{
			Durable: consumerName, AckPolicy: jetstream.AckExplicitPolicy, AckWait: 24 * time.Hour, MaxAckPending: 4096,
		})
		return err
	})
	hint := ""
	if jserr.IsOverlap(err) {
		hint = "other programs receive from it: a bridge has to be the only one"
	}
	return r.fail(opReceive, err, hint)
}
