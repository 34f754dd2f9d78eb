package interop

import (
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/sysvipc/sysvipc"
	"github.com/sysvipc/sysvipc/internal/ipctest"
)

// Each language has a driver: a program that reads commands, a line each, does them with the calls of its language, and
// answers each with a line "ok WORD…" or "fail ERRNO". The commands are about the one segment, set and queue that the driver
// made or found last:
//
//	shm make KEY SIZE       shm open KEY    shm use ID    shm remove
//	shm write OFFSET SIZE TEXT    the text, filled up with zeros to size
//	shm read OFFSET SIZE
//	sem make KEY VALUE…     sem open KEY    sem use ID    sem remove
//	sem op OPERATION…             as sysvipc.Op writes them: 0-1:undo, 1=0
//	sem try OPERATION…            the same without waiting
//	sem values    sem set INDEX VALUE    sem waiters INDEX
//	sem count N                   adds 1 to the int in the segment, N times, each under semaphore 0
//	msg make KEY            msg open KEY    msg use ID    msg remove
//	msg send TYPE TEXT [nowait]
//	msg receive TYPE SIZE [nowait] [except] [cut]    answered with the type and the text
//	ftok PROJECT FILE             of each file that FILE has a line for
//
// Texts are hexadecimal, "-" if empty; keys too. The command that makes or finds an object is answered with its ID.
type language struct {
	name  string
	argv  func(t testing.TB) []string // of the driver; nil for Go
	lacks []string                    // what cannot be said in it
}

// What a language may lack.
const (
	useIDs = "IDs"   // to use an object that was found by its ID
	many   = "many"  // more than one semaphore, and operations on several
	flags  = "flags" // MSG_EXCEPT and MSG_NOERROR
	long   = "long"  // to send a type above 1<<31
	large  = "large" // offsets above 1<<31 in a segment
	keeps  = "keeps" // to keep a segment attached
)

// whole is a SIZE for any message: kernel.msgmax of a namespace, unless somebody has changed it.
const whole = 8192

var golang = language{name: "Go"}

var others = []language{
	{name: "C", argv: cArgv},
	// The offset of shmread and shmwrite is an int of 32 bits: 1<<32 + 5 reads and writes, without a word, at 5.
	{name: "Perl", argv: perlArgv("core"), lacks: []string{large, keeps}},
	{name: "PerlModules", argv: perlArgv("modules"), lacks: []string{useIDs, large}},
	// The constructors of sysv_ipc know only keys, a Semaphore is the first of its set, and the type is a C int.
	{name: "Python", argv: pythonArgv, lacks: []string{useIDs, many, flags, long}},
}

var everyone = append([]language{golang}, others...)

func (l language) has(feature string) bool { return !slices.Contains(l.lacks, feature) }

// dirVar names the directory of this run, for what is compiled once.
const dirVar = "SYSVIPC_INTEROP_DIR"

func TestMain(m *testing.M) {
	if os.Getenv(dirVar) != "" { // in a copy of the process that made it
		ipctest.Main(m)
	}
	dir, err := os.MkdirTemp("", "sysvipc-interop-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Setenv(dirVar, dir)
	code := ipctest.Wrap(m).Run()
	os.RemoveAll(dir)
	os.Exit(code)
}

// missing ends a test for which a program is not installed.
func missing(t testing.TB, what, packages string) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatalf("needs %s (apt-get install %s)", what, packages)
	}
	t.Skipf("needs %s (apt-get install %s)", what, packages)
}

func cArgv(t testing.TB) []string {
	path, err := compiled()
	if errors.Is(err, exec.ErrNotFound) {
		missing(t, "a C compiler", "gcc libc6-dev")
	}
	if err != nil {
		t.Fatal(err)
	}
	return []string{path}
}

// compiled returns the C driver. Of the several processes that run tests, the first compiles it.
var compiled = sync.OnceValues(func() (string, error) {
	cc, err := exec.LookPath("cc")
	if err != nil {
		return "", err
	}
	dir, err := os.Open(os.Getenv(dirVar))
	if err != nil {
		return "", err
	}
	defer dir.Close()
	if err := syscall.Flock(int(dir.Fd()), syscall.LOCK_EX); err != nil {
		return "", err
	}
	path := filepath.Join(dir.Name(), "driver")
	if _, err := os.Stat(path); err == nil {
		return path, nil
	}
	output, err := exec.Command(cc, "-Wall", "-Wextra", "-o", path, "testdata/driver.c").CombinedOutput()
	if err != nil || len(output) > 0 {
		return "", fmt.Errorf("cc testdata/driver.c: %v\n%s", err, output)
	}
	return path, nil
})

var perl = sync.OnceValue(func() string {
	return firstThat([]string{"perl"}, "-MIPC::Msg", "-MIPC::Semaphore", "-MIPC::SharedMem", "-e", "1")
})

// python is the distribution's, to which its package of sysv_ipc belongs, rather than the first one on the path.
var python = sync.OnceValue(func() string {
	return firstThat([]string{"/usr/bin/python3", "python3"}, "-c", "import sysv_ipc")
})

// firstThat returns the first of the programs that can do what the arguments say, or "".
func firstThat(programs []string, args ...string) string {
	for _, p := range programs {
		if path, err := exec.LookPath(p); err == nil && exec.Command(path, args...).Run() == nil {
			return path
		}
	}
	return ""
}

func perlArgv(with string) func(t testing.TB) []string {
	return func(t testing.TB) []string {
		if perl() == "" {
			missing(t, "perl with IPC::SysV", "perl")
		}
		return []string{perl(), "testdata/driver.pl", with}
	}
}

func pythonArgv(t testing.TB) []string {
	if python() == "" {
		missing(t, "python3 with sysv_ipc", "python3-sysv-ipc")
	}
	return []string{python(), "testdata/driver.py"}
}

// program turns the copy of the test binary into another program, which so has the pipes and the pid of the copy.
var program = ipctest.Register("program", func(c *ipctest.ChildEnv) {
	c.Check(syscall.Exec(c.Args[0], c.Args, os.Environ()))
})

// peer is a driver that runs.
type peer struct {
	*ipctest.Process
	language
	t      testing.TB
	killed bool
}

func start(t testing.TB, l language) *peer {
	t.Helper()
	if l.argv == nil {
		return &peer{Process: ipctest.Start(t, goDriver, nil), language: l, t: t}
	}
	return &peer{Process: ipctest.Start(t, program, nil, l.argv(t)...), language: l, t: t}
}

func (p *peer) kill() {
	p.t.Helper()
	p.killed = true
	p.Kill()
}

// alive is p, or, if it was killed, another one.
func (p *peer) alive(t testing.TB) *peer {
	if p.killed {
		return start(t, p.language)
	}
	return p
}

// begin tells the driver a command. Verbs of fmt format texts with %s and keys with %v.
func (p *peer) begin(format string, args ...any) {
	p.t.Helper()
	for i, a := range args {
		switch a := a.(type) {
		case []byte:
			args[i] = hexed(string(a))
		case text:
			args[i] = hexed(string(a))
		}
	}
	p.Tell(fmt.Sprintf(format, args...))
}

// block begins a command that has to wait, and returns when it does.
func (p *peer) block(format string, args ...any) {
	p.t.Helper()
	p.begin(format, args...)
	ipctest.WaitBlocked(p.t, p.PID, 1)
}

// end returns the driver's answer to the command that it was told.
func (p *peer) end() string {
	p.t.Helper()
	answer, ok := strings.CutPrefix(p.Line(), "ok")
	if !ok {
		p.t.Fatalf("%s:%v", p.name, answer)
	}
	return strings.TrimPrefix(answer, " ")
}

// fails reads the answer, which has to be one of these errors.
func (p *peer) fails(want ...syscall.Errno) {
	p.t.Helper()
	line := p.Line()
	errno, err := strconv.Atoi(strings.TrimPrefix(line, "fail "))
	if err != nil || !slices.Contains(want, syscall.Errno(errno)) {
		p.t.Fatalf("%s: got %q (%v), want a failure with %v", p.name, line, syscall.Errno(errno), want)
	}
}

// do is begin and end.
func (p *peer) do(format string, args ...any) string {
	p.t.Helper()
	p.begin(format, args...)
	return p.end()
}

// text is bytes for the driver, or from it.
type text string

func (w text) String() string { return hexed(string(w)) }

func hexed(s string) string {
	if s == "" {
		return "-"
	}
	return hex.EncodeToString([]byte(s))
}

// padded is s with zeros up to n bytes, as Perl's shmwrite leaves it.
func padded(s string, n int) text { return text(s + strings.Repeat("\x00", n-len(s))) }

func equal[T comparable](t testing.TB, what string, got, want T) {
	t.Helper()
	if got != want {
		t.Fatalf("%s: got %v, want %v", what, got, want)
	}
}

// key returns a free key, which is removed with all that has it.
func key(t testing.TB) sysvipc.Key { return sysvipc.Key(ipctest.Key(t)) }

// A scenario is played by two processes.
type scenario struct {
	name  string
	needs []string // of both
	play  func(t *testing.T, k sysvipc.Key, maker, user *peer)
}

// play plays each scenario between Go and every other language, with the parts given out both ways.
func play(t *testing.T, scenarios []scenario) {
	t.Parallel()
	for _, other := range others {
		for _, pair := range [][2]language{{golang, other}, {other, golang}} {
			t.Run(pair[0].name+"-"+pair[1].name, func(t *testing.T) {
				t.Parallel()
				maker, user := start(t, pair[0]), start(t, pair[1])
				for _, s := range scenarios {
					if slices.ContainsFunc(s.needs, func(f string) bool { return !other.has(f) }) {
						continue
					}
					ok := t.Run(s.name, func(t *testing.T) {
						maker.t, user.t = t, t
						s.play(t, key(t), maker, user)
					})
					if !ok { // nobody knows what they are doing now
						maker.kill()
						user.kill()
					}
					maker, user = maker.alive(t), user.alive(t)
				}
			})
		}
	}
}
