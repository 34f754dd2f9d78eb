package main

import (
	"bytes"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/sysvipc/sysvipc"
	"github.com/sysvipc/sysvipc/internal/cli/ref"
	"github.com/sysvipc/sysvipc/internal/ipctest"
)

// topRun is "sysvipc top" on a terminal.
type topRun struct {
	*exec.Cmd
	t      *testing.T
	tty    *os.File // our side
	theirs *os.File
	before unix.Termios
	*screen
	drawn chan struct{}
}

func startTop(t *testing.T, width, height int, args ...string) *topRun {
	t.Helper()
	ours, theirs, err := openTerminal()
	if err != nil {
		t.Fatal(err)
	}
	r := &topRun{Cmd: command(t, append([]string{"top", "--interval", "100ms"}, args...)...), t: t, tty: ours, theirs: theirs}
	r.screen, r.drawn = newScreen(width, height), make(chan struct{}, 1)
	r.size(width, height)
	state, err := unix.IoctlGetTermios(int(theirs.Fd()), unix.TCGETS)
	if err != nil {
		t.Fatal(err)
	}
	r.before = *state
	r.Stdin, r.Stdout, r.Stderr = theirs, theirs, theirs
	r.Env = append(os.Environ(), "TERM=vt100", "LANG=C.UTF-8", "NO_COLOR=")
	r.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true, Pdeathsig: syscall.SIGKILL}
	if err := r.Start(); err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		buf := make([]byte, 64<<10)
		for {
			n, err := ours.Read(buf)
			r.screen.Write(buf[:n])
			select {
			case r.drawn <- struct{}{}:
			default:
			}
			if err != nil {
				return
			}
		}
	}()
	t.Cleanup(func() {
		if r.ProcessState == nil {
			r.Process.Kill()
			r.Wait()
		}
		theirs.Close()
		<-done
		ours.Close()
	})
	return r
}

func (r *topRun) size(width, height int) {
	r.t.Helper()
	if err := unix.IoctlSetWinsize(int(r.tty.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Row: uint16(height), Col: uint16(width)}); err != nil {
		r.t.Fatal(err)
	}
}

// shows waits until the screen shows all of some words.
func (r *topRun) shows(words ...string) {
	r.t.Helper()
	r.until("the screen shows "+strings.Join(words, ", "), func(text string) bool {
		for _, w := range words {
			if !strings.Contains(text, w) {
				return false
			}
		}
		return true
	})
}

func (r *topRun) until(what string, ok func(text string) bool) {
	r.t.Helper()
	end := time.After(time.Minute)
	for !ok(r.text()) {
		select {
		case <-r.drawn:
		case <-end:
			r.t.Fatalf("never: %s; modes %v, not understood %q, the screen is\n%s", what, r.modes, r.reason, r.text())
		}
	}
}

func (r *topRun) press(keys string) {
	r.t.Helper()
	if _, err := io.WriteString(r.tty, keys); err != nil {
		r.t.Fatal(err)
	}
}

// ends waits for the end, and checks that the terminal is as it was.
func (r *topRun) ends(code int) {
	r.t.Helper()
	err := r.Wait()
	if got := shellCode(r.ProcessState); got != code {
		r.t.Errorf("got exit code %d (%v), want %d; the screen is\n%s", got, err, code, r.text())
	}
	r.until("the terminal leaves the other screen, the mouse, and shows the cursor", func(string) bool {
		alt, told := r.mode("1049")
		mouse, _ := r.mode("1002")
		cursor, _ := r.mode("25")
		return told && !alt && !mouse && cursor
	})
	if r.reason != "" {
		r.t.Errorf("the test's screen does not understand %q", r.reason)
	}
	state, err := unix.IoctlGetTermios(int(r.theirs.Fd()), unix.TCGETS)
	if err != nil {
		r.t.Fatal(err)
	}
	if diff := cmp.Diff(r.before, *state); diff != "" {
		r.t.Errorf("the terminal is another one afterwards (-before +after):\n%s", diff)
	}
}

func topObjects(t *testing.T) (*sysvipc.Segment, *sysvipc.SemaphoreSet, *sysvipc.Queue) {
	t.Helper()
	seg, err := sysvipc.CreateSegment(sysvipc.Key(ipctest.Key(t)), 5000, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	set, err := sysvipc.CreateSemaphores(sysvipc.Key(ipctest.Key(t)), 0o600, 7, 0)
	if err != nil {
		t.Fatal(err)
	}
	q, err := sysvipc.CreateQueue(sysvipc.Key(ipctest.Key(t)), 0o600)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { seg.Remove(); set.Remove(); q.Remove() })
	return seg, set, q
}

// Keys, the mouse and a resize do what help says; q restores the terminal.
func TestTopKeys(t *testing.T) {
	t.Parallel()
	seg, set, q := topObjects(t)
	mem, err := seg.Attach(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer mem.Close()
	if _, err := mem.WriteAt([]byte("written by a test"), 64); err != nil {
		t.Fatal(err)
	}
	if err := q.Send(t.Context(), 42, []byte("a message \x1b[2J of a test")); err != nil {
		t.Fatal(err)
	}
	r := startTop(t, 80, 24, "--filter", "ref="+ref.Name(sysvipc.KindQueue, q.ID())+" || ref="+ref.Name(sysvipc.KindSegment, seg.ID())+" || ref="+ref.Name(sysvipc.KindSemaphores, set.ID()))
	shm, sem, msg := ref.Name(sysvipc.KindSegment, seg.ID()), ref.Name(sysvipc.KindSemaphores, set.ID()), ref.Name(sysvipc.KindQueue, q.ID())
	r.shows("▸ "+shm, sem, msg, "read-only", "1 att", "1 msg")
	r.press("\r")
	r.shows("EVIDENCE", "attached", "/maps has")
	r.press("\t")
	if os.Geteuid() == 0 {
		r.shows("|written by a tes|", "through")
	} else {
		r.shows(" bytes ")
	}
	r.press("j")
	r.shows("▸ "+sem, "#0 7", "#1 0")
	r.press("j")
	r.shows("▸ "+msg, "type         42", `a message \x1b[2J of a test`)
	if err := q.Send(t.Context(), 43, []byte("another")); err != nil {
		t.Fatal(err)
	}
	r.shows("type         43", "2 msg", "another")
	r.press("\t")
	r.shows("rule", "why", "capacity")
	r.press("\t")
	r.shows("messages 2", "1 to 2 in the last")
	r.press("e")
	r.shows("changed", "messages 1→2")
	r.press("w")
	r.until("the waits", func(text string) bool { return strings.Contains(text, "wait") && !strings.Contains(text, "1→2") })
	r.press("1/")
	r.shows("filter:")
	r.press(" &&&\r")
	r.shows("expected a column")
	r.press("\x15messages=2 && ref=" + msg + "\r")
	r.until("only the queue", func(text string) bool { return strings.Contains(text, msg) && !strings.Contains(text, sem+" ") })
	r.press("?")
	r.shows("choose an object", "graph of waits")
	r.press("q")
	r.ends(0)
}

func TestTopMouseAndResize(t *testing.T) {
	t.Parallel()
	seg, set, _ := topObjects(t)
	r := startTop(t, 80, 24, "--filter", "ref="+ref.Name(sysvipc.KindSegment, seg.ID())+" || ref="+ref.Name(sysvipc.KindSemaphores, set.ID()))
	sem := ref.Name(sysvipc.KindSemaphores, set.ID())
	r.shows("▸ "+ref.Name(sysvipc.KindSegment, seg.ID()), sem)
	row := 0
	for i, l := range strings.Split(r.text(), "\n") {
		if strings.Contains(l, sem+" ") {
			row = i + 1
		}
	}
	press := "\x1b[<0;5;" + itoa(row) + "M\x1b[<0;5;" + itoa(row) + "m"
	r.press(press)
	r.shows("▸ " + sem)
	r.press(press)
	r.shows("EVIDENCE")
	r.screen.resize(140, 40)
	r.size(140, 40)
	r.shows("MODE", "USERS", "EVIDENCE")
	r.screen.resize(40, 12)
	r.size(40, 12)
	r.until("a small frame", func(text string) bool { return strings.Contains(text, sem) && !strings.Contains(text, "USERS") })
	r.press("\x03")
	r.ends(0)
}

func itoa(n int) string {
	return string(bytes.TrimLeft([]byte{byte('0' + n/10), byte('0' + n%10)}, "0"))
}

// It is read-only until u is pressed; then it removes what rm would remove, after a question, and nothing else.
func TestTopRemoves(t *testing.T) {
	t.Parallel()
	seg, _, q := topObjects(t)
	if err := q.Send(t.Context(), 1, []byte("data")); err != nil {
		t.Fatal(err)
	}
	r := startTop(t, 100, 30, "--filter", "ref="+ref.Name(sysvipc.KindSegment, seg.ID())+" || ref="+ref.Name(sysvipc.KindQueue, q.ID()))
	shm, msg := ref.Name(sysvipc.KindSegment, seg.ID()), ref.Name(sysvipc.KindQueue, q.ID())
	r.shows("▸ "+shm, msg)
	r.press("d")
	r.shows("read-only: u unlocks")
	r.press("u")
	r.shows("UNLOCKED")
	r.press("d")
	r.shows("Remove "+shm+"?", "y removes it")
	r.press("n")
	r.until("the question is gone", func(text string) bool { return !strings.Contains(text, "Remove ") })
	if _, err := seg.Stat(); err != nil {
		t.Fatalf("n removed it: %v", err)
	}
	r.press("jd")
	r.shows("Remove "+msg+"?", "It is kept: it holds 1 message, 4 bytes")
	r.press("y")
	r.until("the refusal is gone", func(text string) bool { return !strings.Contains(text, "Remove ") })
	if _, err := q.Stat(); err != nil {
		t.Fatalf("it removed a queue with a message: %v", err)
	}
	r.press("kd")
	r.shows("Remove "+shm+"?", "y removes it")
	r.press("y")
	r.shows("removed " + shm)
	if _, err := seg.Stat(); err == nil {
		t.Error("y did not remove it")
	}
	r.press("q")
	r.ends(0)
}

// A signal ends it as it ends other verbs, and the terminal is restored before.
func TestTopIsKilled(t *testing.T) {
	t.Parallel()
	for _, sig := range []syscall.Signal{syscall.SIGTERM, syscall.SIGHUP, syscall.SIGINT} {
		t.Run(sig.String(), func(t *testing.T) {
			t.Parallel()
			r := startTop(t, 80, 24)
			r.shows("sysvipc top", "OBJECT")
			if err := r.Process.Signal(sig); err != nil {
				t.Fatal(err)
			}
			r.ends(128 + int(sig))
		})
	}
}

// Looking changes nothing.
func TestTopChangesNothing(t *testing.T) {
	t.Parallel()
	if !ipctest.Alone(t) {
		return
	}
	seg, set, q := topObjects(t)
	mem, err := seg.Attach(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer mem.Close()
	// Who may not look at the segment itself reads holes of it into being.
	if _, err := mem.WriteAt(make([]byte, 5000), 0); err != nil {
		t.Fatal(err)
	}
	if err := q.Send(t.Context(), 42, []byte("a message")); err != nil {
		t.Fatal(err)
	}
	all := func() (text string) {
		for _, name := range []string{"shm", "sem", "msg"} {
			data, err := os.ReadFile("/proc/sysvipc/" + name)
			if err != nil {
				t.Fatal(err)
			}
			text += string(data)
		}
		return text
	}
	before := all()
	for _, id := range []string{ref.Name(sysvipc.KindSegment, seg.ID()), ref.Name(sysvipc.KindSemaphores, set.ID()), ref.Name(sysvipc.KindQueue, q.ID())} {
		r := startTop(t, 120, 40, id, "--show", "inside")
		r.shows(id)
		for _, key := range []string{"\t", "\t", "\t", "w", "e", "1", "s", "j", "k"} {
			r.press(key)
		}
		r.press("?")
		r.shows("choose an object")
		r.press("q")
		r.ends(0)
		if out, err := command(t, "top", "--once", id, "--show", "inside").CombinedOutput(); err != nil {
			t.Errorf("%v\n%s", err, out)
		}
	}
	if diff := cmp.Diff(before, all()); diff != "" {
		t.Errorf("looking changed (-before +after):\n%s", diff)
	}
}
