package interop

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/sysvipc/sysvipc"
)

// Ftok is compared with that of the C library, of IPC::SysV and of sysv_ipc.
func TestFtok(t *testing.T) {
	t.Parallel()
	paths := manyFiles(t)
	list := filepath.Join(t.TempDir(), "list")
	if err := os.WriteFile(list, []byte(strings.Join(paths, "\n")+"\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, l := range others {
		if l.name == "Perl" {
			continue // it is the same function as that of the modules
		}
		t.Run(l.name, func(t *testing.T) {
			t.Parallel()
			p := start(t, l)
			for _, project := range []byte{0, 1, 'R', 127, 128, 255} {
				theirs := strings.Fields(p.do("ftok %d %s", project, list))
				equal(t, "keys", len(theirs), len(paths))
				wrong := 0
				for i, path := range paths {
					ours, err := sysvipc.Ftok(path, project)
					if err != nil {
						ours = -1 // as the C library says it
					}
					if theirs[i] != strconv.Itoa(int(ours)) {
						wrong++
						t.Logf("%s, project %d: got %d (%v), %s says %s", path, project, ours, err, l.name, theirs[i])
					}
					if wrong == 10 {
						t.FailNow()
					}
				}
				if wrong > 0 {
					t.FailNow()
				}
			}
		})
	}
}

// manyFiles returns the paths of thousands of files of each kind, on several devices; the last two do not exist.
func manyFiles(t *testing.T) []string {
	dir := t.TempDir()
	path := func(name string, i int) string { return filepath.Join(dir, fmt.Sprint(name, i)) }
	paths := []string{"/", "/dev", "/dev/null", "/dev/shm", "/etc/passwd", "/proc", "/proc/sys/kernel/sem", "/sys", os.TempDir()}
	paths = append(paths, relative(t, dir))
	for i := range 5000 {
		if err := os.WriteFile(path("file", i), nil, 0o600); err != nil {
			t.Fatal(err)
		}
		paths = append(paths, path("file", i))
	}
	for i := range 100 {
		err := errors.Join(
			os.Mkdir(path("directory", i), 0o700),
			os.Symlink(path("file", i), path("link", i)),
			os.Symlink(path("directory", i), path("link to directory", i)),
			os.Link(path("file", i), path("hard link", i)),
		)
		if err != nil {
			t.Fatal(err)
		}
		paths = append(paths, path("directory", i), path("link", i), path("link to directory", i), path("hard link", i))
	}
	missing, dangling := path("missing", 0), path("dangling", 0)
	if err := os.Symlink(missing, dangling); err != nil {
		t.Fatal(err)
	}
	for _, p := range []string{missing, dangling} {
		if _, err := sysvipc.Ftok(p, 'R'); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("Ftok of %s: %v, want fs.ErrNotExist", filepath.Base(p), err)
		}
	}
	return append(paths, missing, dangling)
}

func relative(t *testing.T, path string) string {
	wd, err := os.Getwd()
	if err == nil {
		path, err = filepath.Rel(wd, path)
	}
	if err != nil {
		t.Fatal(err)
	}
	return path
}
