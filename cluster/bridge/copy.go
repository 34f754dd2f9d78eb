package bridge

import (
	"bytes"
	"errors"
	"slices"
	"time"

	"github.com/sysvipc/sysvipc"
)

// copy copies the first messages that are not in flight yet, leaves them where they are, and
// publishes them. It returns how many there were.
func (s *sender) copy() (n int, err error) {
	if s.batch.ending && !s.batch.over {
		if len(s.inFlight) > 0 {
			return 0, nil
		}
		s.batch.over = true // whatever becomes of the answer: all is stored
	}
	window, err := s.window()
	if err != nil || len(window) == 0 {
		return 0, err
	}
	if len(s.inFlight) == 0 && s.batches && (s.batch.over || time.Since(s.published()) > batchIdle) {
		s.flow, s.most, s.base = s.flowOf(len(window)), 0, s.next
		s.batch.start(s.flow)
		s.silent = false
	}
	s.moved = time.Now()
	for _, m := range window {
		f := sent{number: s.next, m: m, print: fingerprint(m)}
		s.jot(f)
		s.inFlight, s.bytes, s.next = append(s.inFlight, f), s.bytes+len(m.Data), s.next+1
		if !s.batch.over {
			s.batch.publish(s.name(f), m.Type, m.Data)
		}
	}
	if s.most = max(s.most, len(s.inFlight)); !s.batch.over && s.flowOf(s.most) > 2*s.flow {
		s.batch.end() // the next will have fewer answers
	}
	return len(window), nil
}

// window returns copies of the selected messages that are not in flight yet.
func (s *sender) window() (window []sysvipc.Message, err error) {
	if s.Select == sysvipc.Any { // nobody else takes any
		return s.peek(len(s.inFlight)-s.off, min(inFlightMost-len(s.inFlight), atOnce), 1<<20-s.bytes)
	}
	if len(s.inFlight) > 0 {
		return nil, nil // where the next one is, depends on those that others take
	}
	return s.first(inFlightMost, 1<<20)
}

// first returns copies of the first selected messages, at most so many of them and of bytes.
func (s *sender) first(most, room int) (window []sysvipc.Message, err error) {
	if s.Select == sysvipc.Any {
		return s.peek(0, most, room)
	}
	// When others take some meanwhile, a message moves to a place that was looked at before.
	for before := window; ; before = window {
		if window, err = s.peek(0, most, room); err != nil {
			return nil, err
		}
		same := slices.EqualFunc(before, window[:min(len(before), len(window))], func(a, b sysvipc.Message) bool {
			return a.Type == b.Type && bytes.Equal(a.Data, b.Data)
		})
		if same && (len(before) > 0 || len(window) == 0) {
			return before, nil
		}
	}
}

// peek copies selected messages from an index on, at most so many of them and of bytes.
func (s *sender) peek(index, most, room int) (window []sysvipc.Message, err error) {
	for ; len(window) < most && room > 0; index++ {
		m, err := s.local.Peek(index)
		if errors.Is(err, sysvipc.ErrWouldBlock) {
			break
		}
		if err != nil {
			return nil, err
		}
		if s.selects(m.Type) {
			window = append(window, m)
			room -= len(m.Data)
		}
	}
	return window, nil
}

// flowOf returns how many messages of so many in flight have one answer.
func (s *sender) flowOf(inFlight int) int { return min(max(inFlight/8, 1), 16) }

// batchIdle is after what time a batch is left to the servers to forget, which they do
// after 10 seconds unless they are set up otherwise.
const batchIdle = 2 * time.Second
