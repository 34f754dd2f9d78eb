package top

import (
	"os"
	"strings"

	"github.com/charmbracelet/x/ansi"
)

// Paint is how a frame is coloured. Only the sixteen colours of the terminal are used, which its
// owner has chosen to be readable.
type Paint struct {
	Plain    bool // no attributes at all
	NoColour bool // bold and reverse only
	ASCII    bool // no characters beyond ASCII
}

// PaintOf says what the environment allows on a terminal.
func PaintOf(getenv func(string) string) Paint {
	term := getenv("TERM")
	p := Paint{Plain: term == "dumb", NoColour: getenv("NO_COLOR") != "", ASCII: term == "dumb" || term == "linux"}
	for _, name := range []string{"LC_ALL", "LC_CTYPE", "LANG"} {
		if v := strings.ToUpper(getenv(name)); v != "" {
			p.ASCII = p.ASCII || !strings.Contains(v, "UTF-8") && !strings.Contains(v, "UTF8")
			break
		}
	}
	return p
}

// Environment is [PaintOf] this process.
func Environment() Paint { return PaintOf(os.Getenv) }

// style is an SGR sequence's parameters.
type style string

const (
	plain    style = ""
	bold     style = "1"
	dim      style = "2"
	reversed style = "7"
	red      style = "31"
	green    style = "32"
	yellow   style = "33"
	magenta  style = "35"
	cyan     style = "36"
	alarm    style = "1;31"
	title    style = "1;36"
)

// say paints text.
func (p Paint) say(s style, text string) string {
	if p.Plain || s == plain || text == "" {
		return text
	}
	if p.NoColour {
		switch s {
		case alarm, title:
			s = bold
		case bold, dim, reversed:
		default:
			return text
		}
	}
	return "\x1b[" + string(s) + "m" + text + "\x1b[m"
}

// pick chooses what this terminal can show.
func (p Paint) pick(text, ascii string) string {
	if p.ASCII {
		return ascii
	}
	return text
}

// piece is text of one style; line is some of them, which are cut to the screen's width.
type (
	piece struct {
		style style
		text  string
	}
	line []piece
)

func (l *line) add(s style, text string) { *l = append(*l, piece{s, text}) }

// width is how many columns it takes.
func (l line) width() int {
	n := 0
	for _, p := range l {
		n += width(p.text)
	}
	return n
}

// wrapLine breaks a line at spaces, so that it is w columns wide at most, but for longer words. What follows is indented by a space.
func wrapLine(l line, w int) []line {
	if l.width() <= w {
		return []line{l}
	}
	var out []line
	var now line
	for _, p := range l {
		for i, word := range strings.SplitAfter(p.text, " ") {
			if i > 0 || len(p.text) > 0 && p.text[0] != ' ' {
				if now.width()+width(strings.TrimRight(word, " ")) > w && now.width() > 1 {
					now[len(now)-1].text = strings.TrimSuffix(now[len(now)-1].text, " ")
					out = append(out, now)
					now = line{{plain, " "}}
				}
			}
			now.add(p.style, word)
		}
	}
	return append(out, now)
}

// paint makes a string that is w columns wide at most; one that is selected is w wide.
func (p Paint) paint(l line, w int, selected bool) string {
	var b strings.Builder
	left := w
	for _, piece := range l {
		if left <= 0 {
			break
		}
		text := piece.text
		n := width(text)
		if n > left {
			text = p.cut(text, left)
			n = width(text)
		}
		left -= n
		if p.ASCII {
			text = toASCII(text)
		}
		if selected {
			b.WriteString(text)
		} else {
			b.WriteString(p.say(piece.style, text))
		}
	}
	if !selected {
		return b.String()
	}
	b.WriteString(strings.Repeat(" ", max(0, left)))
	return p.say(reversed, b.String())
}

// cut shortens text to w columns, and says so by an ellipsis.
func (p Paint) cut(text string, w int) string {
	tail := p.pick("…", "~")
	switch n := width(text); {
	case n <= w:
		return text
	case n == len(text) && w > 0: // ASCII, as most text
		return text[:w-1] + tail
	}
	return ansi.Truncate(text, w, tail)
}

// fit makes text exactly w columns wide.
func (p Paint) fit(text string, w int) string {
	text = p.cut(text, w)
	return text + strings.Repeat(" ", max(0, w-width(text)))
}

// fitRight is fit for numbers.
func (p Paint) fitRight(text string, w int) string {
	text = p.cut(text, w)
	return strings.Repeat(" ", max(0, w-width(text))) + text
}

// width is how many columns text takes. Most text is ASCII, for which nothing need be looked up.
func width(s string) int {
	for i := range len(s) {
		if s[i] >= 0x80 {
			return ansi.StringWidth(s)
		}
	}
	return len(s)
}

// toASCII replaces what a terminal without UTF-8 cannot show.
func toASCII(s string) string {
	for i := range len(s) {
		if s[i] >= 0x80 {
			return strings.Map(func(r rune) rune {
				switch {
				case r < 0x80:
					return r
				case r == '…':
					return '~'
				case r == '→':
					return '>'
				case r == '─':
					return '-'
				case r == '│':
					return '|'
				}
				return '?'
			}, s)
		}
	}
	return s
}
