package ipctest

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// WaitBlocked returns when at least n threads of process pid, 0 for this one, are blocked in semop, semtimedop, msgsnd or
// msgrcv.
func WaitBlocked(t testing.TB, pid int, n int) {
	t.Helper()
	poll(t, fmt.Sprintf("%d blocked threads in process %d", n, pid), func() (bool, error) {
		blocked, err := Blocked(pid)
		return blocked >= n, err
	})
}

// Blocked returns how many threads of process pid, 0 for this one, are blocked in such a call now.
func Blocked(pid int) (int, error) {
	dir := "/proc/self/task"
	if pid != 0 {
		dir = fmt.Sprintf("/proc/%d/task", pid)
	}
	tasks, err := os.ReadDir(dir)
	if err != nil {
		return 0, err
	}
	blocked := 0
	for _, task := range tasks {
		text, err := os.ReadFile(filepath.Join(dir, task.Name(), "syscall"))
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ESRCH) {
			continue // this thread has ended
		}
		if err != nil {
			return 0, err
		}
		if isIPCWait(string(text)) {
			blocked++
		}
	}
	return blocked, nil
}

// isIPCWait reports whether a line of /proc/PID/task/TID/syscall, "number argument…" or "running", is of a call that waits.
func isIPCWait(line string) bool {
	fields := strings.Fields(line)
	if len(fields) < 2 {
		return false
	}
	nr, err := strconv.Atoi(fields[0])
	if err != nil {
		return false
	}
	calls := kernelCalls()
	for _, name := range []string{"semop", "semtimedop", "semtimedop_time64", "msgsnd", "msgrcv"} {
		if want, ok := calls[name]; ok && nr == want {
			return true
		}
	}
	if want, ok := calls["ipc"]; ok && nr == want {
		op, err := strconv.ParseUint(strings.TrimPrefix(fields[1], "0x"), 16, 64)
		if err != nil {
			return false
		}
		switch op & 0xffff { // the upper half is a version
		case ipcSemop, ipcSemtimedop, ipcMsgsnd, ipcMsgrcv:
			return true
		}
	}
	return false
}

// Threads returns how many threads of the operating system this process has.
func Threads() int {
	tasks, err := os.ReadDir("/proc/self/task")
	if err != nil {
		panic("ipctest: " + err.Error())
	}
	return len(tasks)
}
