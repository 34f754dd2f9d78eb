package bench

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"sort"

	"github.com/sysvipc/sysvipc/internal/output"
)

// Result is what a run measured, and where.
type Result struct {
	Bench        output.Bench         `json:"bench"`
	Measurements []output.Measurement `json:"measurements"`
	Skipped      []output.Skipped     `json:"skipped"`
	Judgements   []output.Judgement   `json:"judgements"`
	Comparisons  []output.Comparison  `json:"comparisons"`
}

// Read reads the JSON of an earlier run.
func Read(r io.Reader) (*Result, error) {
	var doc struct {
		Schema string `json:"schema"`
		Result
	}
	if err := json.NewDecoder(r).Decode(&doc); err != nil {
		return nil, err
	}
	if doc.Schema != output.Schema {
		return nil, fmt.Errorf("the schema is %q, and not %q: write the file with \"sysvipc bench -o json\"", doc.Schema, output.Schema)
	}
	return &doc.Result, nil
}

// Write writes the result as JSON.
func (r *Result) Write(w io.Writer) error {
	d := output.StartDocument(w, "measurements")
	for i := range r.Measurements {
		d.Add(&r.Measurements[i])
	}
	d.Field("bench", &r.Bench)
	d.Field("skipped", r.Skipped)
	d.Field("judgements", r.Judgements)
	d.Field("comparisons", r.Comparisons)
	return d.End(nil)
}

// skip notes what is not measured. The last two words can be empty.
func (r *Result) skip(mechanism, mode, placement, reason string) {
	r.Skipped = append(r.Skipped, output.Skipped{Mechanism: mechanism, Mode: output.OrNil(mode), Placement: output.OrNil(placement), Reason: reason})
}

// Find returns a measurement, or nil.
func (r *Result) Find(mechanism, mode, placement string) *output.Measurement {
	for i := range r.Measurements {
		if m := &r.Measurements[i]; m.Mechanism == mechanism && m.Mode == mode && m.Placement == placement {
			return m
		}
	}
	return nil
}

// In returns the measurements of a mode and placement, the fastest first.
func (r *Result) In(mode, placement string) []*output.Measurement {
	var in []*output.Measurement
	for i := range r.Measurements {
		if m := &r.Measurements[i]; m.Mode == mode && m.Placement == placement {
			in = append(in, m)
		}
	}
	sort.SliceStable(in, func(i, j int) bool { return in[i].Median < in[j].Median })
	return in
}

// sort puts measurements in the order of the tables.
func (r *Result) sort() {
	place := func(m *output.Measurement) int {
		return slices.IndexFunc(Modes, func(o Mode) bool { return o.Name == m.Mode })*10000 +
			slices.Index(Placements, m.Placement)*1000 +
			slices.IndexFunc(Mechanisms, func(o Mechanism) bool { return o.Name == m.Mechanism })
	}
	sort.Slice(r.Measurements, func(i, j int) bool { return place(&r.Measurements[i]) < place(&r.Measurements[j]) })
}

// Compare says how the measurements differ from those of an older run: by the ratios of all pairs of rounds.
func (r *Result) Compare(old *Result) {
	for i := range r.Measurements {
		m := &r.Measurements[i]
		o := old.Find(m.Mechanism, m.Mode, m.Placement)
		if o == nil {
			continue
		}
		var ratios []float64
		for _, a := range m.Rounds {
			for _, b := range o.Rounds {
				if b > 0 {
					ratios = append(ratios, a/b)
				}
			}
		}
		if len(ratios) == 0 {
			continue
		}
		c := output.Comparison{Mechanism: m.Mechanism, Mode: m.Mode, Placement: m.Placement, Result: "undecided"}
		c.Ratio, c.RatioQ1, c.RatioQ3 = spread(ratios)
		switch {
		case c.RatioQ3 < 1:
			c.Result = "faster"
		case c.RatioQ1 > 1:
			c.Result = "slower"
		}
		r.Comparisons = append(r.Comparisons, c)
	}
}
