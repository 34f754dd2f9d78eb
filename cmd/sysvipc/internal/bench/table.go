package bench

import (
	"bufio"
	"fmt"
	"io"
	"strings"

	"github.com/sysvipc/sysvipc/internal/output"
)

// Table writes the result for people, with bars in what is left of the width; 0 stands for 100 columns.
func (r *Result) Table(w io.Writer, width int) error {
	if width <= 0 {
		width = 100
	}
	out := bufio.NewWriter(w)
	fmt.Fprintln(out, describe(&r.Bench))
	for _, mode := range Modes {
		for _, placement := range Placements {
			if in := r.In(mode.Name, placement); len(in) > 0 {
				fmt.Fprintf(out, "\n%s: %s; %d bytes, %s\n", mode.Name, mode.What, mode.Bytes, placementWords[placement])
				bars(out, in, width)
			}
		}
	}
	if len(r.Skipped) > 0 {
		fmt.Fprintln(out, "\nnot measured:")
		for _, s := range r.skippedTogether() {
			fmt.Fprintln(out, "  "+s)
		}
	}
	if len(r.Comparisons) > 0 {
		fmt.Fprintln(out, "\nbeside the earlier run (time now / time then, and its quartiles):")
		t := output.NewTable(output.Left("  MECHANISM"), output.Left("MODE"), output.Left("PLACEMENT"), output.Right("RATIO"), output.Right("Q1"), output.Right("Q3"), output.Left("RESULT"))
		for _, c := range r.Comparisons {
			for _, cell := range []string{"  " + c.Mechanism, c.Mode, c.Placement, fmt.Sprintf("%.2f", c.Ratio), fmt.Sprintf("%.2f", c.RatioQ1), fmt.Sprintf("%.2f", c.RatioQ3), c.Result} {
				t.Add(cell)
			}
		}
		if err := t.Write(out); err != nil {
			return err
		}
	}
	fmt.Fprintln(out)
	for _, j := range r.Judgements {
		fmt.Fprintln(out, j.Text)
	}
	return out.Flush()
}

// bars writes measurements with a bar for each median.
func bars(out io.Writer, in []*output.Measurement, width int) {
	const before = 64 // columns of text
	room := max(width-before-1, 8)
	longest := in[len(in)-1].Median
	fmt.Fprintf(out, "  %-15s %9s %9s %9s %9s\n", "MECHANISM", "MEDIAN", "Q1", "Q3", "P99")
	for _, m := range in {
		rate := ""
		if m.Rate != nil {
			rate = FormatRate(*m.Rate)
		}
		line := fmt.Sprintf("  %-15s %9s %9s %9s %9s %s", m.Mechanism, Format(m.Median), Format(m.Q1), Format(m.Q3), Format(m.P99), bar(m.Median/longest, room))
		if rate != "" {
			line += " " + rate
		}
		fmt.Fprintln(out, strings.TrimRight(line, " "))
	}
}

// bar is a part of so many columns, in eighths.
func bar(part float64, columns int) string {
	eighths := max(int(part*float64(columns*8)+0.5), 1)
	s := strings.Repeat("█", eighths/8)
	if rest := eighths % 8; rest > 0 {
		s += string([]rune(" ▏▎▍▌▋▊▉")[rest])
	}
	return s
}

// skippedTogether are the reasons, each once for a mechanism, with its modes.
func (r *Result) skippedTogether() []string {
	var order []string
	modes := map[string][]string{}
	for _, s := range r.Skipped {
		k := s.Mechanism + ": %s: " + strings.ReplaceAll(s.Reason, "%", "%%")
		if _, ok := modes[k]; !ok {
			order = append(order, k)
		}
		what := "all"
		if s.Mode != nil {
			what = *s.Mode
			if s.Placement != nil {
				what += " (" + *s.Placement + ")"
			}
		}
		modes[k] = append(modes[k], what)
	}
	for i, k := range order {
		order[i] = fmt.Sprintf(k, strings.Join(modes[k], ", "))
	}
	return order
}
