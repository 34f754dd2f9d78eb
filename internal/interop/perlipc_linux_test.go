package interop

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/sysvipc/sysvipc"
	"github.com/sysvipc/sysvipc/internal/ipctest"
)

// The programs of perlipc(1), section "SysV IPC", in their order.
const (
	pageMemory = iota
	pageSet
	pageTake
	pageGive
	pageQueue
	pagePrograms
)

// page returns the programs as the manual page that is installed prints them, or nil.
var page = sync.OnceValues(func() ([]string, error) {
	path, err := exec.Command(perl(), "-e", `print grep -e, map "$_/pod/perlipc.pod", @INC`).Output()
	if err != nil || len(path) == 0 {
		return nil, err
	}
	pod, err := os.ReadFile(string(path))
	if err != nil {
		return nil, err
	}
	_, section, _ := strings.Cut(string(pod), "\n=head1 SysV IPC\n")
	section, _, _ = strings.Cut(section, "\n=head1 ")
	var programs []string
	inside := false
	for line := range strings.Lines(section) {
		switch {
		case strings.TrimSpace(line) == "":
		case line[0] != ' ' && line[0] != '\t':
			inside = false
			continue
		case !inside:
			programs = append(programs, "")
			inside = true
		}
		if inside {
			programs[len(programs)-1] += line
		}
	}
	if len(programs) != pagePrograms {
		return nil, fmt.Errorf("%s has %d programs in its section SysV IPC, want %d", path, len(programs), pagePrograms)
	}
	return programs, nil
})

// runPage starts a program of the page, verbatim, that stops before each call: see testdata/Step.pm.
func runPage(t *testing.T, which int) *ipctest.Process {
	t.Helper()
	if perl() == "" {
		missing(t, "perl with IPC::SysV", "perl")
	}
	programs, err := page()
	if err != nil {
		t.Fatal(err)
	}
	if programs == nil {
		missing(t, "the manual page perlipc", "perl-doc")
	}
	path := filepath.Join(t.TempDir(), "program.pl")
	if err := os.WriteFile(path, []byte(programs[which]), 0o600); err != nil {
		t.Fatal(err)
	}
	return ipctest.Start(t, program, nil, perl(), "-Itestdata", "-MStep", path)
}

func TestManualPageMemory(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ text, judgement string }{{"Message #1", "swell"}, {"Message #2 of Go", "unswell"}} {
		p := runPage(t, pageMemory)
		var id int
		scan(t, p.Line(), "shm key %d", &id)
		ipctest.RemoveLater(t, ipctest.Shm, id)
		p.Expect(fmt.Sprint("at shmwrite ", id))
		seg := sysvipc.SegmentByID(id)
		st, err := seg.Stat()
		fatal(t, err)
		equal(t, "size", st.Size, 2000)
		equal(t, "mode", st.Mode, 0o600)
		p.Tell("go on")
		p.Expect("wrote: 'Message #1'")

		p.Expect(fmt.Sprint("at shmread ", id))
		mem, err := seg.Attach(nil)
		fatal(t, err)
		defer mem.Close()
		got := make([]byte, 60)
		_, err = mem.ReadAt(got, 0)
		fatal(t, err)
		equal(t, "text", text(got), padded("Message #1", 60))
		_, err = mem.WriteAt([]byte(test.text), 0)
		fatal(t, err)
		p.Tell("go on")
		p.Expect("read : '" + string(padded(test.text, 60)) + "'")
		p.Expect(test.judgement)

		p.Expect(fmt.Sprint("deleting shm ", id))
		p.Expect(fmt.Sprint("at shmctl ", id))
		p.Tell("go on")
		p.Finish()
		st, err = seg.Stat()
		fatal(t, err)
		equal(t, "removed, and kept by this attach", st.Destroyed, true)
	}
}

// Its key is always 1234.
func TestManualPageSemaphores(t *testing.T) {
	t.Parallel()
	if !ipctest.Alone(t) {
		return
	}
	p := runPage(t, pageSet)
	p.Expect("sem id 0")
	p.Finish()
	set, err := sysvipc.OpenSemaphores(1234)
	fatal(t, err)
	defer set.Remove()
	values, err := set.Values()
	fatal(t, err)
	equal(t, "values", fmt.Sprint(values), "[0 0 0 0 0 0 0 0 0 0]")
	take := []sysvipc.Op{sysvipc.WaitZero(0), sysvipc.Add(0, +1)}

	fatal(t, set.Do(t.Context(), take...))
	p = runPage(t, pageTake)
	p.Expect("at semop 0")
	p.Tell("take")
	ipctest.WaitBlocked(t, p.PID, 1)
	_, zero, err := set.At(0).Waiters()
	fatal(t, err)
	equal(t, "takers that wait", zero, 1)
	fatal(t, set.Do(t.Context(), sysvipc.Add(0, -1)))
	p.Finish()

	result := make(chan error)
	go func() { result <- set.Do(t.Context(), take...) }()
	ipctest.WaitBlocked(t, 0, 1)
	p = runPage(t, pageGive)
	p.Expect("at semop 0")
	p.Tell("give")
	p.Finish()
	fatal(t, <-result)
	value, err := set.At(0).Value()
	fatal(t, err)
	equal(t, "taken by Go", value, 1)

	p = runPage(t, pageTake)
	p.Expect("at semop 0")
	p.Tell("take")
	ipctest.WaitBlocked(t, p.PID, 1)
	fatal(t, set.Remove())
	if p.Wait() == nil || !strings.HasPrefix(p.Stderr(), "semop: "+sentence(syscall.EIDRM)) {
		t.Errorf("got the error %q after the removal, want %q", p.Stderr(), sentence(syscall.EIDRM))
	}
}

// sentence is errno as strerror(3) writes it.
func sentence(errno syscall.Errno) string {
	s := errno.Error()
	return strings.ToUpper(s[:1]) + s[1:]
}

func TestManualPageQueue(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ text, judgement string }{{"message", "okay"}, {"mess\x00age", "not okay"}} {
		p := runPage(t, pageQueue)
		var id int
		scan(t, p.Line(), "at msgsnd %d", &id)
		ipctest.RemoveLater(t, ipctest.Msg, id)
		q := sysvipc.QueueByID(id)
		p.Tell("go on")
		p.Expect(fmt.Sprint("at msgrcv ", id))
		m, err := q.Receive(t.Context(), sysvipc.OfType(1234))
		fatal(t, err)
		equal(t, "message", string(m.Data), "message")
		fatal(t, q.Send(t.Context(), 1, []byte(test.text)))
		p.Tell("go on")
		p.Expect(test.judgement)
		p.Expect(fmt.Sprint("at msgctl ", id))
		p.Tell("go on")
		p.Finish()
		if _, err := q.Stat(); err == nil {
			t.Error("the queue is still there")
		}
	}
}

func scan(t *testing.T, line, format string, id *int) {
	t.Helper()
	if _, err := fmt.Sscanf(line, format, id); err != nil {
		t.Fatalf("got %q, want %q: %v", line, format, err)
	}
}

func fatal(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
