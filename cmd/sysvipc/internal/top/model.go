package top

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"time"

	tea "charm.land/bubbletea/v2"

	"github.com/sysvipc/sysvipc"
	"github.com/sysvipc/sysvipc/inspect"
)

// Model is what is on the screen. It is not safe for concurrent use; bubbletea calls it from one goroutine.
type Model struct {
	machine  *Machine
	paint    Paint
	interval time.Duration

	width, height int
	now           time.Time // of the last tick

	snap    *inspect.Snapshot
	index   map[place]int // in snap.Objects
	gone    map[place]bool
	limits  sysvipc.Limits
	history history
	events  []event
	tree    []string // the lines of the graph of waits
	classes map[inspect.Class]int
	// How many waits are part of a deadlock, and how many cannot end by themselves.
	deadlocks, stuck int
	trouble          map[place]string // objects whose waiters are among those, and what CLASS says of them

	// A snapshot is under way, and what the processor had done when the last one began.
	taking, again bool
	began         time.Time
	spent         time.Duration
	looking       bool
	failure       string // of the last snapshot

	pane      pane
	rows      []int // of snap.Objects that are shown, in order
	selected  place
	cursor    int // in rows
	offset    int // the first row on the screen
	treeTop   int // the first line of the graph on the screen
	eventsUp  int // how many events are below the screen
	helpTop   int
	detail    detailState
	kind      sysvipc.Kind // that alone is shown; 0 for all
	anyKind   bool
	sort      int // of orders
	reverse   bool
	filter    string
	keep      func(*inspect.Snapshot, *inspect.Object) bool
	typing    bool // of a filter
	typed     []rune
	typeError string

	unlocked bool
	asking   *question
	message  string // until the next key
	paused   bool
}

// pane is what the screen shows.
type pane int

const (
	paneObjects pane = iota
	paneWaits
	paneEvents
	paneHelp
)

// question is whether to remove an object.
type question struct {
	object *inspect.Object
	answer string // of the guard, if it refuses
	ready  bool   // the guard has answered
	busy   bool   // it is being removed
}

// New returns a model that shows a machine, and looks at it again after an interval.
func New(machine *Machine, paint Paint, interval time.Duration) *Model {
	return &Model{
		machine: machine, paint: paint, interval: interval, now: time.Now(), width: 80, height: 24,
		index: map[place]int{}, gone: map[place]bool{}, history: history{}, anyKind: true,
	}
}

// Messages of the machine.
type (
	tickMsg time.Time
	snapMsg struct {
		snap *inspect.Snapshot
		err  error
	}
	lookMsg struct {
		at     time.Time
		limits *sysvipc.Limits
		seen   []seen
	}
	checkedMsg struct {
		object *inspect.Object
		err    error
	}
	removedMsg struct {
		object *inspect.Object
		err    error
	}
)

// seen is an object that was looked at again.
type seen struct {
	place place
	now   inspect.Object
	err   error
}

// Init begins with a snapshot.
func (m *Model) Init() tea.Cmd { return tea.Batch(m.take(), m.tick()) }

func (m *Model) tick() tea.Cmd {
	return tea.Tick(m.interval, func(t time.Time) tea.Msg { return tickMsg(t) })
}

// take takes a snapshot, unless one is under way.
func (m *Model) take() tea.Cmd {
	if m.taking {
		m.again = true
		return nil
	}
	m.taking, m.again = true, false
	m.began, m.spent = time.Now(), m.cpu()
	return func() tea.Msg {
		snap, err := m.machine.Take(context.Background())
		return snapMsg{snap, err}
	}
}

func (m *Model) cpu() time.Duration {
	if m.machine.CPU == nil {
		return 0
	}
	return m.machine.CPU()
}

// due reports whether a snapshot of everything is within the share.
func (m *Model) due() bool {
	return !m.taking && float64(m.cpu()-m.spent) <= Share*float64(time.Since(m.began))
}

// look looks again at what is on the screen, and at the limits.
func (m *Model) look() tea.Cmd {
	if m.looking || m.snap == nil {
		return nil
	}
	m.looking = true
	objects := make([]*inspect.Object, 0, m.height)
	if m.pane == paneObjects {
		for _, i := range m.visible() {
			if !m.gone[placeOf(&m.snap.Objects[i])] {
				copied := m.snap.Objects[i] // which Update may change meanwhile
				objects = append(objects, &copied)
			}
		}
	}
	return func() tea.Msg {
		msg := lookMsg{at: time.Now()}
		if lim, err := m.machine.Limits(); err == nil {
			msg.limits = &lim
		}
		for _, o := range objects {
			now, err := m.machine.Look(o)
			msg.seen = append(msg.seen, seen{placeOf(o), now, err})
			if time.Since(msg.at) > maxLook {
				break // to who may not read an object, only the list of all tells of it
			}
		}
		return msg
	}
}

// maxLook is how long looking at single objects may take.
const maxLook = 20 * time.Millisecond

// Update changes the model by what happened.
func (m *Model) Update(msg tea.Msg) (tea.Model, tea.Cmd) {
	switch msg := msg.(type) {
	case tea.WindowSizeMsg:
		m.width, m.height = msg.Width, msg.Height
		if m.width <= 0 || m.height <= 0 { // a terminal that was never told
			m.width, m.height = 80, 24
		}
		m.scroll()
	case tea.KeyPressMsg:
		return m, m.key(msg)
	case tea.PasteMsg:
		if m.typing {
			m.edit([]rune(msg.Content))
		}
	case tea.MouseWheelMsg:
		return m, m.wheel(tea.Mouse(msg))
	case tea.MouseClickMsg:
		return m, m.click(tea.Mouse(msg))
	case tickMsg:
		m.now = time.Time(msg)
		cmds := []tea.Cmd{m.tick()}
		if !m.paused {
			cmds = append(cmds, m.look(), m.loadDetail())
			if m.due() {
				cmds = append(cmds, m.take())
			}
		}
		return m, tea.Batch(cmds...)
	case snapMsg:
		return m, m.arrived(msg)
	case lookMsg:
		m.looked(msg)
	case contentMsg:
		m.detail.arrived(msg)
		return m, m.loadDetail()
	case checkedMsg:
		if m.asking != nil && m.asking.object == msg.object {
			m.asking.ready = true
			if msg.err != nil {
				m.asking.answer = m.errorText(msg.err)
			}
		}
	case removedMsg:
		m.asking = nil
		if msg.err != nil {
			m.message = fmt.Sprintf("%s is kept: %s", msg.object.Ref(), m.errorText(msg.err))
			return m, nil
		}
		m.message = "removed " + msg.object.Ref()
		return m, m.take()
	}
	return m, nil
}

func (m *Model) arrived(msg snapMsg) tea.Cmd {
	m.taking = false
	if msg.err != nil {
		m.failure = m.errorText(msg.err)
		return nil
	}
	m.failure = ""
	m.Show(msg.snap)
	if m.again {
		return m.take()
	}
	return m.loadDetail()
}

// Show replaces the snapshot, and notes what changed.
func (m *Model) Show(snap *inspect.Snapshot) {
	m.now = snap.Time
	index := make(map[place]int, len(snap.Objects))
	for i := range snap.Objects {
		o := &snap.Objects[i]
		p := placeOf(o)
		index[p] = i
		if m.snap == nil {
			continue
		}
		at, known := m.index[p]
		if !known || m.gone[p] {
			m.happened("created", o, m.describe(o))
			continue
		}
		before := &m.snap.Objects[at]
		m.history.note(snap.Time, before, o)
		if text := m.differences(before, o); text != "" {
			m.happened("changed", o, text)
		}
	}
	if m.snap != nil {
		for i := range m.snap.Objects {
			o := &m.snap.Objects[i]
			if _, known := index[placeOf(o)]; !known && !m.gone[placeOf(o)] {
				m.lost(o)
			}
		}
	}
	m.snap, m.index, m.limits = snap, index, snap.Limits
	clear(m.gone)
	m.tree = nil
	m.tally()
	m.arrange()
}

// tally counts what the summary says.
func (m *Model) tally() {
	m.classes, m.deadlocks, m.stuck = map[inspect.Class]int{}, 0, 0
	for i := range m.snap.Objects {
		m.classes[m.snap.Objects[i].Verdict.Class]++
	}
	m.trouble = map[place]string{}
	for i := range m.snap.Waits {
		switch w := &m.snap.Waits[i]; {
		case w.Cycle > 0:
			m.deadlocks++
			m.trouble[place{w.Kind, w.ID}] = "deadlock"
		case w.Stuck():
			m.stuck++
			if at := (place{w.Kind, w.ID}); m.trouble[at] == "" {
				m.trouble[at] = "stuck"
			}
		}
	}
}

func (m *Model) lost(o *inspect.Object) {
	m.happened("removed", o, m.describe(o))
	m.history.forget(placeOf(o))
}

// looked takes over what was seen of single objects.
func (m *Model) looked(msg lookMsg) {
	m.looking = false
	if msg.limits != nil {
		m.limits = *msg.limits
	}
	for i := range msg.seen {
		s := &msg.seen[i]
		at, ok := m.index[s.place]
		if !ok || m.gone[s.place] {
			continue
		}
		o := &m.snap.Objects[at]
		switch {
		case errors.Is(s.err, fs.ErrNotExist), errors.Is(s.err, sysvipc.ErrRemoved):
			if msg.at.After(m.snap.Time) {
				m.gone[s.place] = true
				m.lost(o)
			}
			continue
		case s.err != nil || msg.at.Before(m.snap.Time):
			continue
		}
		before := *o
		o.Object = s.now.Object
		o.Segment, o.Set, o.Queue = s.now.Segment, s.now.Set, s.now.Queue
		if s.now.Semaphores != nil {
			o.Semaphores = s.now.Semaphores
		}
		m.history.note(msg.at, &before, o)
		if text := m.differences(&before, o); text != "" {
			m.happened("changed", o, text)
		}
	}
}

func (m *Model) errorText(err error) string { return m.machine.Text(trimProgram(err.Error())) }

// View is the frame for bubbletea.
func (m *Model) View() tea.View {
	var v tea.View
	v.SetContent(m.Frame())
	v.AltScreen = true
	v.MouseMode = tea.MouseModeCellMotion
	v.WindowTitle = "sysvipc top"
	return v
}
