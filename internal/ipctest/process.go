package ipctest

import (
	"bufio"
	"bytes"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"
)

// patience is how long a test waits for a line or an exit before it fails. A loaded machine under emulation is slow; a wait
// that lasts this long is a deadlock.
var patience = func() time.Duration {
	if UnderQEMU() {
		return 5 * time.Minute // qemu-user can hang for ever in a child that it forks: .ci/run ends such a run before, and makes it again
	}
	return time.Minute
}()

// grace is how long the output of a child that has ended may stay open in processes that it left behind.
const grace = 2 * time.Second

// Namespace says which IPC namespace a process runs in.
type Namespace int

// The namespaces of [Options].
const (
	Same  Namespace = iota // that of the test
	Fresh                  // a new, empty one
)

// Nobody is the usual user without rights, for [Options].
const Nobody = 65534

// Options are the rare choices of [Start]. The zero value, and nil, run the child like the test itself.
type Options struct {
	// UID is another user to become, with a group of the same number; 0 is the user of the test. Where this process cannot
	// become another user, or is that one, the test is skipped: see CanBecome.
	UID int
	// GID is the group of the other user, if it is not 0.
	GID int
	// Unmapped runs it in a user namespace that has no numbers for users and groups; where that is not permitted, the test
	// is skipped.
	Unmapped bool
	// OwnPIDs runs it in a PID namespace of its own, which needs CAP_SYS_ADMIN.
	OwnPIDs bool
	// Namespace may be Fresh; where that is not permitted, the test is skipped.
	Namespace Namespace
	// Env is added to the environment.
	Env []string
}

// Process is a copy of the test binary that [Start] started. Its methods must be called from the goroutine of the test,
// since they may end it.
type Process struct {
	// PID is the number of the process.
	PID int

	t      testing.TB
	name   string
	cmd    *exec.Cmd
	in     *os.File
	out    *os.File
	lines  chan string // closed at the end of the output
	stderr lockedBuffer
	done   chan struct{} // closed when the process has been waited for
	err    error         // of Wait, once done is closed

	expectExit bool // the test caused or saw the exit
	shown      bool // a message of the test holds the standard error
}

// Start runs the function that [Register] named, in a copy of this test binary. The copy is killed when the test ends or
// dies. A copy that fails without the test having asked for its end with Kill, Signal, Wait or Finish fails the test.
func Start(t testing.TB, name string, opts *Options, args ...string) *Process {
	t.Helper()
	if _, ok := children[name]; !ok {
		t.Fatalf("ipctest: no child named %q is registered", name)
	}
	if opts == nil {
		opts = &Options{}
	}
	p := &Process{t: t, name: name, lines: make(chan string, 1024), done: make(chan struct{})}
	stdin, in, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	p.in = in
	var stdout *os.File
	p.out, stdout, err = os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	p.cmd, err = spawn(spawnOptions{
		Options: *opts,
		role:    roleChild + " " + name,
		args:    args,
		stdin:   stdin,
		stdout:  stdout,
		stderr:  &p.stderr,
	})
	stdin.Close()
	stdout.Close()
	if err != nil {
		in.Close()
		p.out.Close()
		skipUnsupported(t, err)
		t.Fatalf("ipctest: start %s: %v", name, err)
	}
	p.PID = p.cmd.Process.Pid
	go p.read()
	go p.wait()
	t.Cleanup(p.cleanup)
	return p
}

// read passes on the lines of the child.
func (p *Process) read() {
	defer p.out.Close()
	defer close(p.lines)
	r := bufio.NewReader(p.out)
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			return // also a half line, of a killed child
		}
		p.lines <- strings.TrimSuffix(line, "\n")
	}
}

func (p *Process) wait() {
	p.err = p.cmd.Wait()
	// What it said is in the pipe; a process that it left behind does not keep the test waiting.
	p.out.SetReadDeadline(time.Now().Add(grace))
	close(p.done)
}

// Expect reads the next line that the child said, and fails the test if it is not want.
func (p *Process) Expect(want string) {
	p.t.Helper()
	if got := p.Line(); got != want {
		p.t.Fatalf("ipctest: child %s said %q, want %q%s", p.name, got, want, p.errors())
	}
}

// Line returns the next line that the child said, and fails the test if the child ends instead.
func (p *Process) Line() string {
	p.t.Helper()
	select {
	case line, ok := <-p.lines:
		if !ok {
			p.await()
			p.t.Fatalf("ipctest: child %s ended without a word: %v%s", p.name, p.state(), p.errors())
		}
		return line
	case <-time.After(patience):
		p.t.Fatalf("ipctest: child %s said nothing for %v%s", p.name, patience, p.errors())
	}
	return ""
}

// Lines returns the channel of lines that the child says, for a test that must not block. It is closed when the child's
// output ends.
func (p *Process) Lines() <-chan string { return p.lines }

// Tell sends one line, which the child reads with [ChildEnv.Listen].
func (p *Process) Tell(line string) {
	p.t.Helper()
	if _, err := io.WriteString(p.in, line+"\n"); err != nil {
		p.t.Fatalf("ipctest: tell child %s %q: %v%s", p.name, line, err, p.errors())
	}
}

// Kill ends the process with SIGKILL and returns when it is gone, its undo lists applied and its segments detached.
func (p *Process) Kill() {
	p.t.Helper()
	p.expectExit = true
	p.cmd.Process.Kill() // an error says that it is gone already
	p.await()
}

// Wait returns when the process has ended: nil if its function returned, an *exec.ExitError otherwise.
func (p *Process) Wait() error {
	p.t.Helper()
	p.expectExit = true
	p.await()
	return p.err
}

// Finish tells the child that no line will follow, waits for it and fails the test if it failed.
func (p *Process) Finish() {
	p.t.Helper()
	p.in.Close()
	if err := p.Wait(); err != nil {
		p.t.Fatalf("ipctest: child %s: %v%s", p.name, err, p.errors())
	}
}

// Stderr returns what the child has written to its standard error so far.
func (p *Process) Stderr() string { return p.stderr.String() }

// await waits for the end, and fails the test if it does not come.
func (p *Process) await() {
	p.t.Helper()
	select {
	case <-p.done:
	case <-time.After(patience):
		p.t.Fatalf("ipctest: child %s did not end in %v%s", p.name, patience, p.errors())
	}
}

func (p *Process) state() string {
	if p.err != nil {
		return p.err.Error()
	}
	return "exit status 0"
}

// errors returns the child's standard error for a message of the test.
func (p *Process) errors() string {
	if s := strings.TrimSpace(p.stderr.String()); s != "" {
		p.shown = true
		return "\nits standard error:\n" + s
	}
	return ""
}

func (p *Process) cleanup() {
	p.cmd.Process.Kill()
	// Make room for whatever the child still says, so that the reader sees the end.
	for range p.lines {
	}
	<-p.done
	p.in.Close()
	if p.err != nil && !p.expectExit && !p.killed() {
		p.t.Errorf("ipctest: child %s ended by itself: %v%s", p.name, p.err, p.errors())
	}
	if p.t.Failed() && !p.shown && p.stderr.String() != "" {
		p.t.Logf("ipctest: child %s%s", p.name, p.errors())
	}
}

// spawnOptions describe a copy of the test binary.
type spawnOptions struct {
	Options
	role          string
	args          []string
	stdin, stdout *os.File
	stderr        io.Writer
}

// errUnsupported is a feature that is missing here, which a test is skipped for.
type errUnsupported string

func (e errUnsupported) Error() string { return string(e) }

// skipUnsupported skips the test if err says that something is missing.
func skipUnsupported(t testing.TB, err error) {
	t.Helper()
	if e, ok := err.(errUnsupported); ok {
		t.Skip("ipctest: " + string(e))
	}
}

// lockedBuffer is a bytes.Buffer that os/exec fills while a test reads it.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}
