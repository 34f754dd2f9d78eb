package inspect

import (
	"io"
	"os"
	"path"
	"slices"
	"strings"
)

// readSmall reads the beginning of a file, which is all of it if it is a setting.
func readSmall(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, 1<<20))
}

func isDirectory(name string) bool {
	info, err := os.Stat(name)
	return err == nil && info.IsDir()
}

// dropIns are the files of a folder of settings of systemd, in the order in which they count. A file
// in /etc hides one of the same name in /run, and that one in /usr/lib.
func dropIns(root, folder string) []string {
	files := map[string]string{}
	var names []string
	for _, dir := range []string{"/usr/lib/systemd", "/run/systemd", "/etc/systemd"} {
		entries, err := os.ReadDir(path.Join(root, dir, folder))
		if err != nil {
			continue
		}
		for _, e := range entries {
			if !strings.HasSuffix(e.Name(), ".conf") {
				continue
			}
			if files[e.Name()] == "" {
				names = append(names, e.Name())
			}
			files[e.Name()] = path.Join(root, dir, folder, e.Name())
		}
	}
	slices.Sort(names)
	for i, name := range names {
		names[i] = files[name]
	}
	return names
}
