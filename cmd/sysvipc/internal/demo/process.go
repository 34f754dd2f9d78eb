package demo

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"unicode"

	"github.com/sysvipc/sysvipc/internal/cli"
)

// child is a process of the tour.
type child struct {
	cmd    *exec.Cmd
	stdout bytes.Buffer
	stderr bytes.Buffer
	done   chan struct{} // closed when it has ended
}

// launch starts a process and shows how to start it oneself. It waits for nothing.
func (t *tour) launch(shown string, cmd *exec.Cmd) *child {
	c := t.begin(cmd)
	t.printf("  $ %s\n", shown)
	return c
}

// begin starts a process.
func (t *tour) begin(cmd *exec.Cmd) *child {
	c := &child{cmd: cmd, done: make(chan struct{})}
	cmd.Stdout, cmd.Stderr = &c.stdout, &c.stderr
	cmd.SysProcAttr = ownGroup() // Ctrl-C is for the tour, which cleans up
	if err := t.ctx.Err(); err != nil {
		t.stop(err)
	}
	t.must(cmd.Start())
	t.children = append(t.children, c)
	go func() {
		defer close(c.done)
		_ = cmd.Wait() // what it says is in cmd.ProcessState
	}()
	return c
}

// start starts this command with other arguments, as a process that the tour goes on
// beside.
func (t *tour) start(args ...string) *child {
	return t.launch(shellLine("sysvipc", args)+" &", t.command(args))
}

// run runs this command with other arguments, shows what it writes, and returns that. It
// must succeed.
func (t *tour) run(args ...string) string {
	c := t.launch(shellLine("sysvipc", args), t.command(args))
	return t.finish(c)
}

// fails is run for a command that is to fail. It returns the exit code and what the
// command wrote to standard error.
func (t *tour) fails(args ...string) (code int, stderr string) {
	c := t.launch(shellLine("sysvipc", args), t.command(args))
	t.await(c)
	t.show(c.stderr.String())
	return shellStatus(c.cmd.ProcessState), c.stderr.String()
}

// finish waits for a process, which must succeed, and shows and returns what it wrote.
func (t *tour) finish(c *child) string {
	t.await(c)
	if !c.cmd.ProcessState.Success() {
		t.stop(fmt.Errorf("demo: %s: %s", shellLine(c.cmd.Args[0], c.cmd.Args[1:]), c.outcome()))
	}
	t.show(c.stdout.String())
	return strings.TrimSuffix(c.stdout.String(), "\n")
}

func (t *tour) command(args []string) *exec.Cmd {
	cmd := exec.Command(t.exe, args...)
	cmd.Args[0] = "sysvipc"
	return cmd
}

// await waits for the end of a process.
func (t *tour) await(c *child) {
	select {
	case <-c.done:
	case <-t.ctx.Done():
		t.stop(t.ctx.Err())
	}
}

// show prints what a process wrote, in lines that fit.
func (t *tour) show(text string) {
	for line := range strings.Lines(text) {
		line = strings.ReplaceAll(strings.TrimRight(line, "\n"), "\t", "   ")
		t.printf("%s", wrap(printable(line), "    ", "      "))
	}
}

// printable returns text without what a terminal may take for a command.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return unicode.ReplacementChar
	}, text)
}

// lastPID is the process that was started last.
func (t *tour) lastPID() int { return t.children[len(t.children)-1].pid() }

func (c *child) pid() int { return c.cmd.Process.Pid }

func (c *child) ended() bool {
	select {
	case <-c.done:
		return true
	default:
		return false
	}
}

// outcome says how a process that has ended did.
func (c *child) outcome() string {
	return strings.TrimSpace(c.cmd.ProcessState.String() + ": " + c.stderr.String())
}

// kill ends a process with SIGKILL, if it has not ended, and returns when it is gone: its
// operations with undo are undone by then.
func (c *child) kill() {
	_ = c.cmd.Process.Kill()
	<-c.done
}

// shellLine is how a person types a command.
func shellLine(program string, args []string) string {
	words := []string{program}
	for _, a := range args {
		if a == "" || strings.ContainsAny(a, " #'\"\\$&|;<>()*?!~`") {
			a = "'" + strings.ReplaceAll(a, "'", `'\''`) + "'"
		}
		words = append(words, a)
	}
	return strings.Join(words, " ")
}

// shellStatus is what a shell calls the exit code.
func shellStatus(state *os.ProcessState) int {
	if sig := deathSignal(state); sig != 0 {
		return cli.ExitSignal + sig
	}
	return state.ExitCode()
}
