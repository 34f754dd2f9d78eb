package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"
)

// progress is a bar on a terminal for what takes longer. Elsewhere it shows nothing. Safe for concurrent use.
type progress struct {
	w     io.Writer // nil: no terminal
	total int64
	begun time.Time

	mu    sync.Mutex
	done  int64
	drawn time.Time
	shown bool
}

// newProgress begins a bar for so many bytes; 0 if that is not known.
func newProgress(w io.Writer, total int64) *progress {
	p := &progress{total: total, begun: time.Now()}
	if isTerminal(w) && os.Getenv("TERM") != "dumb" {
		p.w = w
	}
	return p
}

const (
	firstBar = 300 * time.Millisecond // what is quicker needs no bar
	nextBar  = 100 * time.Millisecond
	barWidth = 30
)

// add counts bytes that are done.
func (p *progress) add(n int64) {
	if p.w == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.done += n
	now := time.Now()
	if now.Sub(p.begun) < firstBar || now.Sub(p.drawn) < nextBar {
		return
	}
	p.drawn, p.shown = now, true
	speed := formatSize(int64(float64(p.done) / now.Sub(p.begun).Seconds()))
	if p.total <= 0 {
		fmt.Fprintf(p.w, "\r\x1b[K%s, %s/s", formatSize(p.done), speed)
		return
	}
	part := min(float64(p.done)/float64(p.total), 1)
	full := int(part * barWidth)
	fmt.Fprintf(p.w, "\r\x1b[K[%s%s] %3.0f%% of %s, %s/s", strings.Repeat("#", full), strings.Repeat("-", barWidth-full), 100*part, formatSize(p.total), speed)
}

// clear takes the bar away, before something else is written there.
func (p *progress) clear() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.shown {
		fmt.Fprint(p.w, "\r\x1b[K")
		p.shown = false
	}
}

// counting is a reader whose bytes are progress.
type counting struct {
	r io.Reader
	p *progress
}

func (c counting) Read(b []byte) (int, error) {
	n, err := c.r.Read(b)
	c.p.add(int64(n))
	return n, err
}
