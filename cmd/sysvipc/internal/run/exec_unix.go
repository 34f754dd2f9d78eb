//go:build unix

package run

import (
	"os"
	"strconv"
	"strings"
	"syscall"
)

// mayExecute asks the kernel, which knows of users, ACLs and file systems mounted noexec.
func mayExecute(file string) error { return syscall.Access(file, 1) }

// become replaces this process by the command. Its pid, streams, working directory and
// signal mask stay; the environment gains SlotVariable. The Go runtime had raised the
// limit of open files, and syscall.Exec puts it back.
func become(path string, args []string, slot int) error {
	env := environment(slot)
	passOnSignals()
	err := syscall.Exec(path, args, env)
	if err == syscall.ENOEXEC {
		// A script without #! is one for the shell: execvp(3).
		err = syscall.Exec("/bin/sh", append([]string{"/bin/sh", path}, args[1:]...), env)
	}
	if err == syscall.ENOENT {
		return fail(CodeNotFound, "run: %s: the program that its first line, or its loader, names is not there (%w)", printable(path), err)
	}
	return cannotExec(path, err)
}

// environment is that of this process, with the number of the slot.
func environment(slot int) []string {
	env := os.Environ()
	kept := env[:0]
	for _, v := range env {
		if !strings.HasPrefix(v, SlotVariable+"=") {
			kept = append(kept, v)
		}
	}
	return append(kept, SlotVariable+"="+strconv.Itoa(slot))
}
