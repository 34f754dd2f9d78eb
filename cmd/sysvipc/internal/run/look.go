package run

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/sysvipc/sysvipc/internal/cli"
)

// look finds the file of a command as execvp(3) does. It differs from exec.LookPath in
// that it takes the current directory if PATH says so, and tells what is not there (127)
// from what cannot be executed (126).
func look(name string) (string, error) {
	if name == "" {
		return "", cli.Fail(cli.ExitNoCommand, "run: the command is an empty word")
	}
	if strings.Contains(name, "/") {
		if err := executable(name); err != nil {
			return "", cannotExec(name, err)
		}
		return name, nil
	}
	path, ok := os.LookupEnv("PATH")
	if !ok {
		path = "/bin:/usr/bin"
	}
	var denied error
	for more := true; more; {
		var dir string
		dir, path, more = strings.Cut(path, ":")
		if dir == "" {
			dir = "."
		}
		// Not filepath.Join: it would make "./x" an "x".
		file := dir + "/" + name
		err := mayExecute(file)
		if err == syscall.ENOENT {
			continue
		}
		// A directory of PATH that this user may not enter has no commands for them.
		if info, e := os.Stat(file); e != nil || info.IsDir() {
			continue
		}
		if err == nil {
			return file, nil
		}
		if denied == nil {
			denied = cannotExec(file, err)
		}
	}
	if denied != nil {
		return "", denied
	}
	return "", cli.Fail(cli.ExitNoCommand, "run: %s: not found in PATH", printable(name))
}

// executable returns nil for a file that this process may execute.
func executable(file string) error {
	info, err := os.Stat(file)
	if err != nil {
		return errors.Unwrap(err)
	}
	if info.IsDir() {
		return syscall.EISDIR
	}
	return mayExecute(file)
}

// cannotExec is the error for a command that there is no becoming.
func cannotExec(file string, err error) error {
	code := cli.ExitCannotExec
	switch {
	case errors.Is(err, syscall.ENOENT), errors.Is(err, syscall.ENOTDIR):
		code = cli.ExitNoCommand
	}
	hint := ""
	if code == cli.ExitCannotExec && errors.Is(err, syscall.EACCES) {
		hint = " (is it executable? chmod +x " + printable(filepath.Clean(file)) + ")"
	}
	return cli.Fail(code, "run: %s: %w%s", printable(file), err, hint)
}
