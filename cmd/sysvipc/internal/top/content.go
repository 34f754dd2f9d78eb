package top

import (
	"errors"
	"time"

	tea "charm.land/bubbletea/v2"

	"github.com/sysvipc/sysvipc"
	"github.com/sysvipc/sysvipc/inspect"
)

// detailState is what the lower part of the screen shows of the selected object.
type detailState struct {
	size int // how much of the screen
	tab  int // of tabs
	top  int // the first line

	content  *contentMsg // the last that was read
	before   []byte      // of a segment: the same bytes, one look earlier
	loading  bool
	nextLook time.Time
}

// The sizes of the details.
const (
	detailClosed = iota
	detailHalf
	detailWhole
)

// The tabs of the details.
const (
	tabUsers = iota
	tabInside
	tabWhy
	tabTrend
)

var tabs = [...]string{"users", "inside", "why", "trend"}

// contentMsg is what is inside an object: bytes of a segment, or the first messages of a queue.
type contentMsg struct {
	place place
	off   int64
	want  int

	data     []byte
	through  string
	messages []sysvipc.Message
	err      error
	took     time.Duration
}

const (
	peeked      = 200     // messages are looked at
	peekedBytes = 4 << 20 // of them, about
	// contentShare is how many times longer than a look at contents took nobody looks again.
	contentShare = 30
)

// loadDetail reads what is inside the selected object, if that is to be shown and is not there yet, or is old.
func (m *Model) loadDetail() tea.Cmd {
	d := &m.detail
	o := m.object()
	if m.pane != paneObjects || d.size == detailClosed || d.tab != tabInside || d.loading || o == nil || o.Set != nil || m.gone[placeOf(o)] {
		return nil
	}
	want := contentMsg{place: placeOf(o)}
	if o.Segment != nil {
		lines := max(1, m.layout().detail-1)
		last := int((o.Segment.Size+15)/16) - lines
		d.top = max(0, min(d.top, last))
		want.off, want.want = int64(d.top)*16, int(min(int64(lines)*16, o.Segment.Size-int64(d.top)*16))
	}
	if c := d.content; c != nil && c.place == want.place && c.off == want.off && c.want >= want.want && time.Now().Before(d.nextLook) {
		return nil
	}
	d.loading = true
	return func() tea.Msg {
		begin := time.Now()
		m.machine.load(&want)
		want.took = time.Since(begin)
		return want
	}
}

func (machine *Machine) load(c *contentMsg) {
	if c.place.kind == sysvipc.KindSegment {
		c.data = make([]byte, c.want)
		var n int
		n, c.through, c.err = machine.Read(c.place.id, c.data, c.off)
		c.data = c.data[:n]
		return
	}
	bytes := 0
	for len(c.messages) < peeked && bytes < peekedBytes {
		msg, err := machine.Peek(c.place.id, len(c.messages))
		if errors.Is(err, sysvipc.ErrWouldBlock) {
			return // that was the last one
		}
		if err != nil {
			c.err = err
			return
		}
		bytes += len(msg.Data)
		if len(msg.Data) > shownBytes {
			msg.Data = append([]byte(nil), msg.Data[:shownBytes]...)
		}
		c.messages = append(c.messages, msg)
	}
}

// shownBytes are kept of a message.
const shownBytes = 256

// arrived takes over what was read.
func (d *detailState) arrived(msg contentMsg) {
	d.loading = false
	d.before = nil
	if c := d.content; c != nil && c.place == msg.place && c.off == msg.off {
		d.before = c.data
	}
	d.content = &msg
	d.nextLook = time.Now().Add(max(contentShare*msg.took, leastLook))
}

// leastLook keeps keys that are held down from reading faster than eyes do.
const leastLook = 200 * time.Millisecond

// Load reads at once what is inside the selected object, for a single frame.
func (m *Model) Load() {
	if cmd := m.loadDetail(); cmd != nil {
		m.detail.arrived(cmd().(contentMsg))
	}
}

// Tab turns to the details of this name: "users", "inside", "why" or "trend". It reports whether there are such.
func (m *Model) Tab(name string) bool {
	for i, t := range tabs {
		if t == name {
			m.detail.tab = i
			return true
		}
	}
	return false
}

// insideName is what the tab is called for a kind.
func insideName(o *inspect.Object) string {
	switch {
	case o.Segment != nil:
		return "bytes"
	case o.Set != nil:
		return "semaphores"
	}
	return "messages"
}
