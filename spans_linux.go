package sysvipc

import "slices"

// span is a range of addresses, from start to before end.
type span struct{ start, end uintptr }

func (a span) len() uintptr { return a.end - a.start }

func (a span) overlaps(b span) bool { return a.start < b.end && b.start < a.end }

// spans are ranges in order, none of which touches the next.
type spans []span

// add adds a range that overlaps none.
func (s spans) add(a span) spans {
	i := s.search(a.start)
	j := i
	if i > 0 && s[i-1].end == a.start {
		i--
		a.start = s[i].start
	}
	if j < len(s) && s[j].start == a.end {
		a.end = s[j].end
		j++
	}
	return slices.Replace(s, i, j, a)
}

// cut takes a range out.
func (s spans) cut(a span) spans {
	var left spans
	for _, b := range s {
		if !b.overlaps(a) {
			left = append(left, b)
			continue
		}
		if b.start < a.start {
			left = append(left, span{b.start, a.start})
		}
		if b.end > a.end {
			left = append(left, span{a.end, b.end})
		}
	}
	return left
}

// fit returns the start of a place for n bytes, at a multiple of align: in the smallest
// range that has one.
func (s spans) fit(n, align uintptr) (start uintptr, ok bool) {
	var best span
	for _, b := range s {
		at := roundUp(b.start, align)
		if at >= b.start && at < b.end && b.end-at >= n && (!ok || b.len() < best.len()) {
			start, best, ok = at, b, true
		}
	}
	return start, ok
}

func (s spans) unmap() {
	for _, a := range s {
		unmap(a)
	}
}

// search returns the index of the first range that starts at addr or later.
func (s spans) search(addr uintptr) int {
	i, _ := slices.BinarySearchFunc(s, addr, func(b span, addr uintptr) int {
		if b.start < addr {
			return -1
		}
		return 1
	})
	return i
}

// roundUp rounds up to a multiple of a power of two.
func roundUp(n, multiple uintptr) uintptr { return (n + multiple - 1) &^ (multiple - 1) }
