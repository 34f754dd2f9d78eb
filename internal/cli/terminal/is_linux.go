package terminal

import (
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// Is reports whether a person may be reading w.
func Is(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	_, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS)
	return err == nil
}
