package ipctest

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// testBinary is how to execute this test binary once more.
type testBinary struct {
	path string
	file *os.File // if it is executed by descriptor
}

// executable returns this test binary. For another user it is an open file: go test builds into a directory that only its
// own user may enter.
func executable(otherUser bool) (testBinary, error) {
	path, err := os.Executable()
	if err != nil || !otherUser {
		return testBinary{path: path}, err
	}
	file, err := os.Open(path)
	if err != nil {
		return testBinary{}, err
	}
	info, err := file.Stat()
	if err == nil && info.Mode()&0o005 != 0o005 {
		// The umask was strict when it was built.
		defer file.Close()
		file, err = copyInMemory(file)
	}
	return testBinary{path: path, file: file}, err
}

// copyInMemory returns a copy of the file that everyone may execute.
func copyInMemory(file *os.File) (*os.File, error) {
	// A child that is forked now would hold the copy open for writing, and what is written to cannot be executed.
	syscall.ForkLock.Lock()
	defer syscall.ForkLock.Unlock()
	fd, err := unix.MemfdCreate("ipctest", unix.MFD_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("memfd_create: %w", err)
	}
	w := os.NewFile(uintptr(fd), "ipctest")
	defer w.Close()
	if _, err := io.Copy(w, file); err != nil {
		return nil, err
	}
	return os.Open(fmt.Sprintf("/proc/self/fd/%d", fd))
}

func (b testBinary) close() {
	if b.file != nil {
		b.file.Close()
	}
}

// command returns a command that runs the binary, through qemu if this process does.
func (b testBinary) command(args []string) *exec.Cmd {
	path := b.path
	if b.file != nil {
		path = "/proc/self/fd/3" // the first of ExtraFiles
	}
	var cmd *exec.Cmd
	if qemu := emulator(); qemu != "" {
		cmd = exec.Command(qemu, append([]string{path}, args...)...)
	} else {
		cmd = exec.Command(path, args...)
		cmd.Args[0] = os.Args[0]
	}
	if b.file != nil {
		cmd.ExtraFiles = []*os.File{b.file}
	}
	return cmd
}

// UnderQEMU reports whether this process runs under qemu-user, which lacks some calls.
func UnderQEMU() bool { return emulator() != "" }

// emulator returns the path of the qemu that runs this process, or "". qemu answers /proc/self/exe with the program that
// it runs, but does not know the way over the thread.
var emulator = sync.OnceValue(func() string {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	exe, err := os.Readlink(fmt.Sprintf("/proc/self/task/%d/exe", unix.Gettid()))
	if err != nil || !strings.HasPrefix(filepath.Base(exe), "qemu-") {
		return ""
	}
	return exe
})
