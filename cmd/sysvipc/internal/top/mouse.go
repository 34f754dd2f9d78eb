package top

import (
	tea "charm.land/bubbletea/v2"
)

// wheel scrolls what is under the mouse.
func (m *Model) wheel(e tea.Mouse) tea.Cmd {
	n := 3
	switch e.Button {
	case tea.MouseWheelUp:
		n = -3
	case tea.MouseWheelDown:
	default:
		return nil
	}
	if lay := m.layout(); m.pane == paneObjects && lay.detail > 0 && e.Y >= lay.detailTop {
		m.detail.top = max(0, m.detail.top+n)
		return m.loadDetail()
	}
	m.move(n)
	return m.loadDetail()
}

// click selects a row; a second click opens its details. On a heading it sorts, on a tab it turns to it.
func (m *Model) click(e tea.Mouse) tea.Cmd {
	if e.Button != tea.MouseLeft || m.asking != nil || m.typing {
		return nil
	}
	m.message = ""
	if m.pane != paneObjects {
		return nil
	}
	lay := m.layout()
	switch {
	case lay.rows > 0 && e.Y == lay.head:
		m.clickHead(e.X)
	case lay.rows > 0 && e.Y > lay.head && e.Y <= lay.head+lay.rows:
		row := m.offset + e.Y - lay.head - 1
		if row >= len(m.rows) {
			return nil
		}
		if row == m.cursor && m.detail.size == detailClosed {
			m.detail.size = detailHalf
		}
		m.cursor = row
		m.scroll()
	case lay.detail > 0 && e.Y == lay.detailTop:
		m.clickTab(e.X)
	}
	return m.loadDetail()
}

func (m *Model) clickHead(x int) {
	at := 0
	for _, c := range m.columns() {
		if x >= at && x <= at+c.width {
			for i := range orders {
				if orders[i].name != c.sort {
					continue
				}
				if m.sort == i {
					m.reverse = !m.reverse
				} else {
					m.sort, m.reverse = i, false
				}
				m.arrange()
			}
			return
		}
		at += c.width + 1
	}
}

func (m *Model) clickTab(x int) {
	for i, at := range m.tabPlaces() {
		if x >= at[0] && x < at[1] {
			m.detail.tab, m.detail.top = i, 0
		}
	}
}
