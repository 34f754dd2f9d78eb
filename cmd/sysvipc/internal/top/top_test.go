package top

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"

	"github.com/sysvipc/sysvipc"
	"github.com/sysvipc/sysvipc/inspect"
)

// made is a machine that nobody has: what it shows is given to it.
func made() *Machine {
	return &Machine{
		Name:   "made",
		Take:   func(context.Context) (*inspect.Snapshot, error) { return nil, errors.New("nobody asks") },
		Limits: func() (sysvipc.Limits, error) { return sysvipc.Limits{}, nil },
		Look:   func(o *inspect.Object) (inspect.Object, error) { return *o, nil },
		Read:   func(int, []byte, int64) (int, string, error) { return 0, "", errors.New("not to be read") },
		Peek:   func(int, int) (sysvipc.Message, error) { return sysvipc.Message{}, sysvipc.ErrWouldBlock },
		Check:  func(context.Context, *inspect.Object) error { return nil },
		Remove: func(context.Context, *inspect.Object) error { return nil },
		Filter: func(text string) (func(*inspect.Snapshot, *inspect.Object) bool, error) {
			return func(_ *inspect.Snapshot, o *inspect.Object) bool { return strings.HasPrefix(o.Ref(), text) }, nil
		},
		Waits: func(*inspect.Snapshot) []string { return []string{"deadlock 1", "  " + strings.Repeat("word ", 40)} },
		Owner: func(uid int) string { return fmt.Sprint("u", uid) },
		Size:  func(n int64) string { return fmt.Sprint(n) },
		Age:   func(n int64) string { return fmt.Sprint(n, "s") },
		Text:  func(s string) string { return s },
	}
}

var start = time.Unix(1_700_000_000, 0)

func segment(id, attaches int) inspect.Object {
	o := sysvipc.Object{Kind: sysvipc.KindSegment, ID: id, Key: sysvipc.Key(id), Changed: start}
	return inspect.Object{Object: o, Segment: &sysvipc.SegmentStat{Object: o, Size: int64(1000 - id), Attaches: attaches}}
}

func queue(id, messages int) inspect.Object {
	o := sysvipc.Object{Kind: sysvipc.KindQueue, ID: id, Changed: start}
	return inspect.Object{Object: o, Queue: &sysvipc.QueueStat{Object: o, Messages: messages, Bytes: 10 * messages, MaxBytes: 1000}}
}

func set(id int, values ...int) inspect.Object {
	o := sysvipc.Object{Kind: sysvipc.KindSemaphores, ID: id, Changed: start}
	obj := inspect.Object{Object: o, Set: &sysvipc.SemaphoreSetStat{Object: o, Len: len(values)}, Semaphores: []inspect.Semaphore{}}
	for _, v := range values {
		obj.Semaphores = append(obj.Semaphores, inspect.Semaphore{Value: v, Acquire: 1 - min(1, v)})
	}
	return obj
}

func at(seconds int, objects ...inspect.Object) *inspect.Snapshot {
	return &inspect.Snapshot{Time: start.Add(time.Duration(seconds) * time.Second), Objects: objects, Complete: true}
}

func plainModel() *Model { return New(made(), Paint{Plain: true}, time.Second) }

// What changed between two snapshots becomes events and trends.
func TestEvents(t *testing.T) {
	t.Parallel()
	m := plainModel()
	m.Show(at(0, segment(1, 0), set(3, 1, 0), queue(7, 0)))
	m.Show(at(1, segment(1, 2), set(3, 0, 0), queue(8, 5)))
	var got []string
	for _, e := range m.events {
		got = append(got, e.kind+" "+e.ref+" "+e.text)
	}
	want := []string{
		"changed shm:1 attaches 0→2",
		"changed sem:3 waiters 1→2, #0 1→0",
		"created msg:8 5 messages, no key, owner u0",
		"removed msg:7 0 messages, no key, owner u0",
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got events\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if got, want := m.history.sparkline(m.paint, seriesKey{place{sysvipc.KindSegment, 1}, 0}, 4, m.now, time.Second), "▁▁▁█"; got != want {
		t.Errorf("got trend %q, want %q", got, want)
	}
	if s := m.history.sparkline(m.paint, seriesKey{place{sysvipc.KindQueue, 8}, 0}, 4, m.now, time.Second); s != "" {
		t.Errorf("a queue that did not change has the trend %q", s)
	}
}

// The highest value in a step is shown, also if it did not last.
func TestSample(t *testing.T) {
	t.Parallel()
	s := series{first: 1, changes: []change{{start.Add(500 * time.Millisecond), 9}, {start.Add(700 * time.Millisecond), 2}, {start.Add(2 * time.Second), 0}}}
	got := fmt.Sprint(s.sample(5, start.Add(3*time.Second), time.Second))
	if want := "[1 1 9 0 0]"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// An object stays selected when others come, and orders and filters do what they say.
func TestRows(t *testing.T) {
	t.Parallel()
	m := plainModel()
	m.Show(at(0, segment(5, 1), segment(9, 0), queue(1, 3)))
	m.press("j")
	if got := m.object().Ref(); got != "shm:9" {
		t.Fatalf("got %s, want shm:9", got)
	}
	m.Show(at(1, segment(5, 1), segment(6, 1), segment(9, 0), queue(1, 3)))
	if got := m.object().Ref(); got != "shm:9" {
		t.Errorf("after another came: got %s, want shm:9", got)
	}
	refs := func() string {
		var refs []string
		for _, i := range m.rows {
			refs = append(refs, m.snap.Objects[i].Ref())
		}
		return strings.Join(refs, " ")
	}
	for _, c := range []struct{ sort, want string }{
		{"kind", "shm:5 shm:6 shm:9 msg:1"},
		{"-kind", "msg:1 shm:9 shm:6 shm:5"},
		{"use", "msg:1 shm:5 shm:6 shm:9"},
		{"size", "shm:5 shm:6 shm:9 msg:1"},
		{"-size", "msg:1 shm:9 shm:6 shm:5"},
	} {
		if !m.SortBy(c.sort) || refs() != c.want {
			t.Errorf("sorted by %s: got %s, want %s", c.sort, refs(), c.want)
		}
		if got := m.object().Ref(); got != "shm:9" {
			t.Errorf("sorted by %s: %s is selected", c.sort, got)
		}
	}
	if err := m.FilterBy("msg"); err != nil || refs() != "msg:1" {
		t.Errorf("filtered: %v, %s", err, refs())
	}
	m.press("esc")
	m.SortBy("kind")
	m.press("t", "t", "t")
	if refs() != "msg:1" {
		t.Errorf("queues alone: %s", refs())
	}
}

// An object that went shows at once, and comes back as another one.
func TestLooked(t *testing.T) {
	t.Parallel()
	m := plainModel()
	m.Show(at(0, segment(1, 0), queue(2, 0)))
	gone := &sysvipc.Error{Err: sysvipc.ErrRemoved}
	m.Update(lookMsg{at: start.Add(time.Second), seen: []seen{
		{place: place{sysvipc.KindSegment, 1}, err: gone},
		{place: place{sysvipc.KindQueue, 2}, now: queue(2, 4)},
	}})
	frame := m.Frame()
	if !strings.Contains(frame, "removed") || !strings.Contains(frame, "4 msg") {
		t.Errorf("the frame does not tell:\n%s", frame)
	}
	m.Show(at(2, segment(1, 0), queue(2, 4)))
	if last := m.events[len(m.events)-1]; last.kind != "created" || last.ref != "shm:1" {
		t.Errorf("the last event is %+v", last)
	}
}

// A REF is never cut: people copy it into other commands. The IDs of a namespace that is long in use are high.
func TestHighIDs(t *testing.T) {
	t.Parallel()
	m := plainModel()
	m.Update(tea.WindowSizeMsg{Width: 80, Height: 24})
	m.Show(at(0, segment(1, 0), queue(math.MaxInt32, 5)))
	if frame := m.Frame(); !strings.Contains(frame, "msg:2147483647 ") || !strings.Contains(frame, "5 msg") {
		t.Errorf("the frame lacks msg:2147483647 or its messages:\n%s", frame)
	}
}

func (m *Model) press(keys ...string) {
	for _, k := range keys {
		msg := tea.KeyPressMsg{Text: k, Code: []rune(k)[0]}
		if code, ok := map[string]rune{"enter": tea.KeyEnter, "esc": tea.KeyEscape, "tab": tea.KeyTab, "end": tea.KeyEnd, "pgdown": tea.KeyPgDown, "up": tea.KeyUp}[k]; ok {
			msg = tea.KeyPressMsg{Code: code}
		}
		m.Update(msg)
	}
}

// Whatever is pressed on a screen of whatever size, the frame fits, and nothing panics.
func TestFrameFits(t *testing.T) {
	t.Parallel()
	keys := []string{
		"j", "k", "G", "g", "enter", "tab", "esc", "J", "K", "s", "S", "t", "w", "e", "?", "1", "p", "u", "d", "y", "n", "/", "x", "enter", "end", "pgdown", "up",
	}
	r := rand.New(rand.NewPCG(1, 2))
	for _, p := range []Paint{{}, {Plain: true, ASCII: true}, {NoColour: true}} {
		m := New(made(), p, time.Second)
		for step := range 3000 {
			switch r.IntN(12) {
			case 0:
				m.Update(tea.WindowSizeMsg{Width: r.IntN(220), Height: r.IntN(60)})
			case 1:
				var objects []inspect.Object
				for id := range r.IntN(40) {
					objects = append(objects, [...]inspect.Object{segment(id, r.IntN(3)), set(id, make([]int, r.IntN(50))...), queue(id, r.IntN(9))}[r.IntN(3)])
				}
				m.Show(at(step, objects...))
			case 2:
				m.Update(tea.MouseClickMsg{X: r.IntN(220), Y: r.IntN(60), Button: tea.MouseLeft})
			case 3:
				m.Update(tea.MouseWheelMsg{X: 1, Y: r.IntN(60), Button: tea.MouseWheelDown})
			case 4:
				if m.asking != nil {
					m.Update(checkedMsg{m.asking.object, nil})
				}
				if o := m.object(); o != nil {
					m.Update(contentMsg{place: placeOf(o), data: make([]byte, r.IntN(300)), messages: []sysvipc.Message{{Type: 5, Data: []byte("日本語")}}})
				}
			default:
				m.press(keys[r.IntN(len(keys))])
			}
			frame := m.Frame()
			lines := strings.Split(frame, "\n")
			if len(lines) > max(1, m.height) {
				t.Fatalf("step %d: %d lines on a screen of %d", step, len(lines), m.height)
			}
			for _, l := range lines {
				if w := width(unpainted(l)); w > m.width {
					t.Fatalf("step %d: %d columns on a screen of %d: %q", step, w, m.width, l)
				}
			}
			if p.Plain && strings.ContainsRune(frame, '\x1b') || p.ASCII && strings.ContainsFunc(frame, func(r rune) bool { return r >= 0x80 }) {
				t.Fatalf("step %d: not plain:\n%s", step, frame)
			}
		}
	}
}

// unpainted is text without its colours.
func unpainted(s string) string {
	var b strings.Builder
	for {
		before, after, found := strings.Cut(s, "\x1b[")
		b.WriteString(before)
		if !found {
			return b.String()
		}
		_, s, _ = strings.Cut(after, "m")
	}
}

// Nothing is removed before u, nor without y, nor if the guard refuses.
func TestRemovalTakesThreeKeys(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		keys    string
		refused bool
		removed bool
	}{
		{"dy", false, false},
		{"udn", false, false},
		{"udq", false, false},
		{"udy", true, false},
		{"uduy", false, false},
		{"udy", false, true},
	} {
		removed := 0
		machine := made()
		machine.Check = func(context.Context, *inspect.Object) error {
			if c.refused {
				return errors.New("in use")
			}
			return nil
		}
		machine.Remove = func(_ context.Context, o *inspect.Object) error { removed++; return nil }
		m := New(machine, Paint{}, time.Second)
		m.Show(at(0, segment(1, 0)))
		for _, k := range c.keys {
			_, cmd := m.Update(tea.KeyPressMsg{Text: string(k), Code: k})
			for cmd != nil {
				msg := cmd()
				cmd = nil
				switch msg.(type) {
				case checkedMsg, removedMsg:
					m.Update(msg)
				}
			}
		}
		if (removed == 1) != c.removed || removed > 1 {
			t.Errorf("%s (refused: %v): removed %d times", c.keys, c.refused, removed)
		}
	}
}

func TestPaint(t *testing.T) {
	t.Parallel()
	env := func(pairs ...string) func(string) string {
		return func(name string) string {
			for i := 0; i < len(pairs); i += 2 {
				if pairs[i] == name {
					return pairs[i+1]
				}
			}
			return ""
		}
	}
	for _, c := range []struct {
		env  func(string) string
		want Paint
	}{
		{env("TERM", "xterm"), Paint{}},
		{env("TERM", "xterm", "NO_COLOR", "yes"), Paint{NoColour: true}},
		{env("TERM", "dumb"), Paint{Plain: true, ASCII: true}},
		{env("TERM", "xterm", "LANG", "C"), Paint{ASCII: true}},
		{env("TERM", "xterm", "LANG", "de_DE.utf8", "LC_ALL", ""), Paint{}},
	} {
		if got := PaintOf(c.env); got != c.want {
			t.Errorf("got %+v, want %+v", got, c.want)
		}
	}
	for _, c := range []struct {
		text string
		w    int
		want string
	}{{"abcdef", 4, "abc…"}, {"日本語", 4, "日…"}, {"ab", 4, "ab"}, {"ab", 0, ""}} {
		if got := (Paint{}).cut(c.text, c.w); got != c.want {
			t.Errorf("cut(%q, %d): got %q, want %q", c.text, c.w, got, c.want)
		}
	}
}

// Objects in a deadlock, or with a waiter that nothing can wake, are red, and CLASS says why.
func TestTrouble(t *testing.T) {
	t.Parallel()
	m := New(made(), Paint{}, time.Second)
	s := at(0, segment(1, 0), set(3, 0), queue(7, 2), queue(8, 2))
	s.Waits = []inspect.Wait{
		{Kind: sysvipc.KindSemaphores, ID: 3, Cycle: 1},
		{Kind: sysvipc.KindQueue, ID: 7, Operation: inspect.Receive, Type: 5, Queued: map[int64]int{1: 2}},
		{Kind: sysvipc.KindQueue, ID: 8, Operation: inspect.Receive, Type: 1, Queued: map[int64]int{1: 2}},
	}
	m.Show(s)
	for ref, want := range map[string]string{"shm:1": "", "sem:3": "deadlock", "msg:7": "stuck", "msg:8": ""} {
		for row := range strings.Lines(m.Frame()) {
			if !strings.Contains(row, ref) {
				continue
			}
			painted := strings.Contains(row, "\x1b["+string(alarm)+"m"+want)
			if painted != (want != "") || strings.Contains(row, "\x1b["+string(red)+"m"+ref) != (want != "") {
				t.Errorf("%s: got %q, want %q in red", ref, row, want)
			}
		}
	}
}

// At 80 columns there are the users of each object, and the question before a removal is whole, with its reasons.
func TestNarrow(t *testing.T) {
	t.Parallel()
	m := plainModel()
	o := segment(1, 0)
	o.Verdict = inspect.Verdict{Class: inspect.Unknown, Reasons: []string{"nobody has it attached, but process 4711 (postgres), which attached or detached it last, is alive", "and this is the end"}}
	o.Users = []inspect.User{{PID: 4711, Role: inspect.LastUser, Status: inspect.Alive, Process: &inspect.Process{PID: 4711, Comm: "postmaster"}}}
	m.Show(at(0, o))
	if frame := m.Frame(); !strings.Contains(frame, " USERS") || !strings.Contains(frame, "postmaster") {
		t.Errorf("who uses it is not shown:\n%s", frame)
	}
	m.asking = &question{object: &o, ready: true}
	asked := strings.Join(strings.Fields(m.Frame()), " ")
	for _, want := range []string{"Remove shm:1?", o.Verdict.Reasons[0], "y removes it"} {
		if !strings.Contains(asked, want) {
			t.Errorf("the question has no %q:\n%s", want, m.Frame())
		}
	}
	for w := 20; w < 80; w++ {
		for _, l := range wrapLine(line{{plain, o.Verdict.Reasons[0]}, {bold, "; " + o.Verdict.Reasons[1]}}, w) {
			if l.width() > w {
				t.Errorf("%d columns: %v has %d", w, l, l.width())
			}
		}
	}
	m.asking.answer = strings.Repeat("it is in use, ", 10) + "as was said"
	if asked := strings.Join(strings.Fields(m.Frame()), " "); !strings.Contains(asked, "as was said") {
		t.Errorf("the refusal is cut:\n%s", m.Frame())
	}
	m.height = 5
	if frame := m.Frame(); !strings.Contains(frame, "Remove shm:1?") || !strings.Contains(frame, "any key") || strings.Count(frame, "\n") >= 5 {
		t.Errorf("on a low screen the question is not seen:\n%s", frame)
	}
}
