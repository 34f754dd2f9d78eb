//go:build !linux

package terminal

import (
	"io"
	"os"
)

// Is reports whether a person may be reading w.
func Is(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}
