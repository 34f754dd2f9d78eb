package ipctest

import (
	"bytes"
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
// msgrcv. In this process, tests that run in parallel block threads too: see [WaitBlockedOn].
func WaitBlocked(t testing.TB, pid int, n int) {
	t.Helper()
	poll(t, fmt.Sprintf("%d blocked threads in process %d", n, pid), func() (bool, error) {
		blocked, err := Blocked(pid)
		return blocked >= n, err
	})
}

// WaitBlockedOn is WaitBlocked for one semaphore set or queue: kind is [Sem] or [Msg].
func WaitBlockedOn(t testing.TB, pid int, kind string, id, n int) {
	t.Helper()
	poll(t, fmt.Sprintf("%d threads of process %d blocked on %s %d", n, pid, kind, id), func() (bool, error) {
		waits, err := ipcWaits(pid)
		blocked := 0
		for _, w := range waits {
			if w == (ipcWait{kind, id}) {
				blocked++
			}
		}
		return blocked >= n, err
	})
}

// Blocked returns how many threads of process pid, 0 for this one, are blocked as for [WaitBlocked] now.
func Blocked(pid int) (int, error) {
	waits, err := ipcWaits(pid)
	return len(waits), err
}

// ipcWait is what a blocked thread waits for.
type ipcWait struct {
	kind string
	id   int
}

// ipcWaits lists the waits of the blocked threads of a process, 0 for this one.
func ipcWaits(pid int) ([]ipcWait, error) {
	dir := "/proc/self/task"
	if pid != 0 {
		dir = fmt.Sprintf("/proc/%d/task", pid)
	}
	tasks, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var waits []ipcWait
	for _, task := range tasks {
		text, err := os.ReadFile(filepath.Join(dir, task.Name(), "syscall"))
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ESRCH) {
			continue // this thread has ended
		}
		if errors.Is(err, fs.ErrPermission) && zombie(filepath.Join(dir, task.Name(), "stat")) {
			continue // ended too, beside others of its process that have not
		}
		if err != nil {
			return nil, err
		}
		if w, ok := parseIPCWait(string(text), kernelCalls()); ok {
			waits = append(waits, w)
		}
	}
	return waits, nil
}

// zombie reports whether a thread is one, by its stat file.
func zombie(stat string) bool {
	text, err := os.ReadFile(stat)
	if err != nil {
		return true
	}
	_, state, _ := strings.Cut(string(text[bytes.LastIndexByte(text, ')')+1:]), " ")
	return strings.HasPrefix(state, "Z") || strings.HasPrefix(state, "X")
}

// parseIPCWait reads a line of /proc/PID/task/TID/syscall, "number argument…" in decimal and hex, or "running". It is false
// if the call is none that waits.
func parseIPCWait(line string, calls map[string]int) (ipcWait, bool) {
	fields := strings.Fields(line)
	if len(fields) < 3 {
		return ipcWait{}, false
	}
	number := func(i int) int {
		n, err := strconv.ParseUint(fields[i], 0, 64)
		if err != nil {
			return -1
		}
		return int(uint32(n)) // of ids and ipc(2)'s word, which are ints
	}
	is := func(name string) bool {
		nr, ok := calls[name]
		return ok && number(0) == nr
	}
	switch {
	case is("semop"), is("semtimedop"), is("semtimedop_time64"):
		return ipcWait{Sem, number(1)}, true
	case is("msgsnd"), is("msgrcv"):
		return ipcWait{Msg, number(1)}, true
	case is("ipc"):
		switch number(1) & 0xffff { // above it is a version
		case ipcSemop, ipcSemtimedop:
			return ipcWait{Sem, number(2)}, true
		case ipcMsgsnd, ipcMsgrcv:
			return ipcWait{Msg, number(2)}, true
		}
	}
	return ipcWait{}, false
}

// Threads returns how many threads of the operating system this process has.
func Threads() int {
	tasks, err := os.ReadDir("/proc/self/task")
	if err != nil {
		panic("ipctest: " + err.Error())
	}
	return len(tasks)
}
