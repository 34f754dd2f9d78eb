// Package demo is a tour of System V IPC with real processes, which checks itself.
//
// It goes through the programs of the Perl manual's page on System V IPC, and through what that page cannot do. Each
// step is a process of its own that executes a command line of sysvipc: the command itself in "sysvipc demo", and
// [Verb], which knows these few command lines and needs no more than the library, in package main below cmd/sysvipc/tour.
package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/sysvipc/sysvipc/internal/cli/terminal"
)

// chapter is one part of the tour. It tells what it does, does it with processes of
// its own, and checks what came out. It removes nothing: the tour does, whatever happens.
type chapter struct {
	title string
	tell  func(*tour)
}

// chapters are the tour, in order, each in a file of its own.
var chapters = []chapter{
	{"A segment: memory that processes share", tellSegment},
	{"A semaphore: take, wait, give", tellSemaphore},
	{"A queue: messages with types", tellQueue},
	{"What the page cannot do: a holder is killed", tellKilled},
	{"What the page cannot do: a wait is called off", tellCancel},
	{"What the page cannot do: eight processes make one set", tellRace},
	{"Perl itself", tellPerl},
	{"What the page gives up: a shared variable", tellShared},
}

// limit is how long the tour may take before something must be stuck.
const limit = 2 * time.Minute

// Run tells the tour on w, with the executable of this process as the command sysvipc. The note says what a reader may
// want to know of the command lines that are shown. The error is nil only if each claim was right and nothing is left.
func Run(ctx context.Context, w io.Writer, note string) error {
	exe, err := os.Executable()
	if err != nil {
		return err
	}
	return runChapters(ctx, exe, w, note, chapters)
}

// runChapters tells some chapters, cleans up, and says what was checked.
func runChapters(ctx context.Context, exe string, w io.Writer, note string, chapters []chapter) error {
	ctx, cancel := context.WithTimeoutCause(ctx, limit, errors.New("the tour is stuck"))
	defer cancel()
	signal.Ignore(syscall.SIGPIPE) // it must not end the tour before it has cleaned up
	t := &tour{ctx: ctx, w: w, exe: exe, bold: terminal.Is(w) && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"}
	defer t.cleanUp()
	if err := t.tell(note, chapters); err != nil {
		return err
	}
	t.cleanUp()
	return t.conclude()
}

// tell tells all chapters, and returns an error if one of them could not go on.
func (t *tour) tell(note string, chapters []chapter) (err error) {
	// A step that cannot be made ends the tour. To look for it behind each step would
	// make the chapters unreadable.
	defer func() {
		switch r := recover().(type) {
		case nil:
		case tourStop:
			err = r.err
			if t.ctx.Err() != nil {
				err = context.Cause(t.ctx)
			}
		default:
			panic(r)
		}
	}()
	t.telling = true
	defer func() { t.telling = false }()
	t.introduce(note)
	for i, c := range chapters {
		t.title(fmt.Sprintf("%d. %s", i+1, c.title))
		first := t.checks + 1
		c.tell(t)
		t.must(t.ctx.Err()) // it may have taken that for something that is missing
		t.told = append(t.told, toldChapter{c.title, first, t.checks})
	}
	return nil
}

// toldChapter is a chapter with the numbers of its checks.
type toldChapter struct {
	title       string
	first, last int
}

func (t *tour) introduce(note string) {
	t.title("System V IPC: a guided tour")
	t.say(`The Perl manual shows three objects that processes can share: a segment of
		memory, a semaphore, and a message queue. Here are its programs, each step a process
		of its own, and then what they cannot do. What stands behind a $ is a command line
		that you can use yourself. ` + note + ` Each "ok" is a claim that was checked.`)
}

// conclude says what was checked, and returns an error if anything was wrong.
func (t *tour) conclude() error {
	t.title("What was checked")
	for i, c := range t.told {
		numbers := fmt.Sprintf("%d to %d", c.first, c.last)
		if c.last < c.first {
			numbers = "none"
		}
		wrong := 0
		for _, n := range t.wrong {
			if c.first <= n && n <= c.last {
				wrong++
			}
		}
		verdict := "all right"
		if wrong > 0 {
			verdict = fmt.Sprintf("%d WRONG", wrong)
		} else if c.last < c.first {
			verdict = "left out"
		}
		t.printf("  %d. %-54s %8s  %s\n", i+1, c.title, numbers, verdict)
	}
	t.gap()
	if n := len(t.wrong); n > 0 {
		t.printf("  %d checks, %d right, %d WRONG: %v\n", t.checks, t.checks-n, n, t.wrong)
	} else {
		t.printf("  %d checks, all right.", t.checks)
	}
	if t.left == 0 {
		t.printf(" %d kernel objects were made, and none is left.\n", t.made)
	} else {
		t.printf(" Of %d kernel objects %d COULD NOT BE REMOVED.\n", t.made, t.left)
	}
	switch {
	case t.printErr != nil:
		return t.printErr
	case len(t.wrong) > 0:
		return fmt.Errorf("demo: %d of %d checks went wrong", len(t.wrong), t.checks)
	case t.left > 0:
		return fmt.Errorf("demo: %d objects could not be removed; see \"sysvipc ls --mine\"", t.left)
	}
	return nil
}
