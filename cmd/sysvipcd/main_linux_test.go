package main

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/sysvipc/sysvipc"
	"github.com/sysvipc/sysvipc/cluster/embedded"
	"github.com/sysvipc/sysvipc/internal/ipctest"
)

// mainVar has the test binary be the command.
const mainVar = "SYSVIPCD_TEST_MAIN"

func TestMain(m *testing.M) {
	if os.Getenv(mainVar) != "" || len(os.Args) > 1 && os.Args[1] == reaperVerb {
		os.Unsetenv(mainVar)
		main()
	}
	ipctest.Main(m)
}

// process is the running command.
type process struct {
	*exec.Cmd
	out, err bytes.Buffer
}

func command(t *testing.T, args ...string) *process {
	t.Helper()
	p := &process{Cmd: exec.Command("/proc/self/exe")}
	p.Args = append([]string{"sysvipcd"}, args...)
	p.Env = append(os.Environ(), mainVar+"=1", "STATE_DIRECTORY="+t.TempDir())
	p.Stdout, p.Stderr = &p.out, &p.err
	return p
}

func start(t *testing.T, args ...string) *process {
	t.Helper()
	p := command(t, args...)
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Process.Kill(); p.Process.Signal(syscall.SIGCONT); p.Wait() })
	return p
}

func (p *process) code(t *testing.T, want int) {
	t.Helper()
	if p.ProcessState == nil {
		p.Wait()
	}
	if got := p.ProcessState.ExitCode(); got != want {
		t.Errorf("%q exits with %d, want %d\n%s%s", p.Args, got, want, &p.out, &p.err)
	}
}

func run(t *testing.T, code int, args ...string) *process {
	t.Helper()
	p := start(t, args...)
	p.code(t, code)
	return p
}

func nats(t *testing.T) string {
	t.Helper()
	s, err := embedded.Start(embedded.Options{Dir: t.TempDir(), Listen: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s.URL()
}

// appears waits for a file with something in it.
func appears(t *testing.T, path string) string {
	t.Helper()
	end := time.Now().Add(time.Minute)
	for time.Now().Before(end) {
		if text, err := os.ReadFile(path); err == nil && strings.HasSuffix(string(text), "\n") {
			return strings.TrimSpace(string(text))
		}
		time.Sleep(5 * time.Millisecond)
	}
	t.Fatalf("%s does not appear", path)
	return ""
}

func TestRunExitCodes(t *testing.T) {
	t.Parallel()
	url := nats(t)
	on := []string{"run", "--cluster", url, "--name", "a"}
	p := run(t, 7, append(on, "--", "sh", "-c", "echo $SYSVIPC_FENCING_TOKEN; exit 7")...)
	if token, err := strconv.ParseUint(strings.TrimSpace(p.out.String()), 10, 64); err != nil || token == 0 {
		t.Errorf("the token is %q, %v", &p.out, err)
	}
	run(t, 128+9, append(on, "sh", "-c", "kill -9 $$")...)
	run(t, 127, append(on, "no-such-command")...)
	run(t, 126, append(on, "/etc/passwd")...)
	run(t, 126, append(on, "/")...)
	run(t, 2, "run", "--name", "a", "true")
	run(t, 2, "run", "--cluster", url, "true")
	run(t, 2, on...)
	run(t, 2, append(on, "--slots", "0", "true")...)
	run(t, 125, append(on, "--slots", "2", "true")...) // it was made with one
	run(t, 125, "run", "--cluster", "nats://127.0.0.1:1", "--name", "a", "true")
	held := filepath.Join(t.TempDir(), "held")
	holder := start(t, append(on, "sh", "-c", `echo yes > "$0"; exec sleep 60`, held)...)
	appears(t, held)
	run(t, 6, append(on, "--nowait", "true")...)
	run(t, 9, append(on, "--timeout", "0.05", "-E", "9", "true")...)
	holder.Process.Signal(syscall.SIGTERM) // goes on to CMD
	holder.code(t, 128+15)
	run(t, 0, append(on, "--nowait", "true")...)
}

// A holder that is stopped beyond its lease finds its command stopped when it goes on, and
// the holder after it has a higher token.
func TestRunLosesItsLease(t *testing.T) {
	t.Parallel()
	ipctest.Halts(t)
	url, dir := nats(t), t.TempDir()
	on := []string{"run", "--cluster", url, "--name", "a", "--lease", "4s", "--grace", "0.2"}
	mine := filepath.Join(dir, "mine")
	// It ignores SIGTERM, so that it has to be killed.
	holder := start(t, append(on, "sh", "-c", `trap "" TERM; echo $SYSVIPC_FENCING_TOKEN $$ > "$0"; while :; do sleep 1; done`, mine)...)
	token, pid, _ := strings.Cut(appears(t, mine), " ")
	holder.Process.Signal(syscall.SIGSTOP)
	next := run(t, 0, append(on, "--timeout", "1m", "sh", "-c", "echo $SYSVIPC_FENCING_TOKEN")...)
	first, _ := strconv.Atoi(token)
	second, _ := strconv.Atoi(strings.TrimSpace(next.out.String()))
	if first == 0 || second <= first {
		t.Errorf("token %d after %d", second, first)
	}
	holder.Process.Signal(syscall.SIGCONT)
	holder.code(t, 125)
	gone(t, pid)
}

// A holder that is killed takes its command along.
func TestRunDiesWithItsCommand(t *testing.T) {
	t.Parallel()
	url, mine := nats(t), filepath.Join(t.TempDir(), "mine")
	holder := start(t, "run", "--cluster", url, "--name", "a", "sh", "-c", `echo $$ > "$0"; exec sleep 60`, mine)
	pid := appears(t, mine)
	holder.Process.Kill()
	holder.Wait()
	gone(t, pid)
}

func gone(t *testing.T, pid string) {
	t.Helper()
	for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		state, err := os.ReadFile("/proc/" + pid + "/stat")
		if err != nil || strings.Contains(string(state), ") Z ") {
			return
		}
	}
	t.Errorf("process %s still runs", pid)
}

func TestBridgeUsage(t *testing.T) {
	t.Parallel()
	good := []string{"bridge", "--queue", "msg:5", "--subject", "s", "--send"}
	good = good[:len(good):len(good)]
	for _, args := range [][]string{
		good,
		append(good, "--recv", "--nats", "nats://x"),
		append(good, "--nats", "nats://x", "dir"),
		append(good, "--nats", "nats://x", "--type", "-1"),
		append(good, "--nats", "nats://x", "--type", "0"),
		append(good, "--nats", "nats://x", "--except", "0"),
		append(good, "--nats", "nats://x", "--max-messages", "-5"),
		append(good, "--nats", "nats://x", "--max-bytes", "0"),
		append(good, "--nats", "nats://x", "--replicas", "-3"),
		append(good, "--nats", "nats://x", "--window", "100ms"),
		append(good, "--nats", "nats://x", "--lease", "10ms"),
		append(good, "--nats", "nats://x", "--sync"),
		{"run", "--cluster", "nats://x", "--name", "a", "--nowait", "--timeout", "1s", "true"},
		{"bridge", "--subject", "s", "--send", "--nats", "nats://x"},
		{"bridge", "--queue", "msg:5", "--send", "--nats", "nats://x"},
		{"bridge", "--queue", "sem:5", "--subject", "s", "--send", "--nats", "nats://x"},
		{"bridge", "--queue", "msg:key=0", "--subject", "s", "--send", "--nats", "nats://x"},
		{"bridge", "--queue", "msg:ftok=x", "--subject", "s", "--send", "--nats", "nats://x"},
		{"bridge", "--queue", "msg:5", "--subject", "s", "--both", "--nats", "nats://x"},
		{"bridge", "--queue", "msg:5", "--subject", "s", "--recv", "--type", "1", "--nats", "nats://x"},
		{"nonsense"},
	} {
		run(t, 2, args...)
	}
}

// free returns an address on which nobody listens, and nobody else will.
func free(t *testing.T) string {
	t.Helper()
	// Connections take their ports at 127.0.0.1: so nobody else comes to have this one.
	l, err := net.Listen("tcp", fmt.Sprintf("127.%d.%d.%d:0", 1+rand.IntN(254), rand.IntN(256), 1+rand.IntN(254)))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// Two machines, one request type, any reply type: what a client and a server do with one
// queue, over two. The second bridge starts before the server is there.
func TestBridgeBothWays(t *testing.T) {
	t.Parallel()
	address := free(t)
	make := func(name string) (*sysvipc.Queue, string) {
		q, err := sysvipc.CreateQueue(sysvipc.KeyOf(name), 0o600)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { q.Remove() })
		return q, "msg:name=" + name
	}
	client, clientRef := make("client")
	server, serverRef := make("server")
	a := start(t, "bridge", "--queue", clientRef, "--subject", "s", "--both", "--type", "1", "--listen", address, "--embedded", t.TempDir())
	b := start(t, "bridge", "--queue", serverRef, "--subject", "s", "--both", "--except", "1", "--nats", "nats://"+address)
	for i := range 20 {
		if err := client.Send(t.Context(), 1, fmt.Append(nil, i)); err != nil {
			t.Fatal(err)
		}
		m, err := server.Receive(t.Context(), sysvipc.OfType(1))
		if err != nil {
			t.Fatal(err)
		}
		if err := server.Send(t.Context(), 77, m.Data); err != nil {
			t.Fatal(err)
		}
		if m, err = client.Receive(t.Context(), sysvipc.OfType(77)); err != nil || string(m.Data) != fmt.Sprint(i) {
			t.Fatalf("got %q, %v; want %d", m.Data, err, i)
		}
	}
	for _, p := range []*process{b, a} {
		p.Process.Signal(syscall.SIGTERM)
		p.code(t, 0)
		if !strings.Contains(p.err.String(), "bridge_sent=20") {
			t.Errorf("it logs no count of 20:\n%s", &p.err)
		}
	}
}
