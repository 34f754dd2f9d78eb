package main

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/sysvipc/sysvipc/cluster"
)

// waits waits until so many wait for a slot of a lock.
func waits(t *testing.T, url, name string, want int) {
	t.Helper()
	conn, err := cluster.Connect(t.Context(), url, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	set, err := conn.OpenSemaphores(t.Context(), "run/"+name)
	if err != nil {
		t.Fatal(err)
	}
	defer set.Close(t.Context())
	for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		if n, _, err := set.At(0).Waiters(t.Context()); err != nil {
			t.Fatal(err)
		} else if n == want {
			return
		}
	}
	t.Fatalf("there are not %d who wait", want)
}

// Who waits for a slot ends by each signal at once, says by its exit code which it was, and
// is then in nobody's way: the next has the slot as soon as it is free.
func TestRunEndsWhileItWaits(t *testing.T) {
	t.Parallel()
	url, held := nats(t), filepath.Join(t.TempDir(), "held")
	on := []string{"run", "--cluster", url, "--name", "a"}
	holder := start(t, append(on, "sh", "-c", `echo yes > "$0"; exec sleep 60`, held)...)
	appears(t, held)
	signals := []syscall.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT}
	var all []*process
	for range signals {
		all = append(all, start(t, append(on, "true")...))
	}
	waits(t, url, "a", len(signals))
	for i, s := range signals {
		all[i].Process.Signal(s)
	}
	for i, s := range signals {
		all[i].code(t, 128+int(s))
		if text := all[i].err.String(); text != "" {
			t.Errorf("it says %q", text)
		}
	}
	waits(t, url, "a", 0)
	holder.Process.Signal(syscall.SIGTERM)
	holder.code(t, 128+15)
	run(t, 0, append(on, "--nowait", "true")...)
}

// Signals go on to the command, which can make of them what it likes, and what was ignored
// (nohup) is ignored by both.
func TestRunHandsSignalsOn(t *testing.T) {
	t.Parallel()
	url, dir := nats(t), t.TempDir()
	ready, hung := filepath.Join(dir, "ready"), filepath.Join(dir, "hung")
	p := command(t, "run", "--cluster", url, "--name", "a", "sh", "-c",
		`trap 'echo hung > "$1"; exit 7' HUP; trap "exit 9" INT; echo yes > "$0"; while :; do sleep 0.01; done`, ready, hung)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	p.Path, p.Args = "/bin/sh", append([]string{"sh", "-c", `trap "" HUP; exec "$0" "$@"`, self}, p.Args[1:]...)
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Process.Kill(); p.Wait() })
	appears(t, ready)
	p.Process.Signal(syscall.SIGHUP)
	p.Process.Signal(syscall.SIGINT)
	p.code(t, 9)
	if _, err := os.Stat(hung); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("SIGHUP, which was ignored, came to the command: %v", err)
	}
}

// Ctrl-C at a terminal reaches the command once: for many, two mean something else.
func TestRunAtATerminal(t *testing.T) {
	t.Parallel()
	master, slave := newTerminal(t)
	p := command(t, "run", "--cluster", nats(t), "--name", "a", "sh", "-c",
		`n=0; trap 'n=$((n+1))' INT; echo ready; while [ $n = 0 ]; do sleep 0.01; done; for i in 1 2 3 4 5 6 7 8 9 10; do sleep 0.01; done; exit $n`)
	p.Stdin, p.Stdout, p.Stderr = slave, slave, slave
	p.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Process.Kill(); p.Wait() })
	slave.Close()
	var text strings.Builder
	for b := make([]byte, 64); !strings.Contains(text.String(), "ready"); {
		n, err := master.Read(b)
		if err != nil {
			t.Fatal(err, text.String())
		}
		text.Write(b[:n])
	}
	if _, err := master.WriteString("\x03"); err != nil {
		t.Fatal(err)
	}
	p.code(t, 1)
}

// newTerminal makes a pseudoterminal.
func newTerminal(t *testing.T) (master, slave *os.File) {
	t.Helper()
	fd, err := unix.Open("/dev/ptmx", unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Skip("no pseudoterminals:", err)
	}
	master = os.NewFile(uintptr(fd), "ptmx")
	t.Cleanup(func() { master.Close() })
	if err := unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	peer, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), unix.TIOCGPTPEER, unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC)
	if errno != 0 {
		t.Fatal(errno)
	}
	return master, os.NewFile(peer, "pts")
}
