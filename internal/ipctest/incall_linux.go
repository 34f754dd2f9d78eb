package ipctest

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
)

// UntilInCall waits until a thread of a process is in a system call that is as wanted.
func UntilInCall(ctx context.Context, pid int, wanted func(number int, args [3]uint64) bool) error {
	for ctx.Err() == nil {
		calls, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/syscall", pid))
		if err != nil {
			return err
		}
		for _, name := range calls {
			line, _ := os.ReadFile(name) // its thread may be gone, or run
			var number int
			var args [3]uint64
			if n, _ := fmt.Sscanf(string(line), "%d %v %v %v", &number, &args[0], &args[1], &args[2]); n == 4 && wanted(number, args) {
				return nil
			}
		}
	}
	return ctx.Err()
}
