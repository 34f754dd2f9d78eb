package main

import (
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"

	"github.com/rogpeppe/go-internal/testscript"
	"golang.org/x/sys/unix"
)

// withTerminal runs a program whose standard output is a terminal of 80 columns.
func withTerminal(ts *testscript.TestScript, neg bool, args []string) {
	ours, theirs, err := openTerminal()
	ts.Check(err)
	defer ours.Close()
	ts.Check(unix.IoctlSetWinsize(int(ours.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Col: 80, Row: 24}))
	path := ""
	for _, dir := range strings.Split(ts.Getenv("PATH"), ":") {
		if _, err := os.Stat(dir + "/" + args[0]); err == nil {
			path = dir + "/" + args[0]
			break
		}
	}
	cmd := exec.Command(path, args[1:]...)
	cmd.Dir = ts.MkAbs(".")
	cmd.Env = []string{"PATH=" + ts.Getenv("PATH"), "TERM=xterm", "NO_COLOR=" + ts.Getenv("NO_COLOR")}
	cmd.Stdout, cmd.Stderr = theirs, ts.Stderr()
	ts.Check(cmd.Start())
	theirs.Close()
	shown, err := io.ReadAll(ours)
	if err != nil && !strings.Contains(err.Error(), syscall.EIO.Error()) { // EIO: the other side is closed
		ts.Fatalf("%v", err)
	}
	_, err = ts.Stdout().Write([]byte(strings.ReplaceAll(string(shown), "\r\n", "\n")))
	ts.Check(err)
	if err := cmd.Wait(); (err == nil) == neg {
		ts.Fatalf("%v: %v", args, err)
	}
}

// openTerminal makes a pseudo-terminal.
func openTerminal() (ours, theirs *os.File, err error) {
	fd, err := unix.Open("/dev/ptmx", unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, nil, err
	}
	ours = os.NewFile(uintptr(fd), "/dev/ptmx")
	n, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err == nil {
		err = unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0)
	}
	if err == nil {
		theirs, err = os.OpenFile("/dev/pts/"+strconv.Itoa(n), os.O_RDWR|unix.O_NOCTTY, 0)
	}
	if err != nil {
		ours.Close()
	}
	return ours, theirs, err
}
