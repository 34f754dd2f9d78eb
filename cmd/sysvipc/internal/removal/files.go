package removal

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/sysvipc/sysvipc/cmd/sysvipc/internal/archive"
	"github.com/sysvipc/sysvipc/internal/cli"
	"github.com/sysvipc/sysvipc/internal/cli/arg"
	"github.com/sysvipc/sysvipc/internal/cli/terminal"
	"github.com/sysvipc/sysvipc/internal/output"
)

// folder is where everything that is removed is saved first, in one file for each run.
func folder() (string, error) {
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
	timeLayout   = "20060102T150405.000000000"
	suffix       = ".sysv"
	UndoneSuffix = ".undone" // behind the other: "undo" has brought it back
)

// file is a file of a run.
type file struct {
	path   string
	at     time.Time
	size   int64
	undone bool
}

// filesIn are those of a folder, the oldest first.
func filesIn(dir string) (files []file, err error) {
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	for _, e := range entries {
		name, undone := strings.CutSuffix(e.Name(), UndoneSuffix)
		stamp, ours := strings.CutSuffix(name, suffix)
		stamp, _, _ = strings.Cut(stamp, "-")
		at, timeErr := time.Parse(timeLayout, stamp)
		info, err := e.Info()
		if !ours || timeErr != nil || err != nil || !info.Mode().IsRegular() {
			continue
		}
		files = append(files, file{filepath.Join(dir, e.Name()), at, info.Size(), undone})
	}
	return files, nil // ReadDir sorts
}

// create begins the file of a run: under a name that no other run can take, or under the user's own.
func create(name string, h archive.Header) (*archive.File, string, error) {
	if name == "" {
		dir, err := folder()
		if err == nil {
			err = os.MkdirAll(dir, 0o700)
		}
		if err != nil {
			return nil, "", err
		}
		name = filepath.Join(dir, fmt.Sprintf("%s-%d%s", time.Now().UTC().Format(timeLayout), os.Getpid(), suffix))
	}
	f, err := archive.CreateNew(name, h)
	return f, name, err
}

// Keep is the value of --keep: how long files stay, and how large all may be together.
type Keep struct {
	age  time.Duration
	size int64
}

var DefaultKeep = Keep{30 * 24 * time.Hour, 1 << 30}

func (k *Keep) String() string {
	if *k == DefaultKeep {
		return "30d,1G"
	}
	return fmt.Sprintf("%s,%d", k.age, k.size)
}

func (k *Keep) Type() string { return "AGE,SIZE" }

func (k *Keep) Set(s string) (err error) {
	age, size, both := strings.Cut(s, ",")
	if k.age, err = arg.ParseDuration(age); err == nil && both {
		k.size, err = arg.ParseSize(size)
	}
	return err
}

// prune removes what is older than that, and the oldest of what is too much. The newest file stays.
func (k Keep) prune(dir string) error {
	files, err := filesIn(dir)
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

// Last is the newest file of this IPC namespace that was not brought back.
func Last() (string, error) {
	dir, err := folder()
	if err != nil {
		return "", err
	}
	files, err := filesIn(dir)
	if err != nil {
		return "", err
	}
	here, _ := os.Readlink("/proc/self/ns/ipc")
	other := "" // the newest of another namespace
	for _, f := range slices.Backward(files) {
		if f.undone {
			continue
		}
		h, err := headerOf(f.path)
		switch {
		case errors.Is(err, io.EOF) || err == nil && h.Program == Into:
			continue // a run that was killed as it began, or one that removed nothing
		case err != nil:
			return "", err
		case h.Namespace == here:
			return f.path, nil
		case other == "":
			other = h.Namespace
		}
	}
	hint := ""
	if other != "" {
		hint = fmt.Sprintf("; what was removed last was in IPC namespace %s: \"sysvipc undo --ns %[1]s\" brings it back there", inode(other))
	}
	return "", cli.Fail(cli.ExitNotFound, "nothing was removed from this IPC namespace that could be brought back: %s has no file of it%s", terminal.Escape(dir), hint)
}

// Here returns an error if what a file has was removed from another IPC namespace than this one: an undo belongs where the
// objects were.
func Here(path string) error {
	h, err := headerOf(path)
	if here, linkErr := os.Readlink("/proc/self/ns/ipc"); err != nil || linkErr != nil || h.Namespace == "" || h.Namespace == here {
		return nil // restore says what is wrong with the file
	}
	return cli.Fail(cli.ExitRefused, "%s was saved in IPC namespace %s: \"sysvipc undo --ns %[2]s\" brings it back there, and \"sysvipc restore -f FILE\" makes the objects in this one", terminal.Escape(path), inode(h.Namespace))
}

// inode is the number in "ipc:[4026532199]".
func inode(link string) string {
	return strings.TrimSuffix(strings.TrimPrefix(terminal.Escape(link), "ipc:["), "]")
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

// WriteList lists the files, the newest first.
func WriteList(w io.Writer, format string) error {
	dir, err := folder()
	if err != nil {
		return err
	}
	files, err := filesIn(dir)
	if err != nil {
		return err
	}
	if format == "json" {
		d := output.StartDocument(w, "files")
		for _, f := range slices.Backward(files) {
			d.Add(f.published())
		}
		return d.End(nil)
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

// published is the JSON of a file.
func (f *file) published() *output.RemovedFile {
	out := &output.RemovedFile{File: f.path, Time: f.at, Size: f.size, Undone: f.undone}
	if h, err := headerOf(f.path); err != nil {
		out.Unknown = []string{"program", "namespace"}
	} else {
		out.Program, out.Namespace = output.OrNil(h.Program), output.OrNil(h.Namespace)
	}
	return out
}
