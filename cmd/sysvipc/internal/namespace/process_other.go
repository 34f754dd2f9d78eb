//go:build !linux

package namespace

import (
	"errors"
	"io/fs"
	"os"
	"syscall"
)

func missing() string                  { return "only Linux has IPC namespaces" }
func inodeOf(fs.FileInfo) uint64       { return 0 }
func becomeInput(*os.File) error       { return errors.ErrUnsupported }
func endsWithUs() *syscall.SysProcAttr { return nil }
