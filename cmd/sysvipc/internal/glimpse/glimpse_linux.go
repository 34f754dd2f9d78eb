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
// error is [fs.ErrPermission], and says what was tried, where that is not possible.
func Open(id int) (*View, error) {
	st, err := sysvipc.SegmentByID(id).Stat()
	if err != nil {
		return nil, err
	}
	refuse := func(format string, args ...any) (*View, error) {
		return nil, fmt.Errorf("shm:%d cannot be read without attaching it: %s: %w", id, fmt.Sprintf(format, args...), fs.ErrPermission)
	}
	if st.Attaches == 0 {
		return refuse("no process has it attached, through which it could be read")
	}
	here, err := os.Readlink("/proc/self/ns/ipc")
	if err != nil {
		return refuse("/proc does not show the IPC namespaces (%v)", err)
	}
	seen, hidden, last := 0, 0, error(nil)
	dirs, _ := filepath.Glob("/proc/[0-9]*")
	for _, dir := range dirs {
		pid := filepath.Base(dir)
		maps, err := mappings(pid, id)
		if err != nil {
			if errors.Is(err, fs.ErrPermission) {
				hidden++
			}
			continue
		}
		if len(maps) == 0 {
			continue
		}
		if there, err := os.Readlink(filepath.Join(dir, "ns/ipc")); err != nil || there != here {
			continue
		}
		seen++
		v, err := through(pid, maps, id, st.Size)
		if err == nil {
			return v, nil
		}
		last = err
	}
	switch {
	case seen > 0:
		return refuse("%d of those who have it attached can be seen, and the kernel does not let this user read their memory (%v)", seen, last)
	case hidden > 0:
		return refuse("%d processes do not let this user see what they have attached", hidden)
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

// mappings returns where a process has the segment. A line of maps is
//
//	7f0a-7f1a rw-s 00000000 00:01 5   /SYSV000004d2 (deleted)
//
// with the ID as the number of the inode.
func mappings(pid string, id int) ([]mapping, error) {
	text, err := os.ReadFile("/proc/" + pid + "/maps")
	if err != nil {
		return nil, err
	}
	return parseMappings(text, id), nil
}

func parseMappings(text []byte, id int) (found []mapping) {
	for line := range bytes.Lines(text) {
		if !bytes.Contains(line, []byte(" /SYSV")) {
			continue
		}
		f := strings.Fields(string(line))
		if len(f) < 6 || !strings.HasPrefix(f[5], "/SYSV") || f[4] != strconv.Itoa(id) || len(f[1]) != 4 {
			continue
		}
		from, to, _ := strings.Cut(f[0], "-")
		start, err1 := strconv.ParseUint(from, 16, 64)
		end, err2 := strconv.ParseUint(to, 16, 64)
		offset, err3 := strconv.ParseInt(f[2], 16, 64)
		if err1 != nil || err2 != nil || err3 != nil || end <= start {
			continue
		}
		found = append(found, mapping{start, end, offset, f[0], f[1][0] == 'r'})
	}
	return found
}

// through reads the segment by the memory file behind one of the mappings, for which CAP_CHECKPOINT_RESTORE is needed, or
// by the memory of the process, for which one must be allowed to trace it.
func through(pid string, maps []mapping, id int, size int64) (*View, error) {
	file, err := openMapped(pid, maps, id, size, os.O_RDONLY)
	if err == nil {
		return &View{Through: "process " + pid, Exact: true, r: file, size: size, file: file, done: file.Close}, nil
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
	return openMapped("self", maps, id, size, flag)
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
	if now, err := mappings(m.pid, m.id); err != nil || !slices.Equal(now, m.maps) {
		return 0, errors.New("the process that had it attached has detached it meanwhile, or ended")
	}
	return done, nil
}
