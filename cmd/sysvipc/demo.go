package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"
)

// demoChapter is one part of the tour. It tells what it does, does it with processes of
// its own, and checks what came out. It removes nothing: the tour does, whatever happens.
type demoChapter struct {
	title string
	tell  func(*tour)
}

// demoChapters are the tour, in order, each in a file of its own: demo_NAME.go.
var demoChapters = []demoChapter{
	{"A segment: memory that processes share", demoSegment},
	{"A semaphore: take, wait, give", demoSemaphore},
	{"A queue: messages with types", demoQueue},
	{"What the page cannot do: a holder is killed", demoKilled},
	{"What the page cannot do: a wait is called off", demoCancel},
	{"What the page cannot do: eight processes make one set", demoRace},
	{"Perl itself", demoPerl},
	{"What the page gives up: a shared variable", demoShared},
}

// demoLimit is how long the tour may take before something must be stuck.
const demoLimit = 2 * time.Minute

func newDemoCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "demo",
		GroupID: groupOther,
		Short:   "A guided tour with real processes, which checks itself",
		Long: `Go through the programs of the Perl manual's page on System V IPC with real processes,
and through what that page cannot do: a killed holder, a wait that is called off, a race
of creators, a variable that processes share. Where perl is installed, real Perl programs
take part.

Each step is shown as a command line that you can use yourself. Each claim is checked, and
the end says how many were: the exit code is 0 only if all were right. The tour takes a few
seconds and leaves nothing behind, also after Ctrl-C.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return runDemo(cmd.Context(), cmd.OutOrStdout(), demoChapters)
		},
		DisableFlagsInUseLine: true,
	}
	cmd.AddCommand(newDemoCreatorCommand(), newDemoSharerCommand())
	return cmd
}

// runDemo tells the chapters, with this program as the command.
func runDemo(ctx context.Context, w io.Writer, chapters []demoChapter) error {
	exe, err := os.Executable()
	if err != nil {
		return err
	}
	return runDemoWith(ctx, exe, w, chapters)
}

// runDemoWith tells the chapters, cleans up, and says what was checked.
func runDemoWith(ctx context.Context, exe string, w io.Writer, chapters []demoChapter) error {
	ctx, cancel := context.WithTimeoutCause(ctx, demoLimit, errors.New("the tour is stuck"))
	defer cancel()
	ignoreSIGPIPE() // it must not end the tour before it has cleaned up
	t := &tour{ctx: ctx, w: w, exe: exe, bold: isTerminal(w) && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"}
	defer t.cleanUp()
	if err := t.tell(chapters); err != nil {
		return err
	}
	t.cleanUp()
	return t.conclude()
}

// tell tells all chapters, and returns an error if one of them could not go on.
func (t *tour) tell(chapters []demoChapter) (err error) {
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
	t.introduce()
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

func (t *tour) introduce() {
	t.title("System V IPC: a guided tour")
	t.say(`The Perl manual shows three things that processes can share: a segment of
		memory, a semaphore, and a message queue. Here are its programs, each step a process
		of its own, and then what they cannot do. What stands behind a $ is a command line
		that you can use yourself; after "go run ./cmd/sysvipc demo", write
		"go run ./cmd/sysvipc" for "sysvipc". Each "ok" is a claim that was checked.`)
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
		return fail(exitFailed, "demo: %d of %d checks went wrong", len(t.wrong), t.checks)
	case t.left > 0:
		return fail(exitFailed, "demo: %d objects could not be removed; see \"sysvipc ls --mine\"", t.left)
	}
	return nil
}
