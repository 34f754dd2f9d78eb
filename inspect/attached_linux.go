package inspect

import (
	"io/fs"
	"os"
	"slices"

	"golang.org/x/sys/unix"
)

// AttachedProcesses finds the processes of this IPC namespace that have segments attached, by one pass over /proc, and how
// many processes do not let this user see what they have.
func AttachedProcesses() (found []AttachedProcess, hidden int, err error) {
	p := newProcfs(defaultProc)
	here := newScan(defaultProc).ns
	if here == 0 {
		return nil, 0, pathError("read", defaultProc+"/self/ns/ipc", fs.ErrPermission)
	}
	pids, err := numbers(defaultProc)
	if err != nil {
		return nil, 0, err
	}
	slices.Sort(pids)
	room := make([]int, 1)
	for _, pid := range pids {
		tids, err := p.threads(pid, room)
		var text []byte
		if err == nil {
			text, err = p.maps(pid, tids)
		}
		if denied(err) {
			hidden++
		}
		if err != nil {
			continue // it is hidden, or has ended
		}
		var mappings []Mapping
		attaches(text, func(m Mapping) { mappings = append(mappings, m) })
		if len(mappings) == 0 {
			continue
		}
		ns := p.namespace(pid, 0)
		if ns == 0 && len(tids) > 1 {
			ns = p.namespace(pid, tids[len(tids)-1]) // the first thread has ended
		}
		if ns == here {
			found = append(found, AttachedProcess{pid, mappings})
		}
	}
	return found, hidden, nil
}

// Mappings returns where a process has segments in its address space; a pid of 0 stands for this process.
func Mappings(pid int) ([]Mapping, error) {
	p := newProcfs(defaultProc)
	if pid == 0 {
		pid = os.Getpid()
	}
	tids, err := p.threads(pid, make([]int, 1))
	var text []byte
	if err == nil {
		text, err = p.maps(pid, tids)
	}
	if err != nil {
		return nil, pathError("read", p.task(pid, 0, "maps"), err)
	}
	var mappings []Mapping
	attaches(text, func(m Mapping) { mappings = append(mappings, m) })
	return mappings, nil
}

// FindProcess reads what is known of the process with this pid, or of the one to which the thread with this number
// belongs. The error is [fs.ErrNotExist] if there is none or only its remains, and [fs.ErrPermission] if it is hidden.
func FindProcess(pid int) (*Process, error) {
	s := newScan(defaultProc)
	path := s.fs.task(pid, 0, "status")
	text, err := s.fs.read(path)
	if tgid, ok := parseStatusNumber(text, "Tgid:", false); err == nil && ok {
		pid = int(tgid)
	}
	clock := clock{}
	if text, err := s.fs.read(s.fs.root + "/stat"); err == nil {
		clock.boot, _ = parseBootTime(text)
	}
	switch p, hidden := s.fs.process(pid, clock.boot); {
	case p != nil:
		return p, nil
	case hidden:
		return nil, pathError("read", path, unix.EACCES)
	}
	return nil, pathError("read", path, unix.ENOENT)
}
