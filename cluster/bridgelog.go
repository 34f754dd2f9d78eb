package cluster

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

	ringLength   = 2 * flyingMost
	sizeOfSender = wordRing + 2*ringLength
)

func ringAt(number uint64) int { return wordRing + 2*int(number%ringLength) }

// jot notes a message before it is published.
func (s *sender) jot(f flight) {
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
		s.flying = append(s.flying, flight{number: s.next, print: s.j.get(ringAt(s.next) + 1)})
		if len(s.flying) == ringLength {
			break
		}
	}
	s.doubt = len(s.flying) > 0
}

// opened forgets what was flying if the local queue is another one than it was: that is
// gone.
func (s *sender) opened() {
	id := uint64(s.local.ID()) + 1
	if id != s.j.get(wordQueue) {
		s.drop()
		s.j.set(wordQueue, id)
	}
}

// drop ends all flights.
func (s *sender) drop() {
	s.knowStored(s.next)
	s.knowRemoved(s.next)
	s.flying, s.bytes, s.off, s.doubt = nil, 0, 0, false
}

// resume finds out where the bridge before was when it was killed, and finds the messages
// that were flying, which lie on the local queue, all but the first perhaps.
func (s *sender) resume() error {
	window, err := s.first(len(s.flying), math.MaxInt)
	if err != nil {
		return err
	}
	matches := func(flying []flight) bool {
		for i, f := range flying {
			if i >= len(window) || fingerprint(window[i]) != f.print {
				return false
			}
		}
		return true
	}
	there := matches(s.flying)
	switch {
	case s.j.get(wordTaking) == s.flying[0].number+1 && matches(s.flying[1:]):
		if there { // if both may be, one is sent twice rather than none
			s.count("bridge_repeated", 1)
		}
		s.knowRemoved(s.flying[0].number + 1)
		s.flying = s.flying[1:]
	case !there:
		s.note(fmt.Sprintf("others have taken messages off the local queue: %d may be sent twice", len(s.flying)), nil)
		s.count("bridge_repeated", len(s.flying))
		s.drop()
	}
	for i := range s.flying {
		s.flying[i].m = window[i]
		s.bytes += len(window[i].Data)
	}
	s.doubt, s.silent = false, true
	return nil
}
