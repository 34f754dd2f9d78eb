//go:build linux

package sysvipc_test

import (
	"bytes"
	"errors"
	"slices"
	"testing"

	"github.com/sysvipc/sysvipc"
	"pgregory.net/rapid"
)

// queueModel is what a queue should be: a list.
type queueModel struct {
	messages []sysvipc.Message
	maxBytes int
}

func (m *queueModel) bytes() (n int) {
	for _, msg := range m.messages {
		n += len(msg.Data)
	}
	return n
}

func (m *queueModel) fits(n int) bool {
	return m.bytes()+n <= m.maxBytes && len(m.messages)+1 <= m.maxBytes
}

// choice is how a receiver chooses.
type choice struct {
	how rune // 'a'ny, 'o'f type, 'u'p to, 'e'xcept
	typ int64
	cut bool
}

func (c choice) selector() (s sysvipc.Selector) {
	switch c.how {
	case 'o':
		s = sysvipc.OfType(c.typ)
	case 'u':
		s = sysvipc.UpTo(c.typ)
	case 'e':
		s = sysvipc.Except(c.typ)
	}
	if c.cut {
		s = s.Truncated()
	}
	return s
}

// find returns the index of the message that a receiver gets, or -1.
func (m *queueModel) find(c choice) int {
	best := -1
	for i, msg := range m.messages {
		switch {
		case c.how == 'a', c.how == 'o' && msg.Type == c.typ, c.how == 'e' && msg.Type != c.typ:
			return i
		case c.how == 'u' && msg.Type <= c.typ && (best < 0 || msg.Type < m.messages[best].Type):
			best = i
		}
	}
	return best
}

var choices = rapid.Custom(func(t *rapid.T) choice {
	return choice{rapid.SampledFrom([]rune("aoue")).Draw(t, "how"), types.Draw(t, "type"), rapid.Bool().Draw(t, "cut")}
})

var (
	types    = rapid.Int64Range(1, 5)
	contents = rapid.SliceOfN(rapid.Byte(), 0, 20)
)

// A queue does what the model says, whatever is sent and received in whatever order.
func TestQueueModel(t *testing.T) {
	t.Parallel()
	q := newQueue(t)
	_, err := q.Peek(0)
	canPeek := errors.Is(err, sysvipc.ErrWouldBlock)
	rapid.Check(t, func(t *rapid.T) {
		m := &queueModel{maxBytes: rapid.IntRange(1, 60).Draw(t, "capacity")}
		for { // what an earlier run has left
			if _, ok, err := q.TryReceive(sysvipc.Any); err != nil {
				t.Fatal(err)
			} else if !ok {
				break
			}
		}
		if err := q.SetMaxBytes(m.maxBytes); err != nil {
			t.Fatal(err)
		}
		took := func(i int, got sysvipc.Message) {
			want := m.messages[i]
			m.messages = slices.Delete(m.messages, i, i+1)
			if got.Type != want.Type || !bytes.Equal(got.Data, want.Data) {
				t.Fatalf("got %v, want %v", got, want)
			}
		}
		t.Repeat(map[string]func(*rapid.T){
			"send": func(t *rapid.T) {
				typ, data := types.Draw(t, "type"), contents.Draw(t, "data")
				if m.fits(len(data)) && rapid.Bool().Draw(t, "waiting") {
					if err := q.Send(bg, typ, data); err != nil {
						t.Fatal(err)
					}
					m.messages = append(m.messages, sysvipc.Message{Type: typ, Data: data})
					return
				}
				ok, err := q.TrySend(typ, data)
				if len(data) > m.maxBytes {
					if ok || !errors.Is(err, sysvipc.ErrTooBig) {
						t.Fatalf("TrySend of what never fits: %v, %v", ok, err)
					}
					return
				}
				if err != nil || ok != m.fits(len(data)) {
					t.Fatalf("TrySend: %v, %v; want %v", ok, err, m.fits(len(data)))
				}
				if ok {
					m.messages = append(m.messages, sysvipc.Message{Type: typ, Data: data})
				}
			},
			"receive": func(t *rapid.T) {
				c := choices.Draw(t, "choice")
				i := m.find(c)
				if i >= 0 && rapid.Bool().Draw(t, "waiting") {
					got, err := q.Receive(bg, c.selector())
					if err != nil {
						t.Fatal(err)
					}
					took(i, got)
					return
				}
				got, ok, err := q.TryReceive(c.selector())
				if err != nil || ok != (i >= 0) {
					t.Fatalf("TryReceive: %v, %v; want %v", ok, err, i >= 0)
				}
				if ok {
					took(i, got)
				}
			},
			"receive into": func(t *rapid.T) {
				c := choices.Draw(t, "choice")
				i := m.find(c)
				if i < 0 {
					t.Skip("it would wait")
				}
				buf := make([]byte, rapid.IntRange(0, 20).Draw(t, "room"))
				n, typ, err := q.ReceiveInto(bg, c.selector(), buf)
				want := m.messages[i]
				switch {
				case len(want.Data) > len(buf) && !c.cut:
					if !errors.Is(err, sysvipc.ErrTooBig) {
						t.Fatalf("%d bytes into %d: %v", len(want.Data), len(buf), err)
					}
				case err != nil:
					t.Fatal(err)
				default:
					m.messages[i].Data = want.Data[:min(len(want.Data), len(buf))]
					took(i, sysvipc.Message{Type: typ, Data: buf[:n]})
				}
			},
			"capacity": func(t *rapid.T) {
				m.maxBytes = rapid.IntRange(1, 60).Draw(t, "capacity")
				if err := q.SetMaxBytes(m.maxBytes); err != nil {
					t.Fatal(err)
				}
			},
			"": func(t *rapid.T) {
				st, err := q.Stat()
				if err != nil || st.Messages != len(m.messages) || st.Bytes != m.bytes() || st.MaxBytes != m.maxBytes {
					t.Fatalf("the queue is %+v, %v; want %d messages of %d bytes", st, err, len(m.messages), m.bytes())
				}
				for i, want := range m.messages {
					if got, err := q.Peek(i); canPeek && (err != nil || got.Type != want.Type || !bytes.Equal(got.Data, want.Data)) {
						t.Fatalf("message %d is %v, %v; want %v", i, got, err, want)
					}
				}
			},
		})
	})
}
