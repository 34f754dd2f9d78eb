package cluster

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/sysvipc/sysvipc"
)

// Send carries messages from the kernel's queue to the cluster's, until ctx ends; then it
// finishes what it has begun. It returns an error only for what it cannot wait for to
// change.
//
// It copies the first messages without taking them (MSG_COPY), publishes the copies
// together, all or none, and takes the messages off when the servers have them. So each
// is on one of the queues at every instant. Killed between taking one off and noting that
// in the journal, which is a few microseconds, it cannot always know that it did: if the
// message behind is the same, byte for byte, one of the two is sent twice. What was
// published and its answer lost is published again with the same number, which the servers
// recognise for as long as [QueueOptions.Duplicates]; later, it is sent twice and counted
// as "bridge_repeated".
//
// The bridge has to be the only one that takes the selected messages off the queue: what
// another program takes between the copy and the taking off, was received twice.
func (b *Bridge) Send(ctx context.Context) error {
	j, err := openJournal(b.Journal)
	if err != nil {
		return err
	}
	defer j.close()
	if _, err := b.Remote.selectionOf(b.Select); err != nil {
		return err
	}
	s := &sender{Bridge: b, j: j}
	if err := s.restore(); err != nil {
		return err
	}
	work, cancel := finishing(ctx)
	defer cancel()
	for ctx.Err() == nil {
		err := s.run(ctx, work)
		switch {
		case ctx.Err() != nil && (errors.Is(err, context.Canceled) || err == nil):
			return nil
		case errors.Is(err, sysvipc.ErrRemoved) && !errors.As(err, new(*Error)): // the local one
			b.note("the local queue was removed", err)
			s.local = nil
		case err != nil:
			return err
		}
	}
	return nil
}

// Places in the journal of a sender.
const (
	placeBridge  = 0   // who we are, and how far we got
	placeRemoved = 64  // the next to take off
	placeWindow  = 128 // what is being sent
)

// windowMost is how many messages are published together.
const windowMost = 256

// sender is a bridge at work from the kernel to the cluster.
type sender struct {
	*Bridge
	j     *journal
	local *sysvipc.Queue

	self      uint64   // a part of the numbers of our messages
	base      uint64   // the number of the first of the window
	removed   uint64   // the number of the next to take off
	prints    []uint64 // of the window
	published bool     // the window is on the servers
	began     int64    // when the window was
	queue     uint64   // the ID of the local one
	pause     time.Duration
	last      int  // messages of the window before
	doubt     bool // a bridge was killed with this window, and the message `removed` may be off
}

// restore reads what the bridge before knew.
func (s *sender) restore() error {
	who, err := s.j.read(placeBridge, 1)
	if err != nil {
		return err
	}
	if who == nil {
		s.self = rand.Uint64()
		return s.j.write(placeBridge, s.self)
	}
	s.self = who[0]
	if off, err := s.j.read(placeRemoved, 1); err != nil {
		return err
	} else if off != nil {
		s.base, s.removed = off[0], off[0]
	}
	head, err := s.j.read(placeWindow, 5)
	if err != nil || head == nil {
		return err
	}
	prints, err := s.j.read(placeWindow+64, int(min(head[1], windowMost)))
	if err != nil || prints == nil || head[0]+head[1] <= s.removed {
		// It was taken off whole, or never written whole and so never published.
		return err
	}
	s.base, s.published, s.began = head[0], head[2] != 0, int64(head[3])
	s.queue = head[4]
	s.prints, s.doubt = prints, true
	s.removed = max(s.removed, s.base)
	return nil
}

// note the window in the journal.
func (s *sender) save() error {
	b := make([]uint64, 0, windowMost)
	b = append(b, s.prints...)
	if !s.published { // the head says that it is whole
		if err := s.j.writeAll(placeWindow+64, b); err != nil {
			return err
		}
	}
	flag := uint64(0)
	if s.published {
		flag = 1
	}
	return s.j.write(placeWindow, s.base, uint64(len(s.prints)), flag, uint64(s.began), s.queue)
}

// run carries messages until something happens. Work outlives ctx for a while.
func (s *sender) run(ctx, work context.Context) error {
	var err error
	if s.local == nil {
		if s.local, err = s.open(ctx); err != nil {
			return err
		}
		id := uint64(s.local.ID())
		if id != s.queue && len(s.prints) > 0 {
			s.removed = s.base + uint64(len(s.prints)) // what was left of it is gone
			s.prints, s.doubt, s.published = nil, false, false
		}
		s.queue = id
	}
	for ctx.Err() == nil {
		window, err := s.copy()
		if err != nil {
			return err
		}
		resumed := s.doubt || len(s.prints) > 0 && s.removed < s.base+uint64(len(s.prints))
		if s.doubt {
			window = s.resume(window)
		}
		if len(window) == 0 {
			// The kernel tells nobody of a message who does not take it.
			s.pause = min(max(2*s.pause, 50*time.Microsecond), 5*time.Millisecond)
			if err := pause(ctx, s.pause); err != nil {
				return err
			}
			continue
		}
		s.pause = 0
		if !resumed && len(window) < s.last/2 {
			// Messages come fast: a moment later there are more, and a batch has its price.
			s.last = len(window)
			if err := pause(ctx, 200*time.Microsecond); err != nil {
				return err
			}
			continue
		}
		s.last = len(window)
		if err := s.carry(work, window); err != nil {
			return err
		}
	}
	return ctx.Err()
}

// copy copies the first messages, and leaves them where they are.
func (s *sender) copy() (window []sysvipc.Message, err error) {
	sel, err := s.Remote.selectionOf(s.Select)
	if err != nil {
		return nil, err
	}
	size := 0
	for i := 0; len(window) < windowMost && size < 512<<10; i++ {
		m, err := s.local.Peek(i)
		if errors.Is(err, sysvipc.ErrWouldBlock) {
			break
		}
		if err != nil {
			return nil, err
		}
		if sel.has(m.Type) {
			window = append(window, m)
			size += len(m.Data)
		}
	}
	return window, nil
}

// resume finds out where the bridge before was when it was killed, and returns what is
// left of its window.
func (s *sender) resume(window []sysvipc.Message) []sysvipc.Message {
	s.doubt = false
	left := s.prints[s.removed-s.base:]
	matches := func(prints []uint64) bool {
		for i, p := range prints {
			if i >= len(window) || fingerprint(window[i]) != p {
				return false
			}
		}
		return true
	}
	there, off := matches(left), s.published && matches(left[1:])
	switch {
	case off: // if both may be, one is sent twice rather than none
		if there {
			s.count("bridge_repeated", 1)
		}
		s.removed++
		left = left[1:]
	case !there:
		s.forget("others have taken messages off the local queue")
		return window
	}
	if !s.published {
		if known := 2 * time.Minute; time.Since(time.Unix(0, s.began)) > known {
			s.count("bridge_repeated", len(left))
		}
		s.base, s.prints = s.removed, left
	}
	if len(left) == 0 {
		s.prints = nil
		return window
	}
	return window[:len(left)]
}

// forget gives up a window that is not what lies on the queue.
func (s *sender) forget(why string) {
	if n := len(s.prints) - int(s.removed-s.base); n > 0 {
		s.note(fmt.Sprintf("%s: %d messages may be sent twice", why, n), nil)
		s.count("bridge_repeated", n)
	}
	s.removed = s.base + uint64(len(s.prints))
	s.base, s.prints, s.doubt, s.published = s.removed, nil, false, false
}

// carry publishes a window, or what the bridge before left of one, and takes it off.
func (s *sender) carry(ctx context.Context, window []sysvipc.Message) error {
	if len(s.prints) == 0 || s.removed == s.base+uint64(len(s.prints)) { // a new one
		s.base, s.published, s.began = s.removed, false, time.Now().UnixNano()
		s.prints = s.prints[:0]
		for _, m := range window {
			s.prints = append(s.prints, fingerprint(m))
		}
		if err := s.save(); err != nil {
			return err
		}
	}
	if !s.published {
		if err := s.publish(ctx, window); err != nil {
			return err
		}
		s.published = true
		if err := s.save(); err != nil {
			return err
		}
	}
	for _, want := range window {
		m, ok, err := s.local.TryReceive(sysvipc.OfType(want.Type))
		if err != nil {
			return err
		}
		s.removed++
		if err := s.j.write(placeRemoved, s.removed); err != nil {
			return err
		}
		if ok && fingerprint(m) == fingerprint(want) {
			continue
		}
		s.note("another program takes messages off the local queue, which were sent as well", nil)
		s.count("bridge_repeated", 1)
		if ok { // it was not the one that was published: now it is ours to send
			if err := s.Remote.Send(ctx, m.Type, m.Data); err != nil {
				return err
			}
		}
	}
	s.count("bridge_sent", len(window))
	return nil
}

// publish sends a window to the servers, which store all of it or nothing, and each
// message only once, however often it is sent.
func (s *sender) publish(ctx context.Context, window []sysvipc.Message) error {
	q := s.Remote
	id := func(i int) string {
		return strconv.FormatUint(s.self, 36) + "." + strconv.FormatUint(s.base+uint64(i), 36)
	}
	oneByOne := func() error {
		for i, m := range window {
			if err := q.SendOnce(ctx, id(i), m.Type, m.Data); err != nil {
				return err
			}
		}
		return nil
	}
	if len(window) == 1 {
		return oneByOne()
	}
	err := persist(ctx, func(ctx context.Context) error {
		batch := q.conn.number()
		for i, m := range window {
			msg := &nats.Msg{Subject: q.subject + strconv.FormatInt(m.Type, 10), Data: m.Data, Header: nats.Header{
				jetstream.MsgIDHeader: {id(i)}, "Nats-Batch-Id": {batch}, "Nats-Batch-Sequence": {strconv.Itoa(i + 1)},
			}}
			if i < len(window)-1 {
				if err := q.conn.nc.PublishMsg(msg); err != nil {
					return err
				}
				continue
			}
			msg.Header["Nats-Batch-Commit"] = []string{"1"}
			if _, err := q.conn.store(ctx, msg); err != nil {
				if errors.Is(err, nats.ErrNoResponders) && !q.exists(ctx) {
					return jetstream.ErrStreamNotFound
				}
				return err
			}
		}
		return nil
	})
	switch {
	case isCode(err, codeBatchDuplicate): // some or all of them are there
		q.conn.metrics.Count("bridge_suppressed", q.name, 1)
		return oneByOne()
	case isFull(err): // what there is room for, and then as there is room
		return oneByOne()
	}
	return q.fail("send to", err, "")
}
