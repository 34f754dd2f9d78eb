package main

import (
	"os"
	"strconv"
	"strings"
)

// namespace returns the number of this process's IPC namespace.
func namespace() value {
	link, err := os.Readlink("/proc/self/ns/ipc") // ipc:[4026531839]
	n, parseErr := strconv.ParseInt(strings.TrimSuffix(strings.TrimPrefix(link, "ipc:["), "]"), 10, 64)
	return stateIf(err != nil || parseErr != nil, unknown, number64(n))
}
