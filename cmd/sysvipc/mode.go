package main

import (
	"fmt"
	"io/fs"
	"strconv"

	"github.com/sysvipc/sysvipc/internal/cli"
)

// parseMode reads permissions as chmod(1) takes them in octal.
func parseMode(s string) (fs.FileMode, error) {
	n, err := strconv.ParseUint(s, 8, 32)
	if err != nil || n > 0o777 {
		return 0, cli.Usage("%q is no mode: write three octal digits such as 0600, 640 or 666", s)
	}
	return fs.FileMode(n), nil
}

// modeFlag is the value of --mode.
type modeFlag struct{ mode fs.FileMode }

func (f *modeFlag) String() string { return fmt.Sprintf("%04o", uint32(f.mode)) }
func (f *modeFlag) Type() string   { return "OCTAL" }
func (f *modeFlag) Set(s string) (err error) {
	f.mode, err = parseMode(s)
	return err
}
