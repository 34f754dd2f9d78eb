package ipctest

import (
	"fmt"
	"os"
	"strconv"
	"strings"
)

// Objects lists every object of the current IPC namespace, readable or not.
func Objects() ([]Object, error) {
	var all []Object
	for _, kind := range []string{Shm, Sem, Msg} {
		text, err := os.ReadFile("/proc/sysvipc/" + kind)
		if err != nil {
			return nil, err
		}
		objects, err := parseObjects(kind, string(text))
		if err != nil {
			return nil, fmt.Errorf("/proc/sysvipc/%s: %w", kind, err)
		}
		all = append(all, objects...)
	}
	return all, nil
}

// parseObjects reads one file of /proc/sysvipc: a line of column names, then a line per object.
func parseObjects(kind, text string) ([]Object, error) {
	lines := strings.Split(strings.TrimRight(text, "\n"), "\n")
	columns := strings.Fields(lines[0])
	var objects []Object
	for _, line := range lines[1:] {
		o := Object{Kind: kind}
		for i, value := range strings.Fields(line) {
			if i >= len(columns) {
				return nil, fmt.Errorf("more values than columns: %q", line)
			}
			base := 10
			if columns[i] == "perms" {
				base = 8
			}
			n, err := strconv.ParseInt(value, base, 64)
			if err != nil {
				continue // sizes may need all 64 bits; none is wanted here
			}
			switch columns[i] {
			case "key":
				o.Key = int32(n)
			case "shmid", "semid", "msqid":
				o.ID = int(n)
			case "perms":
				o.Mode = uint32(n)
			case "uid":
				o.UID = int(n)
			case "cuid":
				o.CUID = int(n)
			case "cpid":
				o.Creator = int(n)
			case "nattch":
				o.Nattch = int(n)
			}
		}
		objects = append(objects, o)
	}
	return objects, nil
}

// Snapshot returns the text of /proc/sysvipc/{shm,sem,msg} of the current namespace, to be compared with a later one. It
// holds every field, so also times, last pids and, for segments, resident pages.
func Snapshot() string {
	var b strings.Builder
	for _, kind := range []string{Shm, Sem, Msg} {
		text, err := os.ReadFile("/proc/sysvipc/" + kind)
		if err != nil {
			panic("ipctest: " + err.Error())
		}
		b.Write(text)
	}
	return b.String()
}

// leaked lists the objects that are not in before. In the machine's own namespace only those of this user count, since
// others make objects there too.
func leaked(before []Object) ([]Object, error) {
	now, err := Objects()
	if err != nil {
		return nil, err
	}
	type name struct {
		kind string
		id   int
	}
	known := make(map[name]bool)
	for _, o := range before {
		known[name{o.Kind, o.ID}] = true
	}
	var left []Object
	for _, o := range now {
		if known[name{o.Kind, o.ID}] || inPlace && o.CUID != os.Geteuid() {
			continue
		}
		left = append(left, o)
	}
	return left, nil
}
