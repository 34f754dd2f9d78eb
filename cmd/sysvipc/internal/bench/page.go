package bench

import (
	"bytes"
	"fmt"
	"html"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/sysvipc/sysvipc/internal/output"
	"github.com/sysvipc/sysvipc/internal/plot"
)

// pictures are what is drawn of a result, by the name of the file, if it was measured.
var pictures = []struct{ file, title, mode string }{
	{"bench-round-trip", "There and back, 64 bytes, two processors: median, logarithmic", "round-trip"},
	{"bench-spin", "The same, both sides polling", "spin"},
	{"bench-stream", "One message of a stream of 64 KiB messages, two processors: median", "stream-64k"},
	{"bench-lock", "From unlock until the process that waits has the lock: median", "hand-over"},
}

// placement is that of the page's tables and pictures: two processors, if there are two.
func (r *Result) placement(mode string) string {
	for _, p := range []string{"other", "free", "same"} {
		if len(r.In(mode, p)) > 0 {
			return p
		}
	}
	return "free"
}

// Picture draws the medians of a mode as SVG.
func (r *Result) Picture(title, mode string) ([]byte, error) {
	in := r.In(mode, r.placement(mode))
	if len(in) == 0 {
		return nil, fmt.Errorf("nothing was measured in mode %s", mode)
	}
	bars := make([]plot.Bar, len(in))
	for i, m := range in {
		bars[i] = plot.Bar{Name: m.Mechanism, Value: max(m.Median, 1)}
	}
	return plot.Bars(title, bars, func(ns float64) string { return strings.NewReplacer(".00 ", " ", ".0 ", " ").Replace(Format(ns)) })
}

// SVG writes the picture of round trips, or of the first mode that was measured.
func (r *Result) SVG(w io.Writer) error {
	for _, p := range pictures {
		if svg, err := r.Picture(p.title, p.mode); err == nil {
			_, err = w.Write(svg)
			return err
		}
	}
	return fmt.Errorf("nothing to draw was measured")
}

// HTML writes one page that needs nothing else: the pictures, and the whole table.
func (r *Result) HTML(w io.Writer) error {
	var b bytes.Buffer
	b.WriteString("<!DOCTYPE html>\n<html lang=\"en\"><meta charset=\"utf-8\"><title>sysvipc bench</title>\n<style>body{font-family:sans-serif;max-width:50em;margin:auto;padding:1em}td,th{text-align:right;padding:.1em .6em}td:nth-child(-n+3),th:nth-child(-n+3){text-align:left}svg{width:100%;height:auto}</style>\n<h1>Ways for two processes to talk</h1>\n")
	fmt.Fprintf(&b, "<p>%s</p>\n<ul>\n", html.EscapeString(describe(&r.Bench)))
	for _, j := range r.Judgements {
		fmt.Fprintf(&b, "<li>%s</li>\n", html.EscapeString(j.Text))
	}
	b.WriteString("</ul>\n")
	for _, p := range pictures {
		if svg, err := r.Picture(p.title, p.mode); err == nil {
			b.Write(svg)
			b.WriteByte('\n')
		}
	}
	b.WriteString("<table><tr><th>mode<th>placement<th>mechanism<th>median<th>q1<th>q3<th>p99<th>a second</tr>\n")
	for _, m := range r.Measurements {
		rate := ""
		if m.Rate != nil {
			rate = FormatRate(*m.Rate)
		}
		fmt.Fprintf(&b, "<tr><td>%s<td>%s<td>%s<td>%s<td>%s<td>%s<td>%s<td>%s</tr>\n", m.Mode, m.Placement, m.Mechanism, Format(m.Median), Format(m.Q1), Format(m.Q3), Format(m.P99), rate)
	}
	b.WriteString("</table>\n")
	for _, s := range r.skippedTogether() {
		fmt.Fprintf(&b, "<p>Not measured: %s</p>\n", html.EscapeString(s))
	}
	_, err := w.Write(append(b.Bytes(), "</html>\n"...))
	return err
}

// WritePage writes choose.md, its pictures and its figures into a directory.
func (r *Result) WritePage(dir string) error {
	if err := os.MkdirAll(filepath.Join(dir, "img"), 0o755); err != nil {
		return err
	}
	for _, p := range pictures {
		svg, err := r.Picture(p.title, p.mode)
		if err != nil {
			continue
		}
		if err := os.WriteFile(filepath.Join(dir, "img", p.file+".svg"), svg, 0o644); err != nil {
			return err
		}
	}
	var figures bytes.Buffer
	if err := r.Write(&figures); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, "choose.json"), figures.Bytes(), 0o644); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "choose.md"), r.Page(), 0o644)
}

// Page is choose.md, which follows from the result alone.
func (r *Result) Page() []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "# Which IPC?\n\nWritten by `sysvipc bench --page docs`; the figures are in [choose.json](choose.json). Measured on: %s\n\n", strings.ReplaceAll(describe(&r.Bench), "\n", "; "))
	b.WriteString(fourQuestions)
	b.WriteString("## On this machine\n\n")
	for _, j := range r.Judgements {
		fmt.Fprintf(&b, "- %s\n", j.Text)
	}
	b.WriteString("\nMedians, " + placementWords[r.placement("round-trip")] + ", of 64 bytes unless it says otherwise; a dash: it has no such mode, or could not be measured here.\n\n")
	b.WriteString("| mechanism | what | asleep | polling | stream of 64 KiB | lock passes | start-up | found by | limits | a kill -9 leaves |\n|---|---|---|---|---|---|---|---|---|---|\n")
	for _, m := range Mechanisms {
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s | %s | %s | %s | %s | %s |\n", m.Name, m.What,
			r.cell(m.Name, "round-trip"), r.cell(m.Name, "spin"), r.cell(m.Name, "stream-64k"), r.cell(m.Name, "hand-over"), r.cell(m.Name, "start-up"), m.Finds, r.limit(m.Limit), m.Killed)
	}
	b.WriteByte('\n')
	for _, p := range pictures {
		if len(r.In(p.mode, r.placement(p.mode))) > 0 {
			fmt.Fprintf(&b, "![%s](img/%s.svg)\n\n", p.title, p.file)
		}
	}
	b.WriteString("## Not measured here\n\n")
	for _, s := range r.skippedTogether() {
		fmt.Fprintf(&b, "- %s\n", s)
	}
	return b.Bytes()
}

// cell is a median in the page's table.
func (r *Result) cell(mechanism, mode string) string {
	m := r.Find(mechanism, mode, r.placement(mode))
	switch {
	case m == nil:
		return "–"
	case m.Rate != nil:
		return FormatRate(*m.Rate)
	}
	return Format(m.Median)
}

var limitName = regexp.MustCompile(`\{[^}]*\}`)

// limit puts the machine's settings into what is said of limits.
func (r *Result) limit(text string) string {
	return limitName.ReplaceAllStringFunc(text, func(name string) string {
		for _, l := range r.Bench.Limits {
			if l.Name == name[1:len(name)-1] {
				return l.Value
			}
		}
		return "(unknown)"
	})
}

// limits reads the settings that are named in what is said of limits.
func limits() []output.Setting {
	var all []output.Setting
	for _, m := range Mechanisms {
		for _, name := range limitName.FindAllString(m.Limit, -1) {
			if name = name[1 : len(name)-1]; read("/proc/sys/"+name) != "" {
				all = append(all, output.Setting{Name: name, Value: strings.Join(strings.Fields(read("/proc/sys/"+name)), " ")})
			}
		}
	}
	return all
}

const fourQuestions = `## Four questions

1. **Are all processes on one machine?** If not: TCP, or what is built on it (here: package ` + "`cluster`" + ` and ` + "`sysvipcd bridge`" + `). Nothing else
   in the table but UDP leaves the machine.
2. **Are they related?** A parent hands descriptors to its children: pipe, socketpair, eventfd, memfd. Unrelated programs need
   a name: a path (fifo, Unix socket, flock), a port, or a key (System V, and package ` + "`shared`" + `, in one IPC namespace).
3. **Is it a stream, messages, a state or a lock?** A stream has no boundaries: write lengths yourself. Messages keep them, and
   queues hold them until there is a reader. A state has readers who want the last value only: a segment, ` + "`shared.Var`" + `. A lock
   must say what happens when its holder dies: the kernel gives back flock and semaphores with SEM_UNDO, ` + "`shared.Mutex`" + ` tells the next
   holder; a POSIX semaphore stays taken.
4. **Must it outlive the process?** Pipes and sockets end with their last user. System V objects, POSIX queues and what lies in
   a region of ` + "`shared`" + ` stay until they are removed: ` + "`sysvipc gc`" + ` finds the forgotten ones.

Asleep against polling is the larger difference, not the mechanism: to wake a process on another processor costs more than
all system calls of a round trip. What polls takes a processor for itself. Package ` + "`shared`" + ` polls shortly, and then sleeps.

`
