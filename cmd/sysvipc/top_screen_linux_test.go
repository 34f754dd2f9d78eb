package main

import (
	"regexp"
	"strconv"
	"strings"
	"sync"
	"unicode/utf8"
)

// screen is as much of a terminal as it takes to read what a program has drawn on it. Safe for concurrent use.
type screen struct {
	mu      sync.Mutex
	cells   [][]rune
	x, y    int
	top     int             // the first row that scrolls
	bottom  int             // the last one
	rest    []byte          // an incomplete sequence
	modes   map[string]bool // private ones
	inserts bool
	last    rune
	reason  string // a sequence that it does not know
}

func newScreen(width, height int) *screen {
	s := &screen{modes: map[string]bool{}}
	s.resize(width, height)
	return s
}

func (s *screen) resize(width, height int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.cells = make([][]rune, height)
	for i := range s.cells {
		s.cells[i] = []rune(strings.Repeat(" ", width))
	}
	s.top, s.bottom = 0, height-1
}

// text is what is on the screen.
func (s *screen) text() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var b strings.Builder
	for _, row := range s.cells {
		b.WriteString(strings.TrimRight(string(row), " ") + "\n")
	}
	return b.String()
}

// mode reports whether a mode is on, and whether it was ever set or reset.
func (s *screen) mode(name string) (on, told bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	on, told = s.modes[name]
	return on, told
}

var sequence = regexp.MustCompile(`^\x1b(?:\[([<?>=]?)([0-9;]*)[ $]?([@-~])|\][^\x07\x1b]*(?:\x07|\x1b\\)|P[^\x1b]*\x1b\\|[()].|([=>78MDEc]))`)

func (s *screen) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	data := append(s.rest, p...)
	for len(data) > 0 {
		if data[0] == '\x1b' {
			m := sequence.FindSubmatch(data)
			if m == nil {
				break
			}
			switch {
			case m[3] != nil:
				s.control(string(m[1]), string(m[2]), m[3][0])
			case string(m[4]) == "D":
				s.put('\n')
			case string(m[4]) == "M" && s.y == s.top:
				s.scroll(s.top, -1)
			case string(m[4]) == "M":
				s.y = max(0, s.y-1)
			}
			data = data[len(m[0]):]
			continue
		}
		if !utf8.FullRune(data) {
			break
		}
		r, n := utf8.DecodeRune(data)
		data = data[n:]
		s.put(r)
	}
	s.rest = append([]byte(nil), data...)
	return len(p), nil
}

func (s *screen) put(r rune) {
	switch r {
	case '\r':
		s.x = 0
	case '\n':
		if s.y == s.bottom {
			s.scroll(s.top, 1)
		} else {
			s.y = min(s.y+1, len(s.cells)-1)
		}
	case '\b':
		s.x = max(0, s.x-1)
	case '\t':
		s.x = (s.x/8 + 1) * 8
	case '\a':
	default:
		s.last = r
		if s.y < len(s.cells) && s.x < len(s.cells[s.y]) {
			if row := s.cells[s.y]; s.inserts {
				copy(row[s.x+1:], row[s.x:])
			}
			s.cells[s.y][s.x] = r
		}
		s.x++
	}
}

// scroll moves the rows from a first one to the bottom margin up by n, or down by -n.
func (s *screen) scroll(from, n int) {
	if from > s.bottom {
		return
	}
	region := s.cells[from : s.bottom+1]
	for range min(max(n, -n), len(region)) {
		blank := []rune(strings.Repeat(" ", len(region[0])))
		if n > 0 {
			copy(region, region[1:])
			region[len(region)-1] = blank
		} else {
			copy(region[1:], region)
			region[0] = blank
		}
	}
}

func (s *screen) control(private, args string, final byte) {
	number := func(i, otherwise int) int {
		parts := strings.Split(args, ";")
		if i < len(parts) {
			if n, err := strconv.Atoi(parts[i]); err == nil && n > 0 {
				return n
			}
		}
		return otherwise
	}
	erase := func(y, from, to int) {
		if y >= 0 && y < len(s.cells) {
			for x := max(0, from); x < min(to, len(s.cells[y])); x++ {
				s.cells[y][x] = ' '
			}
		}
	}
	const all = 1 << 20
	if private != "" {
		for _, name := range strings.Split(args, ";") {
			if final == 'h' || final == 'l' {
				s.modes[name] = final == 'h'
			}
		}
		return
	}
	switch final {
	case 'H', 'f':
		s.y, s.x = number(0, 1)-1, number(1, 1)-1
	case 'A':
		s.y -= number(0, 1)
	case 'B':
		s.y += number(0, 1)
	case 'C':
		s.x += number(0, 1)
	case 'D':
		s.x -= number(0, 1)
	case 'I':
		s.x = (s.x/8 + number(0, 1)) * 8
	case 'Z':
		s.x = ((s.x+7)/8 - number(0, 1)) * 8
	case 'G', '`':
		s.x = number(0, 1) - 1
	case 'd':
		s.y = number(0, 1) - 1
	case 'K':
		switch number(0, 0) {
		case 0:
			erase(s.y, s.x, all)
		case 1:
			erase(s.y, 0, s.x+1)
		default:
			erase(s.y, 0, all)
		}
	case 'J':
		if number(0, 0) == 0 {
			erase(s.y, s.x, all)
			for y := s.y + 1; y < len(s.cells); y++ {
				erase(y, 0, all)
			}
		} else {
			for y := range s.cells {
				erase(y, 0, all)
			}
		}
	case 'X':
		erase(s.y, s.x, s.x+number(0, 1))
	case 'r':
		s.top, s.bottom = number(0, 1)-1, min(number(1, len(s.cells)), len(s.cells))-1
		s.x, s.y = 0, 0
	case 'S':
		s.scroll(s.top, number(0, 1))
	case 'T':
		s.scroll(s.top, -number(0, 1))
	case 'L':
		s.scroll(s.y, -number(0, 1))
	case 'M':
		s.scroll(s.y, number(0, 1))
	case 'P':
		if s.x < len(s.cells[s.y]) {
			row := s.cells[s.y]
			erase(s.y, s.x+copy(row[s.x:], row[min(s.x+number(0, 1), len(row)):]), all)
		}
	case '@':
		if s.x < len(s.cells[s.y]) {
			row := s.cells[s.y]
			to := min(s.x+number(0, 1), len(row))
			copy(row[to:], row[s.x:])
			erase(s.y, s.x, to)
		}
	case 'b':
		for range number(0, 1) {
			s.put(s.last)
		}
	case 'h', 'l':
		if args == "4" {
			s.inserts = final == 'h'
		}
	case 'm', 'c', 'q', 'u', 't', 'n', 'p':
	default:
		s.reason = args + string(final)
	}
	s.x, s.y = max(0, s.x), max(0, min(s.y, len(s.cells)-1))
}
