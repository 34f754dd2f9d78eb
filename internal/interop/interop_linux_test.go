package interop

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"testing"

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
	argv  func() ([]string, error) // of the driver, or an errMissing; nil for Go
	lacks []string                 // what cannot be said in it
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

// whole is a SIZE for any message: kernel.msgmax of a namespace, unless it was changed.
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

// installed are the languages of this machine, for tests that bring all together. CI has every one.
func installed(t testing.TB) (all []language) {
	t.Helper()
	for _, l := range everyone {
		if l.argv != nil {
			_, err := l.argv()
			var missing errMissing
			if errors.As(err, &missing) && os.Getenv("CI") != "true" {
				continue
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		all = append(all, l)
	}
	return all
}

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

// errMissing is a program that is not installed.
type errMissing struct{ what, packages string }

func (e errMissing) Error() string {
	return fmt.Sprintf("needs %s (apt-get install %s)", e.what, e.packages)
}

// missing ends a test for which a program is not installed.
func missing(t testing.TB, what, packages string) {
	t.Helper()
	err := errMissing{what, packages}
	if os.Getenv("CI") == "true" {
		t.Fatal(err)
	}
	t.Skip(err)
}

func cArgv() ([]string, error) {
	if _, err := ipctest.Compiler("cc"); err != nil {
		return nil, errMissing{"a C compiler", "gcc libc6-dev"}
	}
	path, err := compiled()
	return []string{path}, err
}

// compiled returns the C driver. Of the several processes that run tests, the first compiles it.
var compiled = sync.OnceValues(func() (string, error) {
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
	output, err := exec.Command("cc", "-Wall", "-Wextra", "-o", path, "testdata/driver.c").CombinedOutput()
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

func perlArgv(with string) func() ([]string, error) {
	return func() ([]string, error) {
		if perl() == "" {
			return nil, errMissing{"perl with IPC::SysV", "perl"}
		}
		return []string{perl(), "testdata/driver.pl", with}, nil
	}
}

func pythonArgv() ([]string, error) {
	if python() == "" {
		return nil, errMissing{"python3 with sysv_ipc", "python3-sysv-ipc"}
	}
	return []string{python(), "testdata/driver.py"}, nil
}

// program turns the copy of the test binary into another program, which so has the pipes and the pid of the copy.
var program = ipctest.Register("program", func(c *ipctest.ChildEnv) {
	c.Check(syscall.Exec(c.Args[0], c.Args, os.Environ()))
})
