package bridge

import (
	"fmt"
	"math"
	"math/rand/v2"
	"time"
)

// The journal of a sender. The ring has the number and the fingerprint of each message
// that was copied and may not be taken off; the slot of a number has that number plus one,
// and anything else if it was never copied.
const (
	kindOfSender = 0x31646e7376737973 // "sysvsnd1"

	wordSelf    = 1
	wordQueue   = 2 // the ID of the local queue plus one
	wordRemoved = 3 // those below are off the local queue
	wordStored  = 4 // those below are on the servers
	wordTaking  = 5 // this one, plus one, is about to be taken off
	wordSentAt  = 6 // when the last was published
	wordRing    = 8

	ringLength   = 2 * inFlightMost
	sizeOfSender = wordRing + 2*ringLength
)

func ringAt(number uint64) int { return wordRing + 2*int(number%ringLength) }

// jot notes a message before it is published.
func (s *sender) jot(f sent) {
	at := ringAt(f.number)
	s.j.set(at+1, f.print)
	s.j.set(at, f.number+1)
	s.j.set(wordSentAt, uint64(time.Now().UnixNano()))
}

func (s *sender) knowStored(number uint64) { s.stored = number; s.j.set(wordStored, number) }

func (s *sender) knowRemoved(number uint64) { s.j.set(wordRemoved, number) }

// published returns when the last message was.
func (s *sender) published() time.Time { return time.Unix(0, int64(s.j.get(wordSentAt))) }

// restore reads what the bridge before knew.
func (s *sender) restore() {
	s.self = s.j.get(wordSelf)
	if s.self == 0 {
		s.self = rand.Uint64() | 1
		s.j.set(wordSelf, s.self)
	}
	s.next, s.stored = s.j.get(wordRemoved), s.j.get(wordStored)
	for ; s.j.get(ringAt(s.next)) == s.next+1; s.next++ {
		s.inFlight = append(s.inFlight, sent{number: s.next, print: s.j.get(ringAt(s.next) + 1)})
		if len(s.inFlight) == ringLength {
			break
		}
	}
	s.doubt = len(s.inFlight) > 0
}

// opened forgets what was in flight if the local queue is another one than it was: that is
// gone.
func (s *sender) opened() {
	id := uint64(s.local.ID()) + 1
	if id != s.j.get(wordQueue) {
		s.drop()
		s.j.set(wordQueue, id)
	}
}

// drop forgets all that is in flight.
func (s *sender) drop() {
	s.knowStored(s.next)
	s.knowRemoved(s.next)
	s.inFlight, s.bytes, s.off, s.doubt = nil, 0, 0, false
}

// resume finds out where the bridge before was when it was killed, and finds the messages
// that were in flight, which lie on the local queue, all but the first perhaps.
func (s *sender) resume() error {
	window, err := s.first(len(s.inFlight), math.MaxInt)
	if err != nil {
		return err
	}
	matches := func(inFlight []sent) bool {
		for i, f := range inFlight {
			if i >= len(window) || fingerprint(window[i]) != f.print {
				return false
			}
		}
		return true
	}
	there := matches(s.inFlight)
	switch {
	case s.j.get(wordTaking) == s.inFlight[0].number+1 && matches(s.inFlight[1:]):
		if there { // if both may be, one is sent twice rather than none
			s.count("bridge_repeated", 1)
		}
		s.knowRemoved(s.inFlight[0].number + 1)
		s.inFlight = s.inFlight[1:]
	case !there:
		s.note(fmt.Sprintf("others have taken messages off the local queue: %d may be sent twice", len(s.inFlight)), nil)
		s.count("bridge_repeated", len(s.inFlight))
		s.drop()
	}
	for i := range s.inFlight {
		s.inFlight[i].m = window[i]
		s.bytes += len(window[i].Data)
	}
	s.doubt, s.silent = false, true
	return nil
}
