package top

import (
	"context"
	"strings"
	"unicode"

	tea "charm.land/bubbletea/v2"

	"github.com/sysvipc/sysvipc"
)

// key does what a key says.
func (m *Model) key(msg tea.KeyPressMsg) tea.Cmd {
	key := msg.String()
	if key == "ctrl+c" {
		return tea.Quit
	}
	if key == "ctrl+z" {
		return tea.Suspend
	}
	switch {
	case m.asking != nil:
		return m.answer(key)
	case m.typing:
		return m.type_(key, msg.Text)
	}
	m.message = ""
	switch key {
	case "q":
		return tea.Quit
	case "?", "h", "f1":
		m.toggle(paneHelp)
	case "1", "o":
		m.pane = paneObjects
	case "2", "w":
		m.toggle(paneWaits)
	case "3", "e":
		m.toggle(paneEvents)
	case "esc":
		m.back()
	case "p", "space", " ":
		m.paused = !m.paused
	case "r", "ctrl+l":
		if key == "ctrl+l" {
			return tea.Batch(tea.ClearScreen, m.take())
		}
		return m.take()
	case "up", "k":
		m.move(-1)
	case "down", "j":
		m.move(1)
	case "pgup", "ctrl+b", "ctrl+u":
		m.move(-m.page())
	case "pgdown", "ctrl+f", "ctrl+d":
		m.move(m.page())
	case "home", "g":
		m.move(-far)
	case "end", "G":
		m.move(far)
	default:
		if m.pane == paneObjects {
			return m.objectKey(key)
		}
	}
	return m.loadDetail()
}

// objectKey is for keys that mean something among the objects only.
func (m *Model) objectKey(key string) tea.Cmd {
	switch key {
	case "enter":
		m.detail.size = (m.detail.size + 1) % (detailWhole + 1)
		m.detail.top = 0
		m.scroll()
	case "tab", "right", "l", "]":
		m.turn(1)
	case "shift+tab", "left", "[":
		m.turn(-1)
	case "J", "shift+down":
		m.detail.top++
	case "K", "shift+up":
		m.detail.top = max(0, m.detail.top-1)
	case "/", "f":
		m.typing, m.typed, m.typeError = true, []rune(m.filter), ""
	case "s", ">", ".":
		m.sortNext(1)
	case "<", ",":
		m.sortNext(-1)
	case "S", "R":
		m.reverse = !m.reverse
		m.arrange()
	case "t", "m":
		m.nextKind()
	case "U", "u":
		m.unlocked = !m.unlocked
		if m.unlocked {
			m.message = "unlocked: d removes the selected object, after a question; u locks again"
		}
	case "d", "delete", "x":
		return m.ask()
	}
	return m.loadDetail()
}

func (m *Model) toggle(p pane) {
	if m.pane == p {
		p = paneObjects
	}
	m.pane = p
	m.scroll()
}

// back leaves what was entered last.
func (m *Model) back() {
	switch {
	case m.pane != paneObjects:
		m.pane = paneObjects
	case m.detail.size != detailClosed:
		m.detail.size = detailClosed
	case m.filter != "":
		_ = m.FilterBy("")
	}
	m.scroll()
}

// move moves the cursor, or the text where there is none.
func (m *Model) move(n int) {
	switch m.pane {
	case paneWaits:
		m.treeTop = max(0, min(m.treeTop+n, len(m.waitLines())-m.bodyHeight()))
	case paneEvents:
		m.eventsUp = max(0, min(m.eventsUp-n, len(m.events)-m.bodyHeight()))
	case paneHelp:
		m.helpTop = max(0, min(m.helpTop+n, len(helpText)-m.bodyHeight()))
	default:
		if m.detail.size == detailWhole {
			if n >= far {
				n = 0 // the end of a segment is far
			}
			m.detail.top = max(0, m.detail.top+n)
			return
		}
		m.cursor = max(0, min(m.cursor+n, len(m.rows)-1))
		m.scroll()
	}
}

// far is further than any list.
const far = 1 << 30

// page is how far the keys for pages go.
func (m *Model) page() int {
	if m.pane == paneObjects {
		if lay := m.layout(); m.detail.size != detailWhole {
			return max(1, lay.rows-1)
		}
	}
	return max(1, m.bodyHeight()-1)
}

// turn goes to another tab of the details, and opens them.
func (m *Model) turn(n int) {
	if m.detail.size == detailClosed {
		m.detail.size = detailHalf
		m.scroll()
		return
	}
	m.detail.tab = (m.detail.tab + n + len(tabs)) % len(tabs)
	m.detail.top = 0
}

func (m *Model) sortNext(n int) {
	m.sort = (m.sort + n + len(orders)) % len(orders)
	m.reverse = false
	m.arrange()
}

func (m *Model) nextKind() {
	kinds := []sysvipc.Kind{sysvipc.KindSegment, sysvipc.KindSemaphores, sysvipc.KindQueue}
	switch {
	case m.anyKind:
		m.anyKind, m.kind = false, kinds[0]
	case m.kind == kinds[2]:
		m.anyKind = true
	case m.kind == kinds[0]:
		m.kind = kinds[1]
	default:
		m.kind = kinds[2]
	}
	m.arrange()
}

// type_ edits the filter. It is tried at enter, so that nothing flickers while it is written.
func (m *Model) type_(key, text string) tea.Cmd {
	switch key {
	case "enter":
		if err := m.FilterBy(string(m.typed)); err != nil {
			text, _, _ := strings.Cut(trimProgram(err.Error()), "\n") // what follows points at the place in another font
			m.typeError = m.machine.Text(text)
			return nil
		}
		m.typing = false
		return m.loadDetail()
	case "esc":
		m.typing = false
	case "backspace", "ctrl+h":
		m.typed = m.typed[:max(0, len(m.typed)-1)]
		m.typeError = ""
	case "ctrl+u":
		m.typed, m.typeError = nil, ""
	case "ctrl+w":
		kept := strings.TrimRight(string(m.typed), " ")
		m.typed = []rune(kept[:strings.LastIndexByte(kept, ' ')+1])
	default:
		m.edit([]rune(text))
	}
	return nil
}

func (m *Model) edit(text []rune) {
	for _, r := range text {
		if unicode.IsPrint(r) && len(m.typed) < maxFilter {
			m.typed = append(m.typed, r)
		}
	}
	m.typeError = ""
}

const maxFilter = 500

// ask asks whether to remove the selected object, if that is unlocked.
func (m *Model) ask() tea.Cmd {
	o := m.object()
	switch {
	case o == nil:
		return nil
	case !m.unlocked:
		m.message = "this view is read-only: u unlocks removal"
		return nil
	}
	if m.gone[placeOf(o)] {
		m.message = o.Ref() + " is removed already"
		return nil
	}
	shown := *o
	m.asking = &question{object: &shown}
	return func() tea.Msg { return checkedMsg{&shown, m.machine.Check(context.Background(), &shown)} }
}

// answer takes the answer to that. Only y means yes, and only after the guard has agreed.
func (m *Model) answer(key string) tea.Cmd {
	q := m.asking
	switch {
	case q.busy:
		return nil
	case (key == "y" || key == "Y") && q.ready && q.answer == "":
		q.busy = true
		return func() tea.Msg { return removedMsg{q.object, m.machine.Remove(context.Background(), q.object)} }
	case !q.ready && key != "esc" && key != "n" && key != "q":
		return nil
	}
	m.asking = nil
	return nil
}

func trimProgram(text string) string { return strings.TrimPrefix(text, "sysvipc: ") }
