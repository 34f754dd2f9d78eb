package glimpse

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/sysvipc/sysvipc"
)

const (
	seekData = unix.SEEK_DATA
	seekHole = unix.SEEK_HOLE
)

func isNoData(err error) bool { return errors.Is(err, unix.ENXIO) }

// Open reads a segment through a process of this IPC namespace that has it attached. The
// error is [fs.ErrPermission], and says what was tried, where that is not possible. For many segments see [Find].
func Open(id int) (*View, error) { return find(id).Open(id) }

// Users are the processes that have segments attached, as they were at one time.
type Users struct {
	of     map[int][]user
	hidden int // processes that do not show what they have
	err    error
}

type user struct {
	pid  string
	maps []mapping
}

// Find looks once through all processes, for [Users.Open] of many segments.
func Find() *Users { return find(anyID) }

const anyID = -1

// find looks for the users of one segment, or of all.
func find(id int) *Users {
	u := &Users{of: map[int][]user{}}
	here, err := os.Readlink("/proc/self/ns/ipc")
	if err != nil {
		u.err = err
		return u
	}
	dirs, _ := filepath.Glob("/proc/[0-9]*")
	for _, dir := range dirs {
		pid := filepath.Base(dir)
		found, err := mappings(pid, id)
		if errors.Is(err, fs.ErrPermission) {
			u.hidden++
		}
		if len(found) == 0 {
			continue
		}
		if there, err := os.Readlink(dir + "/ns/ipc"); err != nil || there != here {
			continue
		}
		for id, maps := range found {
			u.of[id] = append(u.of[id], user{pid, maps})
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

// mapping is a part of a segment in an address space.
type mapping struct {
	start, end uint64 // addresses
	offset     int64  // in the segment
	name       string // of its file in map_files
	readable   bool
}

// mappings returns where a process has the segment, or by anyID all that it has. A line of maps is
//
//	7f0a-7f1a rw-s 00000000 00:01 5   /SYSV000004d2 (deleted)
//
// with the ID as the number of the inode.
func mappings(pid string, id int) (map[int][]mapping, error) {
	text, err := os.ReadFile("/proc/" + pid + "/maps")
	if err != nil {
		return nil, err
	}
	return parseMappings(text, id), nil
}

func parseMappings(text []byte, id int) map[int][]mapping {
	mark := []byte(" /SYSV")
	if !bytes.Contains(text, mark) {
		return nil
	}
	found := map[int][]mapping{}
	for line := range bytes.Lines(text) {
		if !bytes.Contains(line, mark) {
			continue
		}
		f := strings.Fields(string(line))
		if len(f) < 6 || !strings.HasPrefix(f[5], "/SYSV") || len(f[1]) != 4 {
			continue
		}
		inode, err := strconv.Atoi(f[4])
		if err != nil || inode < 0 || id != anyID && inode != id {
			continue
		}
		from, to, _ := strings.Cut(f[0], "-")
		start, err1 := strconv.ParseUint(from, 16, 64)
		end, err2 := strconv.ParseUint(to, 16, 64)
		offset, err3 := strconv.ParseInt(f[2], 16, 64)
		if err1 != nil || err2 != nil || err3 != nil || end <= start {
			continue
		}
		found[inode] = append(found[inode], mapping{start, end, offset, f[0], f[1][0] == 'r'})
	}
	return found
}

// through reads the segment by the memory file behind one of the mappings, for which CAP_CHECKPOINT_RESTORE is needed, or
// by the memory of the process, for which one must be allowed to trace it.
func through(pid string, maps []mapping, id int, size int64) (*View, error) {
	file, err := openMapped(pid, maps, id, size, os.O_RDONLY)
	if err == nil {
		return &View{Through: "process " + pid, r: file, size: size, file: file, done: file.Close}, nil
	}
	mem, memErr := os.Open("/proc/" + pid + "/mem")
	if memErr != nil {
		return nil, errors.Join(err, memErr)
	}
	m := &processMemory{mem, pid, id, maps, size}
	v := &View{Through: "the memory of process " + pid, r: m, size: size, all: untouched(id), done: mem.Close}
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
	maps, err := mappings("self", id)
	if err != nil {
		return nil, err
	}
	return openMapped("self", maps[id], id, size, flag)
}

func openMapped(pid string, maps []mapping, id int, size int64, flag int) (*os.File, error) {
	err := error(fs.ErrNotExist)
	for _, m := range maps {
		var file *os.File
		if file, err = os.OpenFile("/proc/"+pid+"/map_files/"+m.name, flag, 0); err != nil {
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
	pid  string
	id   int
	maps []mapping
	size int64
}

// at returns the address of a byte and how many follow in the same mapping.
func (m *processMemory) at(off int64) (addr uint64, n int64) {
	for _, p := range m.maps {
		length := int64(p.end - p.start)
		if p.readable && off >= p.offset && off-p.offset < length {
			return p.start + uint64(off-p.offset), length - (off - p.offset)
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
	if now, err := mappings(m.pid, m.id); err != nil || !slices.Equal(now[m.id], m.maps) {
		return 0, errors.New("the process that had it attached has detached it meanwhile, or ended")
	}
	return done, nil
}
