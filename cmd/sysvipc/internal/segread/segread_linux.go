package segread

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strconv"

	"golang.org/x/sys/unix"

	"github.com/sysvipc/sysvipc"
	"github.com/sysvipc/sysvipc/inspect"
)

const (
	seekData = unix.SEEK_DATA
	seekHole = unix.SEEK_HOLE
)

func isNoData(err error) bool { return errors.Is(err, unix.ENXIO) }

// Open reads a segment through a process of this IPC namespace that has it attached. The
// error is [fs.ErrPermission], and says what was tried, where that is not possible. For many segments see [Find].
func Open(id int) (*View, error) {
	if st, err := sysvipc.SegmentByID(id).Stat(); err != nil || st.Attaches == 0 {
		return new(Users).Open(id) // nobody need be looked for
	}
	return Find().Open(id)
}

// OpenThrough is [Open] by way of these processes, which are known to have it attached.
func OpenThrough(id int, pids []int) (*View, error) {
	u := &Users{of: map[int][]user{}}
	for _, pid := range pids {
		maps, err := mappings(pid, id)
		switch {
		case errors.Is(err, fs.ErrPermission):
			u.hidden++
		case err == nil && len(maps) > 0:
			u.of[id] = append(u.of[id], user{pid, maps})
		}
	}
	return u.Open(id)
}

// Users are the processes that have segments attached, as they were at one time.
type Users struct {
	of     map[int][]user
	hidden int // processes that do not show what they have
	err    error
}

type user struct {
	pid  int
	maps []inspect.Mapping
}

// Find looks once through all processes, for [Users.Open] of many segments.
func Find() *Users {
	u := &Users{of: map[int][]user{}}
	var processes []inspect.AttachedProcess
	processes, u.hidden, u.err = inspect.AttachedProcesses()
	for _, p := range processes {
		for _, m := range p.Mappings {
			users := u.of[m.ID]
			if len(users) == 0 || users[len(users)-1].pid != p.PID {
				users = append(users, user{pid: p.PID})
			}
			last := &users[len(users)-1]
			last.maps = append(last.maps, m)
			u.of[m.ID] = users
		}
	}
	return u
}

// Open is [Open] through one of the users.
func (u *Users) Open(id int) (*View, error) {
	st, err := sysvipc.SegmentByID(id).Stat()
	if err != nil {
		return nil, err
	}
	refuse := func(format string, args ...any) (*View, error) {
		return nil, fmt.Errorf("shm:%d cannot be read without attaching it: %s: %w", id, fmt.Sprintf(format, args...), fs.ErrPermission)
	}
	switch {
	case st.Attaches == 0:
		return refuse("no process has it attached, through which it could be read")
	case u.err != nil:
		return refuse("/proc does not show the IPC namespaces (%v)", u.err)
	}
	for _, user := range u.of[id] {
		v, openErr := through(user.pid, user.maps, id, st.Size)
		if openErr != nil { // its first thread may have ended since, and others have the memory
			if maps, err := mappings(user.pid, id); err == nil && len(maps) > 0 {
				v, openErr = through(user.pid, maps, id, st.Size)
			}
		}
		if openErr == nil {
			return v, nil
		}
		err = openErr
	}
	switch {
	case err != nil:
		return refuse("of those who have it attached %d can be seen, and the kernel does not let this user read their memory (%v)", len(u.of[id]), err)
	case u.hidden > 0:
		return refuse("%d processes do not let this user see what they have attached", u.hidden)
	}
	return refuse("those who have it attached cannot be seen from here (another PID namespace, or hidepid)")
}

// mappings returns where a process has the segment; a pid of 0 stands for this process.
func mappings(pid, id int) ([]inspect.Mapping, error) {
	all, err := inspect.Mappings(pid)
	return slices.DeleteFunc(all, func(m inspect.Mapping) bool { return m.ID != id }), err
}

// folder is the folder of a process in /proc, or that of one of its threads where the first one has ended: memory is with
// the others then.
func folder(pid int) string {
	if pid == 0 {
		return "/proc/self"
	}
	name := "/proc/" + strconv.Itoa(pid)
	if text, err := os.ReadFile(name + "/maps"); err == nil && len(text) == 0 {
		threads, _ := os.ReadDir(name + "/task")
		for _, t := range threads {
			if t.Name() != strconv.Itoa(pid) {
				return "/proc/" + t.Name()
			}
		}
	}
	return name
}

// through reads the segment by the memory file behind one of the mappings, for which CAP_CHECKPOINT_RESTORE is needed, or
// by the memory of the process, for which one must be allowed to trace it.
func through(pid int, maps []inspect.Mapping, id int, size int64) (*View, error) {
	file, err := openMapped(pid, maps, id, size, os.O_RDONLY)
	if err == nil {
		return &View{Through: "process " + strconv.Itoa(pid), r: file, size: size, file: file, done: file.Close}, nil
	}
	mem, memErr := os.Open(folder(pid) + "/mem")
	if memErr != nil {
		return nil, errors.Join(err, memErr)
	}
	m := &processMemory{mem, pid, id, maps, size}
	v := &View{Through: "the memory of process " + strconv.Itoa(pid), r: m, size: size, all: untouched(id), done: mem.Close}
	// A first byte tells whether the kernel allows it, and whether the mappings are those of this segment whole.
	if err := m.covers(); err != nil {
		mem.Close()
		return nil, err
	}
	if _, err := m.ReadAt(make([]byte, 1), 0); err != nil && !v.all {
		mem.Close()
		return nil, err
	}
	return v, nil
}

// mappedFile opens the memory file of a segment that this process has attached.
func mappedFile(id int, size int64, flag int) (*os.File, error) {
	maps, err := mappings(0, id)
	if err != nil {
		return nil, err
	}
	return openMapped(0, maps, id, size, flag)
}

func openMapped(pid int, maps []inspect.Mapping, id int, size int64, flag int) (*os.File, error) {
	err := error(fs.ErrNotExist)
	for _, m := range maps {
		var file *os.File
		if file, err = os.OpenFile(fmt.Sprintf("%s/map_files/%x-%x", folder(pid), m.Start, m.End), flag, 0); err != nil {
			continue
		}
		// Between the two looks at the process, something else may have come to this address.
		var st unix.Stat_t
		if err = unix.Fstat(int(file.Fd()), &st); err == nil && (st.Ino != uint64(id) || st.Size < size) {
			err = fs.ErrNotExist
		}
		if err == nil {
			return file, nil
		}
		file.Close()
	}
	return nil, err
}

// processMemory is a segment where a process has it.
type processMemory struct {
	mem  *os.File
	pid  int
	id   int
	maps []inspect.Mapping
	size int64
}

// at returns the address of a byte and how many follow in the same mapping.
func (m *processMemory) at(off int64) (addr uint64, n int64) {
	for _, p := range m.maps {
		length := int64(p.End - p.Start)
		if p.Readable && off >= p.Offset && off-p.Offset < length {
			return p.Start + uint64(off-p.Offset), length - (off - p.Offset)
		}
	}
	return 0, 0
}

func (m *processMemory) covers() error {
	for off := int64(0); off < m.size; {
		_, n := m.at(off)
		if n == 0 {
			return fmt.Errorf("the process has not all of it mapped: nothing at offset %d", off)
		}
		off += n
	}
	return nil
}

func (m *processMemory) ReadAt(p []byte, off int64) (int, error) {
	done := 0
	for done < len(p) {
		addr, n := m.at(off + int64(done))
		if n == 0 {
			return done, io.EOF
		}
		part := p[done:min(int64(len(p)), int64(done)+n)]
		k, err := m.mem.ReadAt(part, int64(addr))
		if done += k; err != nil {
			return done, err
		}
	}
	// What was read is the segment's only if that is still where it was.
	if now, err := mappings(m.pid, m.id); err != nil || !slices.Equal(now, m.maps) {
		return 0, errors.New("the process that had it attached has detached it meanwhile, or ended")
	}
	return done, nil
}
