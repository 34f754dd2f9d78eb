package main

import (
	"fmt"
	"os"
	"strconv"
	"strings"
)

// holderOf returns the process that a thread belongs to, and its name; 0 if it cannot be
// seen.
func holderOf(tid int) (pid int, comm string) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", tid))
	if err != nil {
		return 0, ""
	}
	for line := range strings.Lines(string(status)) {
		if number, ok := strings.CutPrefix(line, "Tgid:"); ok {
			pid, _ = strconv.Atoi(strings.TrimSpace(number))
		}
	}
	return pid, commOf(pid)
}

// commOf returns the name of a process, or "".
func commOf(pid int) string {
	comm, err := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid))
	if err != nil {
		return ""
	}
	return strings.TrimSuffix(string(comm), "\n")
}
