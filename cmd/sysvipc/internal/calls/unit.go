package calls

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/sysvipc/sysvipc/internal/cli"
)

// Unit returns the control groups of a systemd unit: "postgresql", "postgresql@16-main.service", "app.slice"; a unit of users
// has one for each of them. A path such as /system.slice/cron.service names one by itself.
func Unit(name string) ([]string, error) {
	mountinfo, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return nil, err
	}
	root := cgroupRoot(mountinfo)
	if root == "" {
		return nil, cli.Fail(cli.ExitFailed, "--unit %s: no control groups of version 2 are mounted, which is where systemd has its units", name)
	}
	return unitBelow(root, name)
}

// cgroupRoot is where the control groups of version 2 are mounted.
func cgroupRoot(mountinfo []byte) string {
	for line := range bytes.Lines(mountinfo) {
		if front, back, ok := bytes.Cut(line, []byte(" - ")); ok && bytes.HasPrefix(back, []byte("cgroup2 ")) {
			if fields := bytes.Fields(front); len(fields) > 4 {
				return string(fields[4])
			}
		}
	}
	return ""
}

func unitBelow(root, name string) (found []string, err error) {
	if strings.HasPrefix(name, "/") {
		path := filepath.Join(root, filepath.Clean(name))
		if info, err := os.Stat(path); err != nil || !info.IsDir() {
			return nil, cli.Fail(cli.ExitNotFound, "--unit %s: there is no control group %s", name, path)
		}
		return []string{path}, nil
	}
	if filepath.Ext(name) == "" {
		name += ".service"
	}
	err = filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil || !d.IsDir():
			return nil // it is gone since, or cannot be read: what is in it is no unit that this user sees
		case d.Name() == name:
			found = append(found, path)
			return fs.SkipDir
		}
		return nil
	})
	if err == nil && len(found) == 0 {
		err = cli.Fail(cli.ExitNotFound, "--unit %s: no such unit runs: see systemd-cgls(1)", name)
	}
	return found, err
}
