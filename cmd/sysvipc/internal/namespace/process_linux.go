package namespace

import (
	"io/fs"
	"os"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// missing says which capabilities this process lacks to look at and enter other namespaces.
func missing() string {
	var lacks []string
	mask := capabilities()
	for _, c := range []struct {
		bit  int
		name string
	}{{unix.CAP_SYS_ADMIN, "CAP_SYS_ADMIN"}, {unix.CAP_SYS_PTRACE, "CAP_SYS_PTRACE"}} {
		if mask&(1<<c.bit) == 0 {
			lacks = append(lacks, c.name)
		}
	}
	if len(lacks) == 0 {
		return "a sandbox (seccomp) forbids setns(2), or the namespace belongs to another user namespace: try it outside of the container"
	}
	return "it needs " + strings.Join(lacks, " and ") + ": run it as root, outside of containers"
}

// capabilities are the effective ones, by capabilities(7).
func capabilities() (mask uint64) {
	text, _ := os.ReadFile("/proc/self/status")
	_, after, _ := strings.Cut(string(text), "\nCapEff:")
	line, _, _ := strings.Cut(after, "\n")
	mask, _ = strconv.ParseUint(strings.TrimSpace(line), 16, 64)
	return mask
}

func inodeOf(info fs.FileInfo) uint64 {
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return 0
	}
	return st.Ino
}

func becomeInput(f *os.File) error { return unix.Dup3(int(f.Fd()), 0, 0) }

// endsWithUs has the kernel end a child when the thread that started it ends.
func endsWithUs() *syscall.SysProcAttr { return &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM} }
