package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strconv"
	"strings"
	"time"

	"github.com/sysvipc/sysvipc"
)

// width is that of the terminal on which the tour reads well.
const width = 80

// tour is one run of the demonstration: what it tells, checks and has to remove. It is
// used by one goroutine.
type tour struct {
	ctx  context.Context
	w    io.Writer
	exe  string // this program
	bold bool   // titles

	checks int
	wrong  []int // numbers of checks
	told   []toldChapter

	children []*child
	objects  []removable
	made     int // objects
	left     int // objects that could not be removed

	telling  bool // a step that cannot be made ends the tour
	gapped   bool // the last line is empty
	printErr error
}

// removable is any of the three kinds of objects.
type removable interface{ Remove() error }

// keyedSet is a set that another process makes, or does not come to make.
type keyedSet struct{ key sysvipc.Key }

func (s *keyedSet) Remove() error {
	set, err := sysvipc.OpenSemaphores(s.key)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return set.Remove()
}

// tourStop is what a step panics with that cannot be made.
type tourStop struct{ err error }

func (t *tour) stop(err error) { panic(tourStop{err}) }

// must stops the tour if a step that has to succeed did not.
func (t *tour) must(err error) {
	if err != nil {
		t.stop(fmt.Errorf("demo: %w", err))
	}
}

// valueOf is must for a call that returns something: valueOf(sem.Value())(t).
func valueOf[T any](v T, err error) func(*tour) T {
	return func(t *tour) T {
		t.must(err)
		return v
	}
}

func (t *tour) printf(format string, args ...any) {
	t.gapped = false
	if _, err := fmt.Fprintf(t.w, format, args...); err != nil && t.printErr == nil {
		t.printErr = err
		if t.telling {
			t.stop(err)
		}
	}
}

func (t *tour) title(s string) {
	if t.bold {
		s = "\x1b[1m" + s + "\x1b[0m"
	}
	t.gap()
	t.printf("%s\n", s)
	t.gap()
}

// gap makes an empty line, once.
func (t *tour) gap() {
	if !t.gapped {
		t.printf("\n")
		t.gapped = true
	}
}

// say tells a paragraph, whatever its line breaks.
func (t *tour) say(text string) {
	t.gap()
	t.printf("%s", wrap(text, "  ", "  "))
	t.gap()
}

// code shows lines of Go.
func (t *tour) code(format string, args ...any) {
	for line := range strings.Lines(fmt.Sprintf(format, args...)) {
		t.printf("    %s\n", strings.TrimSpace(line))
	}
	t.gap()
}

// check makes a claim. It does not stop the tour if that is wrong.
func (t *tour) check(ok bool, format string, args ...any) {
	t.checks++
	word := "ok"
	if !ok {
		word = "WRONG"
		t.wrong = append(t.wrong, t.checks)
	}
	lead := fmt.Sprintf("  %s %d: ", word, t.checks)
	t.printf("%s", wrap(fmt.Sprintf(format, args...), lead, strings.Repeat(" ", len(lead))))
}

// checkEqual claims that what was found is what was expected, and tells both if not.
func checkEqual[T comparable](t *tour, got, want T, format string, args ...any) {
	claim := fmt.Sprintf(format, args...)
	if got != want {
		claim += fmt.Sprintf(" (found %v, not %v)", got, want)
	}
	t.check(got == want, "%s", claim)
}

// until returns when the kernel shows what is to happen. The pauses only spare the
// processor: nothing depends on their length. Who is given is alive meanwhile, or the
// tour ends.
func (t *tour) until(what string, c *child, happened func() (bool, error)) {
	for pause := 100 * time.Microsecond; ; pause = min(2*pause, 5*time.Millisecond) {
		ok, err := happened()
		t.must(err)
		if ok {
			return
		}
		if c != nil && c.ended() {
			t.stop(fmt.Errorf("demo: %s: but process %d has ended: %s", what, c.pid(), c.outcome()))
		}
		select {
		case <-t.ctx.Done():
			t.stop(fmt.Errorf("demo: %s: %w", what, context.Cause(t.ctx)))
		case <-time.After(pause):
		}
	}
}

// make makes an object by this command, and returns the object's name and ID. The tour
// removes the object at its end.
func (t *tour) make(args ...string) (ref string, id int) {
	c := t.launch(shellLine("sysvipc", args), t.command(args))
	<-c.done // though the tour may have been called off: what was made has to be removed
	ref = strings.TrimSpace(c.stdout.String())
	if c.cmd.ProcessState.Success() {
		kind, n, _ := strings.Cut(ref, ":")
		made, err := strconv.Atoi(n)
		t.must(err)
		id = made
		switch kind {
		case "shm":
			t.own(sysvipc.SegmentByID(id))
		case "sem":
			t.own(sysvipc.SemaphoresByID(id))
		case "msg":
			t.own(sysvipc.QueueByID(id))
		}
	}
	t.finish(c)
	return ref, id
}

// own makes the tour remove an object at its end, if it still exists then.
func (t *tour) own(o removable) {
	t.made++
	t.objects = append(t.objects, o)
}

// cleanUp ends all processes and removes all objects, in that order.
func (t *tour) cleanUp() {
	for _, c := range t.children {
		c.kill()
	}
	t.children = nil
	for _, o := range t.objects {
		if err := o.Remove(); err != nil && !errors.Is(err, sysvipc.ErrRemoved) {
			t.left++
		}
	}
	t.objects = nil
}

// wrap breaks text into lines for a terminal, the first behind lead and the others
// behind indent.
func wrap(text, lead, indent string) string {
	var b strings.Builder
	line, room := lead, width-2
	empty := true
	for _, word := range strings.Fields(text) {
		if !empty && len([]rune(line))+1+len([]rune(word)) > room {
			b.WriteString(line + "\n")
			line, empty = indent, true
		}
		if !empty {
			line += " "
		}
		line += word
		empty = false
	}
	b.WriteString(line + "\n")
	return b.String()
}
