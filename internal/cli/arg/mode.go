package arg

import (
	"fmt"
	"io/fs"
	"strconv"

	"github.com/sysvipc/sysvipc/internal/cli"
)

// ParseMode reads permissions as chmod(1) takes them in octal.
func ParseMode(s string) (fs.FileMode, error) {
	n, err := strconv.ParseUint(s, 8, 32)
	if err != nil || n > 0o777 {
		return 0, cli.Usage("%q is no mode: write three octal digits such as 0600, 640 or 666", s)
	}
	return fs.FileMode(n), nil
}

// Mode is the value of --mode.
type Mode struct{ FileMode fs.FileMode }

func (f *Mode) String() string { return fmt.Sprintf("%04o", uint32(f.FileMode)) }
func (f *Mode) Type() string   { return "OCTAL" }
func (f *Mode) Set(s string) (err error) {
	f.FileMode, err = ParseMode(s)
	return err
}
