package run

import (
	"fmt"
	"os"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/sysvipc/sysvipc/internal/ipctest"
)

func TestMain(m *testing.M) { ipctest.Main(m) }

// leaderless ends its first thread, and goes on in another one.
var leaderless = ipctest.Register("leaderless", func(c *ipctest.ChildEnv) {
	for range 100 {
		go func() {
			runtime.LockOSThread()
			if unix.Gettid() == os.Getpid() {
				unix.Syscall(unix.SYS_EXIT, 0, 0, 0)
			}
			select {}
		}()
	}
	runtime.LockOSThread() // in the first thread, or beside it
	if unix.Gettid() == os.Getpid() {
		go func() {
			c.Say("goes on")
			c.Listen()
		}()
		unix.Syscall(unix.SYS_EXIT, 0, 0, 0)
	}
	c.Say("goes on")
	c.Listen()
})

// A process whose first thread has ended lives: so it looks while it becomes a command.
func TestReadProcess(t *testing.T) {
	p := ipctest.Start(t, leaderless, nil)
	p.Expect("goes on")
	for !strings.Contains(statOf(t, p.PID), ") Z ") { // the kernel wakes nobody when a thread has ended
		runtime.Gosched()
	}
	if _, ok := readProcess(p.PID); !ok {
		t.Error("a process without its first thread counts as ended")
	}
	p.Kill()
	if _, ok := readProcess(p.PID); ok {
		t.Error("a killed process counts as alive")
	}
}

func statOf(t *testing.T, pid int) string {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
