package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/sysvipc/sysvipc/internal/ipctest"
)

// kin is a command that starts a child, one that ignores SIGTERM, one in a session of its own,
// and one that became a daemon. Each writes its PID to a file in the directory.
const kin = `cd "$1"
sh -c 'echo $$ > child; exec sleep 600' &
sh -c 'trap "" TERM; echo $$ > deaf; while :; do sleep 600; done' &
setsid sh -c 'echo $$ > session; exec sleep 600' &
(setsid sh -c 'trap "" TERM HUP; echo $$ > daemon; exec sleep 600 < /dev/null > /dev/null 2>&1' &)
echo $$ > command
wait
`

// What a command started ends with the lease, and with the death of run and of its helper,
// wherever it hides.
func TestRunEndsTheWholeTree(t *testing.T) {
	t.Parallel()
	url := nats(t)
	for name, end := range map[string]func(run, reaper int){
		"lease lost":    func(run, _ int) { syscall.Kill(run, syscall.SIGSTOP) },
		"run killed":    func(run, _ int) { syscall.Kill(run, syscall.SIGKILL) },
		"reaper killed": func(_, reaper int) { syscall.Kill(reaper, syscall.SIGKILL) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if name == "lease lost" {
				ipctest.Halts(t)
			}
			dir := t.TempDir()
			on := []string{"run", "--cluster", url, "--name", name, "--lease", "4s", "--grace", "0.2"}
			p := start(t, append(on, "sh", "-c", kin, "sh", dir)...)
			pids := map[string]string{}
			for _, who := range []string{"command", "child", "deaf", "session", "daemon"} {
				pids[who] = appears(t, filepath.Join(dir, who))
			}
			reaper := 0
			for pid, stat := range processes() {
				if stat.parent == p.Process.Pid {
					reaper = pid
				}
			}
			if reaper == 0 {
				t.Fatal("there is no reaper")
			}
			end(p.Process.Pid, reaper)
			if name == "lease lost" { // which it finds when it goes on
				run(t, 0, append(on, "true")...)
				p.Process.Signal(syscall.SIGCONT)
			}
			if name == "run killed" {
				p.Wait()
			} else {
				p.code(t, 125)
			}
			for who, pid := range pids {
				gone(t, pid)
				if t.Failed() {
					t.Fatalf("it is the %s", who)
				}
			}
		})
	}
}

// What a command leaves running when it ends by itself is its own affair, and its exit code is
// known at once.
func TestRunLeavesDaemonsAlone(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	p := run(t, 3, "run", "--cluster", nats(t), "--name", "a", "sh", "-c",
		`setsid sh -c 'echo $$ > "$0"; exec sleep 600' "$1" < /dev/null > /dev/null 2>&1 & while [ ! -s "$1" ]; do sleep 0.01; done; exit 3`, "sh", filepath.Join(dir, "daemon"))
	pid, err := strconv.Atoi(appears(t, filepath.Join(dir, "daemon")))
	if err != nil {
		t.Fatal(err)
	}
	defer syscall.Kill(pid, syscall.SIGKILL)
	if text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid)); err != nil || strings.Contains(string(text), ") Z ") {
		t.Errorf("the daemon is gone: %v\n%s", err, &p.err)
	}
}
