package inspect

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/sysvipc/sysvipc/internal/plural"
)

// Where the C library has these objects. Both are mounts, of which a container has its own.
const (
	posixShm    = "/dev/shm"
	posixMqueue = "/dev/mqueue"
)

// Posix lists the objects of POSIX IPC that this process can see, with the processes that have them open. It only reads; of
// a queue the kernel notes that as its atime.
func Posix(ctx context.Context) (*PosixObjects, error) {
	return posixIn(ctx, posixShm, posixMqueue)
}

// fileID tells files apart.
type fileID struct{ dev, ino uint64 }

func posixIn(ctx context.Context, shm, mqueue string) (*PosixObjects, error) {
	all := &PosixObjects{}
	places := map[fileID]int{}
	for _, dir := range []string{shm, mqueue} {
		entries, err := os.ReadDir(dir)
		switch {
		case errors.Is(err, fs.ErrNotExist) && dir == mqueue:
			all.Warnings = append(all.Warnings, fmt.Sprintf("%s is not mounted here, so message queues of POSIX cannot be seen", mqueue))
		case err != nil:
			all.Warnings = append(all.Warnings, err.Error())
		}
		for _, e := range entries {
			var st unix.Stat_t
			path := filepath.Join(dir, e.Name())
			if err := unix.Lstat(path, &st); err != nil || st.Mode&unix.S_IFMT != unix.S_IFREG {
				continue
			}
			info, err := e.Info()
			if err != nil {
				continue // it was removed meanwhile
			}
			o := PosixObject{
				Type: "shm", Name: "/" + e.Name(), Path: path, Size: st.Size, Mode: info.Mode().Perm(), UID: int(st.Uid), GID: int(st.Gid), Modified: info.ModTime(),
			}
			switch name, isSem := strings.CutPrefix(e.Name(), "sem."); {
			case dir == mqueue:
				o.Type = "mqueue"
				o.Size = -1
				if text, err := os.ReadFile(path); err == nil {
					o.Size = parseQueueSize(text)
				}
			case isSem:
				o.Type, o.Name, o.Value = "sem", "/"+name, semaphoreValue(path, st.Size)
			}
			places[fileID{uint64(st.Dev), st.Ino}] = len(all.All)
			all.All = append(all.All, o)
		}
	}
	err := all.findUsers(ctx, shm, places)
	all.Complete = len(all.Warnings) == 0
	return all, err
}

// semaphoreValue reads what sem_open(3) made: with 64-bit words the value and the number of waiters are the two halves of
// one number. The file's times stay as they are.
func semaphoreValue(path string, size int64) *int {
	if size != 32 {
		return nil // another C library, or one with 32-bit words
	}
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC|unix.O_NOATIME|unix.O_NOFOLLOW, 0)
	if err != nil {
		return nil
	}
	defer unix.Close(fd)
	p := make([]byte, 8)
	if n, err := unix.Pread(fd, p, 0); err != nil || n != len(p) {
		return nil
	}
	value := int(uint32(binary.NativeEndian.Uint64(p)))
	return &value
}

// findUsers looks at what each process has open, and mapped.
func (all *PosixObjects) findUsers(ctx context.Context, shm string, places map[fileID]int) error {
	if len(all.All) == 0 {
		return nil
	}
	p := newProcfs(defaultProc)
	pids, err := numbers(defaultProc)
	if err != nil {
		return err
	}
	slices.Sort(pids)
	clock := clock{}
	if text, err := p.read(p.root + "/stat"); err == nil {
		clock.boot, _ = parseBootTime(text)
	}
	hidden := 0
	room := make([]int, 1)
	for _, pid := range pids {
		if err := ctx.Err(); err != nil {
			return err
		}
		used := map[int]bool{}
		tids, err := p.threads(pid, room)
		if err == nil {
			tid := tids[len(tids)-1] // which has the files, too, if the first one has ended
			var text []byte
			if text, err = p.maps(pid, tids); err == nil {
				mappedFiles(text, shm, func(id fileID) { note(used, places, id) })
				err = openFiles(p.task(pid, tid, "fd"), func(id fileID) { note(used, places, id) })
			}
		}
		if denied(err) || errors.Is(err, fs.ErrPermission) {
			hidden++
		}
		if len(used) == 0 {
			continue
		}
		process, _ := p.process(pid, clock.boot)
		if process == nil {
			continue // it has ended
		}
		for i := range used {
			all.All[i].Users = append(all.All[i].Users, process)
		}
	}
	if hidden > 0 {
		all.Warnings = append(all.Warnings, fmt.Sprintf("this user may not see what %s have open", plural.Of(hidden, "process")))
	}
	return nil
}

func note(used map[int]bool, places map[fileID]int, id fileID) {
	if i, ok := places[id]; ok {
		used[i] = true
	}
}

// mappedFiles calls found with each file below a folder that is mapped, as /proc/PID/maps has it: "… MAJOR:MINOR INODE PATH".
func mappedFiles(text []byte, dir string, found func(fileID)) {
	below := []byte(dir + "/")
	for line := range bytes.Lines(text) {
		if !bytes.Contains(line, below) {
			continue
		}
		f := bytes.Fields(line)
		if len(f) < 6 {
			continue
		}
		major, minor, _ := strings.Cut(string(f[3]), ":")
		hi, err1 := strconv.ParseUint(major, 16, 32)
		lo, err2 := strconv.ParseUint(minor, 16, 32)
		ino, err3 := strconv.ParseUint(string(f[4]), 10, 64)
		if errors.Join(err1, err2, err3) == nil {
			found(fileID{unix.Mkdev(uint32(hi), uint32(lo)), ino})
		}
	}
}

// openFiles calls found with each file that is open. Pipes and sockets, which have no path, are passed over.
func openFiles(dir string, found func(fileID)) error {
	descriptors, err := numbers(dir)
	if err != nil {
		return err
	}
	for _, fd := range descriptors {
		path := dir + "/" + strconv.Itoa(fd)
		var st unix.Stat_t
		if to, err := os.Readlink(path); err != nil || !strings.HasPrefix(to, "/") || unix.Stat(path, &st) != nil {
			continue
		}
		found(fileID{uint64(st.Dev), st.Ino})
	}
	return nil
}
