package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strconv"
	"time"

	"github.com/sysvipc/sysvipc/internal/cli"
	"github.com/sysvipc/sysvipc/internal/cli/arg"
	"github.com/sysvipc/sysvipc/internal/cli/terminal"
	"github.com/sysvipc/sysvipc/internal/history"
	"github.com/sysvipc/sysvipc/internal/output"
	"github.com/sysvipc/sysvipc/internal/plural"
)

// defaultHistory is where the unit of "sysvipcd serve" keeps the history.
const defaultHistory = "/var/lib/sysvipcd/history"

// eventsBefore is how many events "top --at" prints: with the totals they fill a screen.
const eventsBefore = 14

// parseMoment reads the time of --at: a time of day is the last one, a duration is before now.
func parseMoment(text string, now time.Time) (time.Time, error) {
	if d, err := arg.ParseDuration(text); err == nil {
		return now.Add(-d), nil
	}
	for _, layout := range []string{"15:04", "15:04:05"} {
		clock, err := time.ParseInLocation(layout, text, now.Location())
		if err != nil {
			continue
		}
		at := time.Date(now.Year(), now.Month(), now.Day(), clock.Hour(), clock.Minute(), clock.Second(), 0, now.Location())
		if at.After(now) {
			at = time.Date(now.Year(), now.Month(), now.Day()-1, clock.Hour(), clock.Minute(), clock.Second(), 0, now.Location())
		}
		return at, nil
	}
	for _, layout := range []string{"2006-01-02 15:04", "2006-01-02 15:04:05", "2006-01-02T15:04", "2006-01-02T15:04:05", time.RFC3339} {
		if at, err := time.ParseInLocation(layout, text, now.Location()); err == nil {
			return at, nil
		}
	}
	return time.Time{}, cli.Usage("--at %q: write a time such as 03:12, \"2026-01-31 03:12\", 2026-01-31T03:12:00Z, or 2h for two hours ago", text)
}

// writeMoment prints what the daemon saw at a time, and what happened before.
func writeMoment(w io.Writer, path string, at time.Time) error {
	h, err := history.Read(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return cli.Fail(cli.ExitFailed, "%s is not there: \"sysvipcd serve --history FILE\" keeps a history; name its file with --history", path)
	case errors.Is(err, fs.ErrPermission):
		return cli.Fail(cli.ExitNotPermitted, "%v: the history is readable for the user alone who keeps it", err)
	case err != nil:
		return err
	}
	defer h.Close()
	s, ok := h.At(at)
	if !ok {
		return cli.Fail(cli.ExitFailed, "%s has nothing of %s or before", path, at.Format(time.DateTime))
	}
	seen := time.UnixMilli(s.Time)
	fmt.Fprintf(w, "%s, seen %s before\n\n", at.Format(time.DateTime), arg.FormatAge(int64(at.Sub(seen).Seconds())))
	t := output.NewTable(output.Left("TYPE"), output.Right("OBJECTS"), output.Left("HOLD"), output.Left("IN USE"))
	row := func(cells ...string) {
		for _, cell := range cells {
			t.Add(cell)
		}
	}
	row("shm", number(s.Segments), bytesOf(s.Bytes), inMemory(&s)+", "+plural.Forms(int(s.Attaches), "attach", "attaches"))
	row("sem", number(s.Sets), plural.Of(int(s.Semaphores), "semaphore"), "")
	row("msg", number(s.Queues), plural.Of(int(s.Messages), "message")+", "+bytesOf(s.MessageBytes), plural.Of(int(s.Blocked), "queue")+" full or stuck")
	if err := t.Write(w); err != nil {
		return err
	}
	waits := plural.Of(int(s.Waiting), "thread") + " waited"
	if s.Waiting > 0 {
		waits += ", the first for " + arg.FormatAge(int64(s.Oldest))
	}
	fmt.Fprintf(w, "\n%s; %s; %s, %s\n", waits, plural.Of(int(s.Deadlocks), "deadlock"), plural.Of(int(s.Orphans), "orphan"), plural.Of(int(s.Candidates), "candidate"))
	events := h.Events(time.Unix(0, 0), at.Add(time.Millisecond), eventsBefore)
	if len(events) == 0 {
		return nil
	}
	fmt.Fprintln(w)
	t = output.NewTable(output.Left("TIME"), output.Left("EVENT"), output.Left("REF"), output.Left("WHAT"))
	for i := len(events) - 1; i >= 0; i-- {
		e := &events[i]
		row(e.Time.In(at.Location()).Format(time.DateTime), e.What.String(), terminal.Escape(e.Ref), terminal.Escape(e.Text))
	}
	return t.Write(w)
}

func number(n uint32) string { return strconv.FormatUint(uint64(n), 10) }

func bytesOf(n uint64) string { return arg.FormatSize(int64(n)) + " bytes" }

// inMemory is what a sample says of pages.
func inMemory(s *history.Sample) string {
	if s.Resident == ^uint64(0) {
		return "an unknown part in memory"
	}
	return bytesOf(s.Resident) + " in memory"
}
