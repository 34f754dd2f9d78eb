//go:build linux && (amd64 || arm64)

package bench

import (
	"bufio"
	_ "embed"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

//go:embed testdata/twin.c
var twinSource string

// twin is a running C twin.
type twin struct {
	b   *testing.B
	in  io.Writer
	out *bufio.Reader
}

// startTwin compiles and starts the C twin of the kernel's calls.
func startTwin(b *testing.B) *twin { return startC(b, twinSource) }

// startC compiles and starts a C program, which ends with the benchmark. It returns nil
// where there is no C compiler: then there are no figures of C.
func startC(b *testing.B, source string) *twin {
	b.Helper()
	path := filepath.Join(b.TempDir(), "twin")
	cc := exec.Command("cc", "-O2", "-pthread", "-o", path, "-x", "c", "-")
	cc.Stdin = strings.NewReader(source)
	if out, err := cc.CombinedOutput(); err != nil {
		b.Logf("no comparison with C: cc: %v\n%s", err, out)
		return nil
	}
	cmd := exec.Command(path)
	in, out := must(cmd.StdinPipe()), must(cmd.StdoutPipe())
	cmd.Stderr = os.Stderr
	check(cmd.Start())
	b.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
	})
	return &twin{b, in, bufio.NewReader(out)}
}

// tell sends a command.
func (t *twin) tell(format string, args ...any) {
	if _, err := fmt.Fprintf(t.in, format+"\n", args...); err != nil {
		t.b.Fatal(err)
	}
}

// time sends a command and returns how long it took.
func (t *twin) time(format string, args ...any) time.Duration {
	t.tell(format, args...)
	line, err := t.out.ReadString('\n')
	if err != nil {
		t.b.Fatal("the C twin has ended: ", err)
	}
	ns, err := strconv.ParseInt(strings.TrimSpace(line), 10, 64)
	if err != nil {
		t.b.Fatal(err)
	}
	return time.Duration(ns)
}

// floor is the side of a C twin, which makes n calls on a command whose last argument
// is n. There is none without a C compiler.
func (t *twin) floor(format string, args ...any) []*side {
	if t == nil {
		return nil
	}
	return []*side{{name: "C", run: func(n int) time.Duration {
		return t.time(format, append(args, n)...)
	}}}
}
