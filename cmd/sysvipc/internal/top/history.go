package top

import (
	"slices"
	"strings"
	"time"

	"github.com/sysvipc/sysvipc"
	"github.com/sysvipc/sysvipc/inspect"
)

// place names an object.
type place struct {
	kind sysvipc.Kind
	id   int
}

func placeOf(o *inspect.Object) place { return place{o.Kind, o.ID} }

// metric is a number that changes while an object is used. Each kind has two.
type metric struct {
	name string
	of   func(*inspect.Object) int64
}

var metrics = map[sysvipc.Kind][2]metric{
	sysvipc.KindSegment: {
		{"attaches", func(o *inspect.Object) int64 { return int64(o.Segment.Attaches) }},
		{"resident", func(o *inspect.Object) int64 { return max(0, o.Segment.Resident) }},
	},
	sysvipc.KindSemaphores: {
		{"waiters", func(o *inspect.Object) int64 { return int64(waiters(o)) }},
		{"sum of values", func(o *inspect.Object) int64 {
			var sum int64
			for i := range o.Semaphores {
				sum += int64(o.Semaphores[i].Value)
			}
			return sum
		}},
	},
	sysvipc.KindQueue: {
		{"messages", func(o *inspect.Object) int64 { return int64(o.Queue.Messages) }},
		{"bytes", func(o *inspect.Object) int64 { return int64(o.Queue.Bytes) }},
	},
}

// waiters is how many threads wait on a set, as the kernel counts them, or on a queue, as they are seen.
func waiters(o *inspect.Object) int {
	n := 0
	for i := range o.Semaphores {
		n += o.Semaphores[i].Acquire + o.Semaphores[i].Zero
	}
	return max(n, o.Waiters)
}

// history keeps the numbers of objects over time. What never changes takes no memory: a series
// begins with the first change.
type history map[seriesKey]*series

type seriesKey struct {
	place
	which int
}

// series is a number over time: its first value, and each change.
type series struct {
	first   int64
	changes []change
}

type change struct {
	at    time.Time
	value int64
}

// maxChanges is how many changes are kept; screens are not wider than that.
const maxChanges = 256

// note compares an object with what was known of it before.
func (h history) note(at time.Time, before, now *inspect.Object) {
	for which := range metrics[now.Kind] {
		of := metrics[now.Kind][which].of
		was, is := of(before), of(now)
		if was == is {
			continue
		}
		key := seriesKey{placeOf(now), which}
		s := h[key]
		if s == nil {
			s = &series{first: was}
			h[key] = s
		}
		if len(s.changes) == maxChanges {
			s.first = s.changes[0].value
			s.changes = slices.Delete(s.changes, 0, 1)
		}
		s.changes = append(s.changes, change{at, is})
	}
}

func (h history) forget(p place) {
	delete(h, seriesKey{p, 0})
	delete(h, seriesKey{p, 1})
}

// sample returns the highest value that came in each of n steps before now, or the one that stayed.
func (s *series) sample(n int, now time.Time, step time.Duration) []int64 {
	values := make([]int64, n)
	next, value := 0, s.first
	for i := range values {
		end := now.Add(-time.Duration(n-1-i) * step)
		most, came := value, false
		for ; next < len(s.changes) && !s.changes[next].at.After(end); next++ {
			value = s.changes[next].value
			if i == 0 || !came { // before the first column there is none
				most, came = value, true
			}
			most = max(most, value)
		}
		values[i] = most
	}
	return values
}

// sparkline draws the last n steps of a number; blank if it did not change meanwhile.
func (h history) sparkline(p Paint, key seriesKey, n int, now time.Time, step time.Duration) string {
	s := h[key]
	if s == nil || len(s.changes) == 0 || n <= 0 || s.changes[len(s.changes)-1].at.Before(now.Add(-time.Duration(n)*step)) {
		return ""
	}
	return bars(p, s.sample(n, now, step))
}

// bars draws a column for each number, from 0 to the highest.
func bars(p Paint, values []int64) string {
	levels := []rune(p.pick("▁▂▃▄▅▆▇█", "_.:-=+*#"))
	most := max(1, slices.Max(values))
	var b strings.Builder
	for _, v := range values {
		level := 0
		if v > 0 {
			level = 1 + int(float64(v)/float64(most)*float64(len(levels)-2)+0.5)
		}
		b.WriteRune(levels[min(level, len(levels)-1)])
	}
	return b.String()
}
