package bench

import (
	"fmt"
	"strings"

	"github.com/sysvipc/sysvipc/internal/output"
)

// question is one that the measurements answer.
type question struct {
	name  string
	text  string // with the mechanism
	modes []string
	kinds []string // of mechanisms; nil: any
}

var questions = []question{
	{"fastest-round-trip", "Fastest round trip: %s", []string{"round-trip", "spin"}, nil},
	{"fastest-stream", "Fastest stream: %s", []string{"stream-64k", "stream-64"}, nil},
	{"message", "For messages use %s", []string{"round-trip"}, []string{"message"}},
	{"stream", "For a stream of bytes use %s", []string{"stream-64k"}, []string{"stream"}},
	{"state", "For a state that others read use %s", []string{"read"}, nil},
	{"lock", "For a lock use %s", []string{"hand-over", "lock"}, nil},
}

// Judge concludes. It refuses where the quartiles of the ratio of the two fastest span 1.
func (r *Result) Judge() {
	kinds := map[string]string{}
	var outlive []string
	for _, m := range Mechanisms {
		kinds[m.Name] = m.Kind
		if m.Outlive {
			outlive = append(outlive, m.Name)
		}
	}
	placement := "other"
	if len(r.Bench.Other) == 0 {
		placement = "same"
	}
	for _, q := range questions {
		for _, mode := range q.modes {
			in := r.In(mode, placement)
			if len(in) == 0 {
				in = r.In(mode, "free")
			}
			if q.kinds != nil {
				kept := in[:0]
				for _, m := range in {
					if kinds[m.Mechanism] == q.kinds[0] {
						kept = append(kept, m)
					}
				}
				in = kept
			}
			if len(in) > 0 {
				r.Judgements = append(r.Judgements, judge(&q, in))
				break
			}
		}
	}
	r.Judgements = append(r.Judgements, output.Judgement{
		Question: "survives-kill", Text: "What was written outlives both processes, also a kill -9: " + strings.Join(outlive, ", ") + ".",
	})
}

// judge answers by the two fastest.
func judge(q *question, in []*output.Measurement) output.Judgement {
	best := in[0]
	j := output.Judgement{Question: q.name, Mechanism: &best.Mechanism}
	where := fmt.Sprintf("%s, %s, %d bytes", Format(best.Median), placementWords[best.Placement], best.Bytes)
	if len(in) == 1 {
		j.Text = fmt.Sprintf(q.text, called(best)) + ": " + where + "; nothing else was measured."
		return j
	}
	next := in[1]
	j.Next = &next.Mechanism
	var ratios []float64
	for i := range min(len(best.Rounds), len(next.Rounds)) {
		if best.Rounds[i] > 0 {
			ratios = append(ratios, next.Rounds[i]/best.Rounds[i])
		}
	}
	middle, q1, q3 := spread(ratios)
	j.Ratio, j.RatioQ1, j.RatioQ3 = &middle, &q1, &q3
	if q1 <= 1 || len(ratios) == 0 {
		j.Mechanism = nil
		j.Text = fmt.Sprintf("%s or %s: these rounds do not tell which (ratio %.2f to %.2f; %s).", fmt.Sprintf(q.text, called(best)), called(next), q1, q3, where)
		return j
	}
	j.Text = fmt.Sprintf("%s: %s; %s takes %.2f times as long (%.2f to %.2f).", fmt.Sprintf(q.text, called(best)), where, called(next), middle, q1, q3)
	return j
}

// called is a mechanism's name, and that it polls where others sleep at once: what is quicker then is the wait,
// not the call.
func called(m *output.Measurement) string {
	if m.Mode == "round-trip" && strings.HasPrefix(m.Mechanism, "shared-") {
		return m.Mechanism + " (it polls shortly before it sleeps)"
	}
	return m.Mechanism
}

var placementWords = map[string]string{"same": "both on one processor", "other": "on two processors", "free": "where the kernel puts them"}

// Format writes nanoseconds for people.
func Format(ns float64) string {
	switch {
	case ns < 100:
		return fmt.Sprintf("%.1f ns", ns)
	case ns < 1000:
		return fmt.Sprintf("%.0f ns", ns)
	case ns < 100e3:
		return fmt.Sprintf("%.2f µs", ns/1e3)
	case ns < 1e6:
		return fmt.Sprintf("%.0f µs", ns/1e3)
	}
	return fmt.Sprintf("%.2f ms", ns/1e6)
}

// FormatRate writes bytes a second for people.
func FormatRate(bytes float64) string {
	if bytes >= 1e9 {
		return fmt.Sprintf("%.2f GB/s", bytes/1e9)
	}
	return fmt.Sprintf("%.0f MB/s", bytes/1e6)
}
