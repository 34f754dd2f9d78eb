package inspect

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/sysvipc/sysvipc/internal/plural"
)

// Namespaces finds the IPC namespaces of this machine: those of every thread, those that an open file
// refers to, and those that a bind mount keeps, in any mount namespace. opts may be nil.
func Namespaces(ctx context.Context, opts *Options) (*NamespaceList, error) {
	root := defaultProc
	if opts != nil && opts.Proc != "" {
		root = opts.Proc
	}
	f := &finder{scan: newScan(root), at: map[uint64]int{}, mounts: map[string]bool{}, units: map[uint64][]string{}}
	if f.scan.ns != 0 {
		f.namespace(f.scan.ns).Own = true
	}
	f.scan.outlook()
	pids, err := numbers(f.scan.fs.root)
	if err != nil {
		return nil, err
	}
	slices.Sort(pids)
	if pid := os.Getpid(); slices.Contains(pids, pid) {
		f.process(pid) // our own mounts first: their paths are those that the user knows
	}
	for _, pid := range pids {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if pid != os.Getpid() {
			f.process(pid)
		}
	}
	if f.hidden > 0 {
		f.scan.warn("this user may not see the namespaces of %s, such as process %d", plural.Forms(f.hidden, "process", "processes"), f.example)
	}
	for i := range f.all {
		ns := &f.all[i]
		if units := f.units[ns.Inode]; len(units) == 1 && units[0] != "" {
			ns.Names = append(ns.Names, units[0])
		}
	}
	l := &NamespaceList{All: f.all, Warnings: f.scan.warnings, Complete: len(f.scan.warnings) == 0}
	slices.SortStableFunc(l.All, func(a, b Namespace) int {
		switch {
		case a.Own != b.Own && a.Own, a.Own == b.Own && a.Inode < b.Inode:
			return -1
		case a.Inode == b.Inode:
			return 0
		}
		return 1
	})
	return l, nil
}

// finder collects namespaces.
type finder struct {
	scan   *scan
	all    []Namespace
	at     map[uint64]int  // in all
	mounts map[string]bool // mount namespaces whose mounts were read
	units  map[uint64][]string

	hidden, example int
}

func (f *finder) namespace(inode uint64) *Namespace {
	i, ok := f.at[inode]
	if !ok {
		i = len(f.all)
		f.at[inode] = i
		f.all = append(f.all, Namespace{Inode: inode})
	}
	return &f.all[i]
}

func (f *finder) process(pid int) {
	fs := f.scan.fs
	tids, err := fs.threads(pid, make([]int, 1))
	if err != nil {
		if denied(err) {
			f.hide(pid)
		}
		return
	}
	var seen []uint64 // of this process, mostly one
	for _, tid := range tids {
		link, err := os.Readlink(fs.task(pid, tid, "ns/ipc"))
		if err != nil {
			if os.IsPermission(err) {
				f.hide(pid)
				return
			}
			continue
		}
		inode, ok := parseNamespace(link)
		if !ok || slices.Contains(seen, inode) {
			continue
		}
		seen = append(seen, inode)
		ns := f.namespace(inode)
		ns.Processes++
		if text, err := fs.read(fs.task(pid, 0, "cgroup")); err == nil {
			f.name(ns, text)
		}
		ns.PIDs = append(ns.PIDs, pid)
		if ns.Path == "" {
			ns.Path = fmt.Sprintf("%s/%d/task/%d/ns/ipc", fs.root, pid, tid)
			if tid == pid {
				ns.Path = processPath(fs.root, pid)
			}
		}
	}
	f.descriptors(pid)
	f.mountinfo(pid)
}

// name adds what a process tells of the names of its namespace, by its control group.
func (f *finder) name(ns *Namespace, cgroup []byte) {
	container, unit := parseCgroup(cgroup)
	if ns.Processes == 1 {
		ns.Container = container
	}
	if units := f.units[ns.Inode]; !slices.Contains(units, unit) { // "" is none, which counts, too
		f.units[ns.Inode] = append(units, unit)
	}
	if container != "" && !slices.Contains(ns.Names, container) {
		ns.Names = append(ns.Names, container)
		for _, name := range append(engineNames("/", container), podOf(cgroup)) {
			if name != "" && !slices.Contains(ns.Names, name) {
				ns.Names = append(ns.Names, name)
			}
		}
	}
}

func (f *finder) hide(pid int) {
	f.hidden++
	f.example = pid
}

// descriptors looks for open files that refer to a namespace.
func (f *finder) descriptors(pid int) {
	dir := f.scan.fs.task(pid, 0, "fd")
	fds, err := numbers(dir)
	if err != nil {
		if os.IsPermission(err) {
			f.hide(pid)
		}
		return
	}
	for _, fd := range fds {
		path := fmt.Sprintf("%s/%d", dir, fd)
		link, err := os.Readlink(path)
		if err != nil || !strings.HasPrefix(link, "ipc:[") {
			continue
		}
		if inode, ok := parseNamespace(link); ok {
			ns := f.namespace(inode)
			ns.Descriptors = append(ns.Descriptors, path)
			if ns.Path == "" {
				ns.Path = path
			}
		}
	}
}

// mountinfo looks for bind mounts, once in each mount namespace.
func (f *finder) mountinfo(pid int) {
	fs := f.scan.fs
	link, err := os.Readlink(fs.task(pid, 0, "ns/mnt"))
	if err != nil || f.mounts[link] {
		return
	}
	f.mounts[link] = true
	text, err := fs.read(fs.task(pid, 0, "mountinfo"))
	if err != nil {
		return
	}
	for _, m := range parseMountinfo(text).namespaces {
		path := m.path
		if pid != os.Getpid() {
			path = fs.task(pid, 0, "root") + m.path
		}
		ns := f.namespace(m.inode)
		if slices.Contains(ns.Mounts, m.path) {
			continue
		}
		ns.Mounts = append(ns.Mounts, m.path)
		if ns.Path == "" {
			ns.Path = path
		}
	}
}

// WithNamespace calls f in the IPC namespace that the file at path stands for: a link /proc/PID/ns/ipc, an open
// file or a bind mount of one. Everything that f does on its own goroutine happens there, such as
// [Take] and the calls of package sysvipc that do not wait. It needs CAP_SYS_ADMIN.
//
// The namespace belongs to a thread of the operating system, which ends with f. What this process
// holds by SEM_UNDO stays as it is: its other threads keep it.
func WithNamespace(path string, f func() error) error {
	HomeNamespace() // while all threads are there
	fd, err := open(path)
	if err != nil {
		return pathError("open", path, err)
	}
	defer unix.Close(fd)
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // and never unlock: the thread ends with this goroutine
		home, err := open(defaultProc + "/thread-self/ns/ipc")
		if err == nil {
			defer unix.Close(home)
		}
		if err := unix.Setns(fd, unix.CLONE_NEWIPC); err != nil {
			done <- pathError("enter the IPC namespace", path, err)
			return
		}
		err = f()
		if home >= 0 {
			// The thread ends soon, and not now: till then no scan finds it there.
			unix.Setns(home, unix.CLONE_NEWIPC)
		}
		done <- err
	}()
	return <-done
}

// processPath is a file by which one gets to the namespace of a process.
func processPath(root string, pid int) string { return fmt.Sprintf("%s/%d/ns/ipc", root, pid) }

// NamespaceOf returns the number of the IPC namespace of a process.
func NamespaceOf(pid int) (uint64, error) {
	path := processPath(defaultProc, pid)
	link, err := os.Readlink(path)
	if err != nil {
		return 0, err
	}
	ns, ok := parseNamespace(link)
	if !ok {
		return 0, pathError("read", path, errors.ErrUnsupported)
	}
	return ns, nil
}

// CurrentNamespace returns the number of this thread's IPC namespace, or 0 if it cannot be seen.
func CurrentNamespace() uint64 { return newScan(defaultProc).ns }
