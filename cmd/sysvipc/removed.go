package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/sysvipc/sysvipc/internal/output"

	"github.com/sysvipc/sysvipc/cmd/sysvipc/internal/archive"
	"github.com/sysvipc/sysvipc/cmd/sysvipc/internal/arg"
	"github.com/sysvipc/sysvipc/cmd/sysvipc/internal/terminal"
	"github.com/sysvipc/sysvipc/internal/cli"
)

// removedDir is where everything that is removed is saved first, in one file for each run.
func removedDir() (string, error) {
	state := os.Getenv("SYSVIPC_STATE")
	switch {
	case state != "":
	case os.Geteuid() == 0:
		state = "/var/lib/sysvipc"
	case os.Getenv("XDG_STATE_HOME") != "":
		state = filepath.Join(os.Getenv("XDG_STATE_HOME"), "sysvipc")
	default:
		home, err := os.UserHomeDir()
		if err != nil {
			return "", err
		}
		state = filepath.Join(home, ".local/state/sysvipc")
	}
	return filepath.Join(state, "removed"), nil
}

// Files are named by their time, so that they sort by it.
const (
	removedTime   = "20060102T150405.000000000"
	removedSuffix = ".sysv"
	undoneSuffix  = ".undone" // behind the other: "undo" has brought it back
)

// removedFile is a file of a run.
type removedFile struct {
	path   string
	at     time.Time
	size   int64
	undone bool
}

// removedFiles are those of a folder, the oldest first.
func removedFiles(dir string) (files []removedFile, err error) {
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	for _, e := range entries {
		name, undone := strings.CutSuffix(e.Name(), undoneSuffix)
		stamp, ours := strings.CutSuffix(name, removedSuffix)
		stamp, _, _ = strings.Cut(stamp, "-")
		at, timeErr := time.Parse(removedTime, stamp)
		info, err := e.Info()
		if !ours || timeErr != nil || err != nil || !info.Mode().IsRegular() {
			continue
		}
		files = append(files, removedFile{filepath.Join(dir, e.Name()), at, info.Size(), undone})
	}
	return files, nil // ReadDir sorts
}

// createRemoved begins the file of a run: under a name that no other run can take, or under the user's own.
func createRemoved(name string, h archive.Header) (*archive.File, string, error) {
	if name == "" {
		dir, err := removedDir()
		if err == nil {
			err = os.MkdirAll(dir, 0o700)
		}
		if err != nil {
			return nil, "", err
		}
		name = filepath.Join(dir, fmt.Sprintf("%s-%d%s", time.Now().UTC().Format(removedTime), os.Getpid(), removedSuffix))
	}
	f, err := archive.CreateNew(name, h)
	return f, name, err
}

// keepFlag is how long files stay, and how large all may be together.
type keepFlag struct {
	age  time.Duration
	size int64
}

var defaultKeep = keepFlag{30 * 24 * time.Hour, 1 << 30}

func (k *keepFlag) String() string {
	if *k == defaultKeep {
		return "30d,1G"
	}
	return fmt.Sprintf("%s,%d", k.age, k.size)
}

func (k *keepFlag) Type() string { return "AGE,SIZE" }

func (k *keepFlag) Set(s string) (err error) {
	age, size, both := strings.Cut(s, ",")
	if k.age, err = arg.ParseDuration(age); err == nil && both {
		k.size, err = arg.ParseSize(size)
	}
	return err
}

// prune removes what is older than that, and the oldest of what is too much. The newest file stays.
func (k keepFlag) prune(dir string) error {
	files, err := removedFiles(dir)
	if err != nil || len(files) == 0 {
		return err
	}
	size := int64(0)
	for i, f := range slices.Backward(files) {
		size += f.size
		if i < len(files)-1 && (time.Since(f.at) > k.age || size > k.size) {
			err = errors.Join(err, os.Remove(f.path))
			size -= f.size
		}
	}
	return err
}

// lastRemoved is the newest file of this IPC namespace that was not brought back.
func lastRemoved() (string, error) {
	dir, err := removedDir()
	if err != nil {
		return "", err
	}
	files, err := removedFiles(dir)
	if err != nil {
		return "", err
	}
	here, _ := os.Readlink("/proc/self/ns/ipc")
	for _, f := range slices.Backward(files) {
		if f.undone {
			continue
		}
		h, err := headerOf(f.path)
		switch {
		case errors.Is(err, io.EOF) || err == nil && h.Namespace != here:
			continue // a run that was killed as it began, or one elsewhere
		case err != nil:
			return "", err
		}
		return f.path, nil
	}
	return "", cli.Fail(cli.ExitNotFound, "nothing was removed from this IPC namespace that could be brought back: %s has no file of it", terminal.Escape(dir))
}

func headerOf(path string) (archive.Header, error) {
	f, err := os.Open(path)
	if err != nil {
		return archive.Header{}, err
	}
	defer f.Close()
	r, err := archive.NewReader(f)
	if err != nil {
		return archive.Header{}, err
	}
	return r.Header, nil
}

// writeRemoved lists the files, the newest first.
func writeRemoved(w io.Writer) error {
	dir, err := removedDir()
	if err != nil {
		return err
	}
	files, err := removedFiles(dir)
	if err != nil {
		return err
	}
	t := output.NewTable(output.Right("AGE"), output.Right("SIZE"), output.Left("BY"), output.Left("NAMESPACE"), output.Left("FILE"))
	for _, f := range slices.Backward(files) {
		h, _ := headerOf(f.path)
		t.Add(arg.FormatAge(int64(time.Since(f.at) / time.Second)))
		t.Add(arg.FormatSize(f.size))
		t.Add(terminal.Escape(h.Program))
		t.Add(terminal.Escape(h.Namespace))
		t.Add(terminal.Escape(f.path))
	}
	return t.Write(w)
}
