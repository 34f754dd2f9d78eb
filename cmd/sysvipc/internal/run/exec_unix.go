//go:build unix

package run

import (
	"syscall"

	"github.com/sysvipc/sysvipc/internal/cli"
)

// mayExecute asks the kernel, which knows of users, ACLs and file systems mounted noexec.
func mayExecute(file string) error { return syscall.Access(file, 1) }

// become replaces this process by the command. Its pid, streams and working directory
// stay. The Go runtime had raised the limit of open files, and syscall.Exec puts it back.
// It had also taken the signals over: only some of those that were ignored or blocked
// stay so, and the help of the verb says which.
func become(path string, args, env []string) error {
	err := syscall.Exec(path, args, env)
	if err == syscall.ENOEXEC {
		// A script without #! is one for the shell: execvp(3).
		err = syscall.Exec("/bin/sh", append([]string{"/bin/sh", path}, args[1:]...), env)
	}
	if err == syscall.ENOENT {
		return cli.Fail(cli.ExitNoCommand, "run: %s: the program that its first line, or its loader, names is not there (%w)", printable(path), err)
	}
	return cannotExec(path, err)
}
