package inspect

import (
	"errors"
	"io/fs"
	"os"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// procfs is a mounted proc(5). It reads into one buffer, since there are thousands of files.
type procfs struct {
	root string
	path []byte
	buf  []byte
}

func newProcfs(root string) *procfs {
	return &procfs{root: root, path: make([]byte, 0, 64), buf: make([]byte, 32<<10)}
}

// task is the path of a file of a process, or of one of its threads if tid is not 0.
func (p *procfs) task(pid, tid int, name string) string {
	p.path = append(append(p.path[:0], p.root...), '/')
	p.path = strconv.AppendInt(p.path, int64(pid), 10)
	if tid != 0 {
		p.path = strconv.AppendInt(append(p.path, "/task/"...), int64(tid), 10)
	}
	p.path = append(append(p.path, '/'), name...)
	return string(p.path)
}

// read returns the contents of a file, which are valid until the next call.
func (p *procfs) read(path string) ([]byte, error) {
	fd, err := open(path)
	if err != nil {
		return nil, err
	}
	defer unix.Close(fd)
	n := 0
	for {
		more, err := unix.Read(fd, p.buf[n:])
		switch {
		case err == unix.EINTR:
			continue
		case err != nil:
			return nil, err
		case more <= 0:
			return p.buf[:n], nil
		}
		if n += more; n == len(p.buf) {
			p.buf = append(p.buf, make([]byte, len(p.buf))...)
		}
	}
}

// maps reads the mappings of a process with these threads.
func (p *procfs) maps(pid int, tids []int) ([]byte, error) {
	text, err := p.read(p.task(pid, 0, "maps"))
	if err == nil && len(text) == 0 && len(tids) > 1 {
		// The first thread has ended, and the memory belongs to the others.
		return p.read(p.task(pid, tids[len(tids)-1], "maps"))
	}
	return text, err
}

// readAt reads at most len(to) bytes of the memory of a process, and returns what it got.
func (p *procfs) readAt(pid int, to []byte, addr uint64) []byte {
	if addr == 0 || addr > 1<<62 || len(to) == 0 {
		return nil
	}
	fd, err := open(p.task(pid, 0, "mem"))
	if err != nil {
		return nil
	}
	defer unix.Close(fd)
	n, err := unix.Pread(fd, to, int64(addr))
	if err != nil || n < 0 {
		return nil
	}
	return to[:n]
}

func open(path string) (int, error) {
	for {
		fd, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC, 0)
		if err != unix.EINTR {
			return fd, err
		}
	}
}

// namespace returns the number of the IPC namespace of a thread, or 0 if it cannot be seen.
func (p *procfs) namespace(pid, tid int) uint64 {
	link, err := os.Readlink(p.task(pid, tid, "ns/ipc"))
	if err != nil {
		return 0
	}
	n, _ := parseNamespace(link)
	return n
}

// numbers returns the entries of a folder that are numbers: processes, threads, descriptors.
func numbers(dir string) ([]int, error) {
	f, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	names, err := f.Readdirnames(-1)
	if err != nil {
		return nil, err
	}
	pids := make([]int, 0, len(names))
	for _, name := range names {
		if pid, err := strconv.Atoi(name); err == nil {
			pids = append(pids, pid)
		}
	}
	return pids, nil
}

// threads returns the threads of a process. The number of links of the folder tells how many they
// are, which spares the list for most processes.
func (p *procfs) threads(pid int, room []int) ([]int, error) {
	path := p.task(pid, 0, "task")
	var st unix.Stat_t
	if err := unix.Stat(path, &st); err != nil {
		return nil, err
	}
	if st.Nlink == 3 {
		return append(room[:0], pid), nil
	}
	return numbers(path)
}

// denied reports whether an error says that something is there, and not for us.
func denied(err error) bool {
	return err == unix.EACCES || err == unix.EPERM
}

// process reads what is known of a process now. It is nil if there is none, and hidden is true if
// that may only look so.
func (p *procfs) process(pid int, boot time.Time) (proc *Process, hidden bool) {
	text, err := p.read(p.task(pid, 0, "stat"))
	if err != nil {
		// With hidepid there is no file of a process that lives all the same.
		return nil, denied(err) || p.root == defaultProc && unix.Kill(pid, 0) != unix.ESRCH
	}
	st, ok := parseStat(text)
	if !ok {
		return nil, true
	}
	if st.ended() {
		return nil, false
	}
	proc = &Process{PID: pid, Comm: st.comm, UID: -1, kernel: st.kernel}
	if !boot.IsZero() {
		proc.Started = boot.Add(st.started)
	}
	if text, err := p.read(p.task(pid, 0, "cgroup")); err == nil {
		proc.Container, proc.Unit = parseCgroup(text)
	}
	var dir unix.Stat_t
	if unix.Stat(p.task(pid, 0, ""), &dir) == nil {
		proc.UID = int(dir.Uid)
	}
	proc.Namespace = p.namespace(pid, 0)
	return proc, false
}

// pathError words what went wrong with a file.
func pathError(op, path string, err error) error { return &fs.PathError{Op: op, Path: path, Err: err} }

var errNoUsers = errors.New("it has no line of users")
