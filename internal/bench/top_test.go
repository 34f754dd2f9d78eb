//go:build linux && (amd64 || arm64)

package bench

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/sysvipc/sysvipc"
)

// BenchmarkTop is what "sysvipc top" at one frame a second uses of one processor from its start on, with 32,000
// semaphore sets, 4,000 segments and 8,000 queues on the machine:
//
//	go test -run '^$' -bench Top -benchtime 1x ./internal/bench
func BenchmarkTop(b *testing.B) {
	command := filepath.Join(b.TempDir(), "sysvipc")
	if out, err := exec.Command("go", "build", "-buildvcs=false", "-o", command, "../../cmd/sysvipc").CombinedOutput(); err != nil {
		b.Fatalf("go build: %v\n%s", err, out)
	}
	for range 31900 {
		set := must(sysvipc.CreateSemaphores(sysvipc.Private, 0o600, 0))
		b.Cleanup(func() { check(set.Remove()) })
	}
	for range 4000 {
		seg := must(sysvipc.CreateSegment(sysvipc.Private, 4096, 0o600))
		b.Cleanup(func() { check(seg.Remove()) })
	}
	for range 8000 {
		q := must(sysvipc.CreateQueue(sysvipc.Private, 0o600))
		b.Cleanup(func() { check(q.Remove()) })
	}
	for range b.N {
		const length = 36 * time.Second
		ours, theirs := openTerminal(b, 200, 50)
		go func() { // reads what is drawn
			buf := make([]byte, 64<<10)
			for {
				if _, err := ours.Read(buf); err != nil {
					return
				}
			}
		}()
		cmd := exec.Command(command, "top")
		cmd.Env = append(os.Environ(), "TERM=xterm-256color")
		cmd.Stdin, cmd.Stdout, cmd.Stderr = theirs, theirs, theirs
		cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
		check(cmd.Start())
		time.Sleep(length)
		used := processorTime(cmd.Process.Pid)
		must(ours.WriteString("q"))
		check(cmd.Wait())
		b.ReportMetric(100*used.Seconds()/length.Seconds(), "%core")
		b.ReportMetric(float64(cmd.ProcessState.SysUsage().(*syscall.Rusage).Maxrss)/1024, "MiB")
		b.ReportMetric(0, "ns/op")
		theirs.Close()
		ours.Close()
	}
}

// processorTime is what a process has used so far, from proc_pid_stat(5): fields 14 and 15, in hundredths of a second.
func processorTime(pid int) time.Duration {
	text := string(must(os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")))
	fields := strings.Fields(text[strings.LastIndexByte(text, ')')+1:])
	return time.Duration(must(strconv.Atoi(fields[11]))+must(strconv.Atoi(fields[12]))) * 10 * time.Millisecond
}

// openTerminal makes a pseudo-terminal of this size.
func openTerminal(b *testing.B, width, height uint16) (ours, theirs *os.File) {
	ours = must(os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0))
	n := must(unix.IoctlGetInt(int(ours.Fd()), unix.TIOCGPTN))
	check(unix.IoctlSetPointerInt(int(ours.Fd()), unix.TIOCSPTLCK, 0))
	check(unix.IoctlSetWinsize(int(ours.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Row: height, Col: width}))
	theirs = must(os.OpenFile("/dev/pts/"+strconv.Itoa(n), os.O_RDWR|unix.O_NOCTTY, 0))
	return ours, theirs
}
