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
	lists := map[byte][]string{'R': paths}
	for _, project := range []byte{0, 1, 127, 128, 255} {
		lists[project] = paths[len(paths)-500:]
	}
	dir, ours := t.TempDir(), map[byte][]string{}
	list := func(project byte) string { return filepath.Join(dir, strconv.Itoa(int(project))) }
	// The drivers take words, and TMPDIR may have blanks.
	folder, err := os.Open(dir)
	fatal(t, err)
	t.Cleanup(func() { folder.Close() })
	word := func(project byte) string { return fmt.Sprintf("/proc/%d/fd/%d/%d", os.Getpid(), folder.Fd(), project) }
	for project, paths := range lists {
		fatal(t, os.WriteFile(list(project), []byte(strings.Join(paths, "\n")+"\n"), 0o600))
		for _, path := range paths {
			k, err := sysvipc.Ftok(path, project)
			switch {
			case errors.Is(err, fs.ErrNotExist):
				k = -1 // as the C library says it
			case err != nil:
				k = sysvipc.Private // the one key that Ftok refuses: see there
			}
			ours[project] = append(ours[project], strconv.Itoa(int(k)))
		}
	}
	for _, l := range others {
		if l.name == "Perl" {
			continue // it is the same function as that of the modules
		}
		t.Run(l.name, func(t *testing.T) {
			t.Parallel()
			p := start(t, l)
			for project, paths := range lists {
				theirs := strings.Fields(p.do("ftok %d %s", project, word(project)))
				equal(t, "keys", len(theirs), len(paths))
				for i, path := range paths {
					equal(t, fmt.Sprintf("%s, project %d", path, project), ours[project][i], theirs[i])
				}
			}
		})
	}
}

// manyFiles returns the paths of thousands of files, on several devices. Of the last 500 most are directories and links,
// and two do not exist.
func manyFiles(t *testing.T) []string {
	dir := t.TempDir()
	path := func(name string, i int) string { return filepath.Join(dir, fmt.Sprint(name, i)) }
	var paths []string
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
	paths = append(paths, "/", "/dev", "/dev/null", "/dev/shm", "/etc/passwd", "/proc", "/proc/sys/kernel/sem", "/sys",
		os.TempDir(), "testdata/driver.c")
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
