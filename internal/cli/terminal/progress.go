package terminal

import (
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/sysvipc/sysvipc/internal/cli/arg"
)

// Progress is a bar on a terminal for what takes longer. Elsewhere it shows nothing. Safe for concurrent use.
type Progress struct {
	w     io.Writer // nil: no terminal
	total int64
	begun time.Time

	mu    sync.Mutex
	done  int64
	drawn time.Time
	shown bool
}

// NewProgress begins a bar for so many bytes; 0 if that is not known.
func NewProgress(w io.Writer, total int64) *Progress {
	p := &Progress{total: total, begun: time.Now()}
	if Is(w) && os.Getenv("TERM") != "dumb" {
		p.w = w
	}
	return p
}

const (
	firstBar = 300 * time.Millisecond // what is quicker needs no bar
	nextBar  = 100 * time.Millisecond
	barWidth = 30
)

// Add counts bytes that are done.
func (p *Progress) Add(n int64) {
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
	speed := arg.FormatSize(int64(float64(p.done) / now.Sub(p.begun).Seconds()))
	if p.total <= 0 {
		fmt.Fprintf(p.w, "\r\x1b[K%s, %s/s", arg.FormatSize(p.done), speed)
		return
	}
	part := min(float64(p.done)/float64(p.total), 1)
	full := int(part * barWidth)
	fmt.Fprintf(p.w, "\r\x1b[K[%s%s] %3.0f%% of %s, %s/s", strings.Repeat("#", full), strings.Repeat("-", barWidth-full), 100*part, arg.FormatSize(p.total), speed)
}

// Clear takes the bar away, before something else is written there.
func (p *Progress) Clear() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.shown {
		fmt.Fprint(p.w, "\r\x1b[K")
		p.shown = false
	}
}

// Counting is a reader whose bytes are progress.
type Counting struct {
	Reader   io.Reader
	Progress *Progress
}

func (c Counting) Read(b []byte) (int, error) {
	n, err := c.Reader.Read(b)
	c.Progress.Add(int64(n))
	return n, err
}
