package bridge

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sysvipc/sysvipc"
	"github.com/sysvipc/sysvipc/cluster"
)

// Send carries messages from the kernel's queue to the cluster's, until ctx ends; then it
// finishes what it has begun. It returns an error only for what it cannot wait for to
// change.
//
// It copies the first messages without taking them (MSG_COPY), notes them in the journal,
// publishes them in order, and takes each off when the servers have it. So each is on one
// of the queues at every instant. A bridge that is killed between taking one off and noting
// that in the journal, which is some nanoseconds, may not know that it did: if the message
// behind is the same, byte for byte, one of the two is sent twice. A message whose answer was
// lost is published again with the same number, which the servers recognise for as long as
// [cluster.QueueOptions.Duplicates]; later, it is sent twice and counted as
// "bridge_repeated".
//
// The bridge has to be the only receiver of the selected messages: what another program
// takes between the copy and the taking off is received twice. Another bridge with the same
// selection waits until this one ends.
//
// With servers before NATS 2.14 it publishes one message at a time.
func (b *Bridge) Send(ctx context.Context) error {
	j, err := openJournal(b.Journal, kindOfSender, sizeOfSender)
	if err != nil {
		return err
	}
	defer j.close()
	s := &sender{Bridge: b, j: j, timer: time.NewTimer(0), unlock: func() {}}
	defer func() { s.unlock() }()
	const op = "bridge to"
	if s.selects, err = b.selection(); err != nil {
		return b.fail(op, err, "Select is Any, OfType or Except, of a type from 1")
	}
	_, info, err := b.stream(ctx, op)
	if ctx.Err() != nil {
		return nil // the end came while the servers were away
	}
	if err != nil {
		return err
	}
	s.batches, s.duplicates = info.Config.AllowBatchPublish, info.Config.Duplicates
	s.batch, err = openFastBatch(b.Remote.Conn(), strings.TrimSuffix(info.Config.Subjects[0], "*"), inFlightMost)
	if err != nil {
		return b.fail(op, err, "")
	}
	defer s.batch.close()
	s.restore()
	work, cancel := b.finishing(ctx)
	defer cancel()
	for ctx.Err() == nil || len(s.inFlight) > 0 {
		err := s.run(ctx, work)
		if errors.Is(err, sysvipc.ErrRemoved) && !errors.As(err, new(*cluster.Error)) { // the local one
			b.note("the local queue was removed", err)
			err = s.abandon(work)
		}
		if ctx.Err() != nil && (errors.Is(err, context.Canceled) || errors.Is(err, ctx.Err())) {
			return nil
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// inFlightMost is how many messages may be published and not taken off yet.
const inFlightMost = 256

// atOnce is how many are copied before the answers are looked at.
const atOnce = 64

// sent is a message in flight: between its copy and its taking off.
type sent struct {
	number uint64 // ours, from 0, without a gap
	print  uint64
	m      sysvipc.Message
	off    bool // it is not on the local queue any more
}

// sender carries from the kernel to the cluster.
type sender struct {
	*Bridge
	j       *journal
	selects func(typ int64) bool
	local   *sysvipc.Queue

	batch      *fastBatch
	batches    bool          // the cluster's queue takes them
	duplicates time.Duration // for how long the servers know a number

	unlock func() // the local queue, for another bridge

	self     uint64 // a part of the numbers' names
	inFlight []sent // in the order of the local queue
	bytes    int    // of them
	off      int    // how many of them are not on the local queue any more
	next     uint64 // the number of the next to copy
	stored   uint64 // the servers have those below
	base     uint64 // the number of the batch's first
	flow     int    // of the batch
	most     int    // how many were in flight together during the batch
	moved    time.Time
	pause    time.Duration
	timer    *time.Timer
	silent   bool // nobody answered the batch: the servers may have what they are not known to have
	doubt    bool // a bridge was killed with these in flight, and their texts are not known yet
}

// run carries messages until something happens. Work outlives ctx for a while.
func (s *sender) run(ctx, work context.Context) error {
	if s.local == nil {
		var err error
		if s.local, err = s.open(ctx); err != nil {
			return err
		}
		if err := s.lock(ctx); err != nil {
			s.local = nil
			return err
		}
		s.opened()
	}
	if s.doubt {
		if err := s.resume(); err != nil {
			return err
		}
		if err := s.resend(work); err != nil {
			return err
		}
	}
	for ctx.Err() == nil || len(s.inFlight) > 0 {
		n := 0
		if ctx.Err() == nil {
			var err error
			if n, err = s.copy(); err != nil {
				return err
			}
		}
		if s.batch.over && len(s.inFlight) > 0 {
			if err := s.resend(work); err != nil {
				return err
			}
			continue
		}
		if n > 0 {
			s.pause = 0
		}
		if err := s.await(ctx, work); err != nil {
			return err
		}
		if err := s.takeOff(work); err != nil {
			return err
		}
	}
	return ctx.Err()
}

// lock waits until no other bridge sends the same messages of the local queue: both would.
func (s *sender) lock(ctx context.Context) (err error) {
	s.unlock()
	for noted := false; ; noted = true {
		free, err := lockLocal(s.local.ID(), fmt.Sprint(s.Select))
		if err != nil {
			return err
		}
		if free != nil {
			s.unlock = free
			return nil
		}
		if !noted {
			s.note("another bridge sends from the local queue: waiting to take its place", nil)
		}
		if err := pause(ctx, 200*time.Millisecond); err != nil {
			return err
		}
	}
}

// name is what the servers know a message by.
func (s *sender) name(f sent) string {
	return strconv.FormatUint(s.self, 36) + "." + strconv.FormatUint(f.number, 36)
}

// await waits for answers of the servers, or until it is worth to look for messages: the
// kernel has no call that waits for a message and leaves it.
func (s *sender) await(ctx, work context.Context) error {
	s.pause = min(max(2*s.pause, 50*time.Microsecond), idlePause)
	var came <-chan struct{}
	if s.pause == idlePause && len(s.inFlight) == 0 {
		var stop func()
		came, stop = idle.watch(s.local)
		defer stop()
		s.timer.Stop()
	} else {
		s.timer.Reset(s.pause)
	}
	done := ctx.Done()
	if ctx.Err() != nil {
		done = work.Done()
	}
	select {
	case m := <-s.batch.answers:
		s.batch.answered(m)
	case <-s.batch.lost:
		s.batch.over, s.batch.lost, s.silent = true, nil, true
	case <-s.timer.C:
	case <-came:
	case <-done:
		return work.Err()
	}
	for {
		select {
		case m := <-s.batch.answers:
			s.batch.answered(m)
			continue
		default:
		}
		break
	}
	if len(s.inFlight) == 0 {
		return nil
	}
	still := time.Since(s.moved)
	if now := s.base + s.batch.stored; now > s.stored {
		s.knowStored(now)
		s.moved, s.pause = time.Now(), 0
	} else if still > attempt {
		s.batch.over, s.silent = true, true // an answer is lost, or more
	} else if still > tailPause && !s.batch.ending && !s.batch.over {
		s.batch.end() // the last ones have no answer of their own
	}
	return nil
}

// tailPause is after what time without news the servers are asked for what has no answer of
// its own. Until then it lies on the local queue, too, though it may have arrived.
const tailPause = 5 * time.Millisecond

// resend sends what is in flight one by one, each with its number, until the servers have
// them all, and takes them off.
func (s *sender) resend(ctx context.Context) error {
	s.batch.over = true
	for len(s.inFlight) > 0 {
		if err := s.sendOnce(ctx, s.inFlight[0]); err != nil {
			return err
		}
		if err := s.takeOff(ctx); err != nil {
			return err
		}
	}
	return nil
}

// abandon gives the servers what is in flight, though the local queue is gone.
func (s *sender) abandon(ctx context.Context) error {
	s.local = nil
	if s.doubt {
		s.drop()
	}
	return s.resend(ctx)
}

// takeOff takes what the servers have off the local queue.
func (s *sender) takeOff(ctx context.Context) error {
	n := 0
	defer func() {
		s.inFlight = slices.Delete(s.inFlight, 0, n)
		if n > 0 {
			s.count("bridge_sent", n)
		}
	}()
	for ; n < len(s.inFlight) && s.inFlight[n].number < s.stored; n++ {
		f := &s.inFlight[n]
		s.bytes -= len(f.m.Data)
		if f.off || s.local == nil {
			if f.off {
				s.off--
			}
			s.knowRemoved(f.number + 1)
			continue
		}
		s.j.set(wordTaking, f.number+1)
		m, ok, err := s.local.TryReceive(sysvipc.OfType(f.m.Type))
		if err != nil {
			s.bytes += len(f.m.Data)
			return err
		}
		s.knowRemoved(f.number + 1)
		if ok && fingerprint(m) == f.print {
			continue
		}
		s.note("another program takes messages off the local queue, which were sent as well", nil)
		s.count("bridge_repeated", 1)
		if ok { // the servers may not have it yet
			if err := s.rescue(ctx, m, s.inFlight[n+1:]); err != nil {
				return err
			}
		}
	}
	return nil
}

// rescue sends a message that was taken off the local queue instead of another one, and
// what was before it. It may be in flight.
func (s *sender) rescue(ctx context.Context, m sysvipc.Message, behind []sent) error {
	print := fingerprint(m)
	i := slices.IndexFunc(behind, func(f sent) bool { return !f.off && f.print == print && f.m.Type == m.Type })
	if i >= 0 {
		behind[i].off = true
		s.off++
		behind = behind[:i+1]
	}
	for _, f := range behind {
		if err := s.sendOnce(ctx, f); err != nil {
			return err
		}
	}
	if i >= 0 {
		return nil
	}
	return s.Remote.Send(ctx, m.Type, m.Data)
}

// sendOnce sends what is in flight unless the servers are known to have it.
func (s *sender) sendOnce(ctx context.Context, f sent) error {
	if f.number < s.stored {
		return nil
	}
	for noted := false; ; noted = true {
		err := s.Remote.SendOnce(ctx, s.name(f), f.m.Type, f.m.Data)
		if err == nil {
			break
		}
		if !errors.Is(err, sysvipc.ErrTooBig) {
			return err
		}
		if !noted {
			s.note(fmt.Sprintf("a message of %d bytes does not fit onto the queue: waiting until its limits, or the servers' max_payload, are raised", len(f.m.Data)), err)
		}
		if err := pause(ctx, time.Second); err != nil {
			return err
		}
	}
	s.knowStored(f.number + 1)
	if s.silent && time.Since(s.published()) > s.duplicates { // they may have forgotten its ID
		s.count("bridge_repeated", 1)
	}
	return nil
}
