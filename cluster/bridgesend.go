package cluster

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/sysvipc/sysvipc"
)

// Send carries messages from the kernel's queue to the cluster's, until ctx ends; then it
// finishes what it has begun. It returns an error only for what it cannot wait for to
// change.
//
// It copies the first messages without taking them (MSG_COPY), notes them in the journal,
// publishes them in order, and takes each off when the servers have it. So each is on one
// of the queues at every instant. Killed between taking one off and noting that in the
// journal, which is some nanoseconds, it cannot always know that it did: if the message
// behind is the same, byte for byte, one of the two is sent twice. What was published and
// its answer lost is published again with the same number, which the servers recognise
// for as long as [QueueOptions.Duplicates]; later, it is sent twice and counted as
// "bridge_repeated".
//
// The bridge has to be the only one that takes the selected messages off the queue: what
// another program takes between the copy and the taking off, was received twice. Another
// bridge with the same selection waits until this one ends.
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
	if s.sel, err = b.Remote.selectionOf(b.Select); err != nil {
		return err
	}
	if s.batch, err = b.Remote.openFastBatch(flyingMost); err != nil {
		return b.Remote.fail("bridge to", err, "")
	}
	defer s.batch.close()
	s.restore()
	work, cancel := finishing(ctx)
	defer cancel()
	for ctx.Err() == nil || len(s.flying) > 0 {
		err := s.run(ctx, work)
		if errors.Is(err, sysvipc.ErrRemoved) && !errors.As(err, new(*Error)) { // the local one
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

// flyingMost is how many messages may be published and not taken off yet.
const flyingMost = 256

// atOnce is how many are copied before the answers are looked at.
const atOnce = 64

// flight is a message between its copy and its taking off.
type flight struct {
	number uint64 // ours, from 0, without a gap
	print  uint64
	m      sysvipc.Message
	off    bool // it is not on the local queue any more
}

// sender is a bridge at work from the kernel to the cluster.
type sender struct {
	*Bridge
	j     *journal
	sel   selection
	local *sysvipc.Queue
	batch *fastBatch

	unlock func() // the local queue, for another bridge

	self   uint64   // a part of the numbers' names
	flying []flight // in the order of the local queue
	bytes  int      // of them
	off    int      // how many of them are not on the local queue any more
	next   uint64   // the number of the next to copy
	stored uint64   // the servers have those below
	base   uint64   // the number of the batch's first
	flow   int      // of the batch
	most   int      // how many flew together during the batch
	moved  time.Time
	pause  time.Duration
	timer  *time.Timer
	silent bool // nobody answered the batch: the servers may have what they are not known to have
	doubt  bool // a bridge was killed with these flying, and their texts are not known yet
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
		if err := s.settle(work); err != nil {
			return err
		}
	}
	for ctx.Err() == nil || len(s.flying) > 0 {
		n := 0
		if ctx.Err() == nil {
			var err error
			if n, err = s.copy(); err != nil {
				return err
			}
		}
		if s.batch.over && len(s.flying) > 0 {
			if err := s.settle(work); err != nil {
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
	for told := false; ; told = true {
		free, err := lockLocal(s.local.ID(), fmt.Sprint(s.Select))
		if err != nil {
			return err
		}
		if free != nil {
			s.unlock = free
			return nil
		}
		if !told {
			s.note("another bridge sends from the local queue: waiting to take its place", nil)
		}
		if err := pause(ctx, 200*time.Millisecond); err != nil {
			return err
		}
	}
}

// name is what the servers know a message by.
func (s *sender) name(f flight) string {
	return strconv.FormatUint(s.self, 36) + "." + strconv.FormatUint(f.number, 36)
}

// await waits for answers of the servers, or until it is worth to look for messages: the
// kernel tells nobody of one who does not take it.
func (s *sender) await(ctx, work context.Context) error {
	s.pause = min(max(2*s.pause, 50*time.Microsecond), 5*time.Millisecond)
	s.timer.Reset(s.pause)
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
	if len(s.flying) == 0 {
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

// settle sends what is flying one by one, each with its number, until the servers have
// them all, and takes them off.
func (s *sender) settle(ctx context.Context) error {
	s.batch.over = true
	for len(s.flying) > 0 {
		if err := s.sendOnce(ctx, s.flying[0]); err != nil {
			return err
		}
		if err := s.takeOff(ctx); err != nil {
			return err
		}
	}
	return nil
}

// abandon has the servers get what is flying, though the local queue is gone.
func (s *sender) abandon(ctx context.Context) error {
	s.local = nil
	if s.doubt {
		s.drop()
	}
	return s.settle(ctx)
}

// takeOff takes what the servers have off the local queue.
func (s *sender) takeOff(ctx context.Context) error {
	n := 0
	defer func() {
		s.flying = slices.Delete(s.flying, 0, n)
		if n > 0 {
			s.count("bridge_sent", n)
		}
	}()
	for ; n < len(s.flying) && s.flying[n].number < s.stored; n++ {
		f := &s.flying[n]
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
			if err := s.rescue(ctx, m, s.flying[n+1:]); err != nil {
				return err
			}
		}
	}
	return nil
}

// rescue sends a message that was taken off the local queue instead of another one, and
// what was before it. It may be flying.
func (s *sender) rescue(ctx context.Context, m sysvipc.Message, flying []flight) error {
	print := fingerprint(m)
	i := slices.IndexFunc(flying, func(f flight) bool { return !f.off && f.print == print && f.m.Type == m.Type })
	if i >= 0 {
		flying[i].off = true
		s.off++
		flying = flying[:i+1]
	}
	for _, f := range flying {
		if err := s.sendOnce(ctx, f); err != nil {
			return err
		}
	}
	if i >= 0 {
		return nil
	}
	return s.Remote.Send(ctx, m.Type, m.Data)
}

// sendOnce sends what is flying unless the servers are known to have it.
func (s *sender) sendOnce(ctx context.Context, f flight) error {
	if f.number < s.stored {
		return nil
	}
	for told := false; ; told = true {
		err := s.Remote.SendOnce(ctx, s.name(f), f.m.Type, f.m.Data)
		if err == nil {
			break
		}
		if !errors.Is(err, sysvipc.ErrTooBig) {
			return err
		}
		if !told {
			s.note(fmt.Sprintf("a message of %d bytes does not fit onto the queue: waiting until its limits, or the servers' max_payload, are raised", len(f.m.Data)), err)
		}
		if err := pause(ctx, time.Second); err != nil {
			return err
		}
	}
	s.knowStored(f.number + 1)
	if s.silent && time.Since(s.published()) > s.Remote.duplicates { // they may have forgotten its ID
		s.count("bridge_repeated", 1)
	}
	return nil
}
