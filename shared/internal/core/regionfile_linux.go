package core

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"sync/atomic"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/sysvipc/sysvipc"
)

// regionFile is the file of a region. A participant has a shared lock on the
// file, flock(2); the process that makes it, or opens it first after a reboot, an exclusive one
// meanwhile. So who has to do that is alone.
type regionFile struct {
	*os.File
	fresh bool // this process has made the file
	lent  bool // to a goroutine that waits for a lock, and closes it
}

// enterFile makes the region if that is to be done, and joins it.
func (r *Region) enterFile(ctx context.Context, fresh *Config) (err error) {
	f := r.File
	boot, err := f.bootID()
	if err != nil {
		return err
	}
	if err := f.lock(ctx, unix.LOCK_SH); err != nil {
		return err
	}
	alone := false
	if ready, err := f.ready(boot, fresh != nil); err != nil {
		return err
	} else if !ready {
		// The locks are exchanged, in two steps: another may come between.
		if err := f.lock(ctx, unix.LOCK_EX); err != nil {
			return err
		}
		if ready, err = f.ready(boot, fresh != nil); err != nil {
			return err
		}
		alone = !ready
	}
	if alone {
		if err := f.isThere(); err != nil {
			return err
		}
		defer func() {
			if err != nil {
				f.abandon()
			}
		}()
		if err := f.prepare(fresh); err != nil {
			return err
		}
	}
	if r.memory, err = f.attach(); err != nil {
		return err
	}
	err = r.enter(func(v *View) error {
		if !alone {
			return r.initialise(ctx, v, nil)
		}
		h := v.Header()
		if h.state < StateReady {
			h.Init = Node{} // of a creator that is dead
		}
		if err := r.initialise(ctx, v, fresh); err != nil {
			return err
		}
		if h.Boot != boot {
			r.outlive(v)
			h.Boot = boot
		}
		return nil
	})
	if err == nil {
		err = f.lock(ctx, unix.LOCK_SH)
	}
	if err != nil {
		if v := r.View.Swap(nil); v != nil {
			r.unwatch()
			_ = r.leave(v)
		} else {
			r.memory.Close()
		}
	}
	return err
}

// ready reports whether the region can be opened as it is. If not, and it is no foreign
// file, there is something to do first.
func (f *regionFile) ready(boot [16]byte, make bool) (bool, error) {
	st, err := f.Stat()
	if err != nil {
		return false, err
	}
	if !st.Mode().IsRegular() {
		return false, errors.New("it is no regular file")
	}
	if st.Size() == 0 && make {
		return false, nil
	}
	if st.Size() == 0 {
		return false, fmt.Errorf("%w: the file is empty (EnsureFile makes one in it)", ErrNoRegion)
	}
	var h Header
	b := unsafe.Slice((*byte)(unsafe.Pointer(&h)), HeaderLen) // a header has no pointers
	if _, err := f.ReadAt(b, 0); err != nil || h.magic != magic {
		return false, errForeign
	}
	switch {
	case h.state < StateReady && !make:
		return false, errors.New("its creator has not finished it, or was killed at it: open it with EnsureFile")
	case h.state >= StateReady && (h.size > uint64(st.Size()) || st.Size() > math.MaxInt):
		return false, fmt.Errorf("%w: it says that it has %d bytes, and has %d: the file was cut short", ErrCorrupt, h.size, st.Size())
	}
	return h.state >= StateReady && h.Boot == boot, nil
}

// owned returns the file's owner and mode. In a directory that gives its group to new files,
// the user who makes one need not be a member of it.
func (f *regionFile) owned() (o sysvipc.Object, err error) {
	var file, dir unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &file); err != nil {
		return o, os.NewSyscallError("fstat", err)
	}
	o = sysvipc.Object{Mode: fs.FileMode(file.Mode) & fs.ModePerm, UID: int(file.Uid), GID: int(file.Gid), CUID: int(file.Uid), CGID: int(file.Gid)}
	if unix.Stat(filepath.Dir(f.Name()), &dir) != nil || dir.Mode&unix.S_ISGID != 0 {
		o.CGID = -1
	}
	return o, nil
}

// abandon removes a file in which no region could be made, such as on a disk that is full, and
// gives its room back. The exclusive lock is held.
func (f *regionFile) abandon() {
	var h Header
	b := unsafe.Slice((*byte)(unsafe.Pointer(&h)), HeaderLen) // a header has no pointers
	if _, err := f.ReadAt(b, 0); f.lent || err == nil && h.state >= StateReady {
		return
	}
	_ = f.Truncate(0)
	if f.fresh {
		_ = f.remove()
	}
}

// isThere fails if the file was removed by another while this process waited to be alone.
func (f *regionFile) isThere() error {
	mine, err := f.Stat()
	if err != nil {
		return err
	}
	if there, err := os.Stat(f.Name()); err == nil && os.SameFile(there, mine) {
		return nil
	}
	return errGone
}

// prepare gives the file its size, if it is new. The magic comes first: an empty file may
// be taken to make a region in it, and another that does not begin so
// may not.
func (f *regionFile) prepare(fresh *Config) error {
	st, err := f.Stat()
	if err != nil {
		return err
	}
	h := Header{magic: magic, Version: Version, state: StateStarted}
	b := unsafe.Slice((*byte)(unsafe.Pointer(&h)), HeaderLen) // a header has no pointers
	if st.Size() > 0 {
		if _, err := f.ReadAt(b, 0); err != nil || h.state >= StateReady {
			return err
		}
	} else if _, err := f.WriteAt(b, 0); err != nil {
		return err
	}
	if err := f.Truncate(HeaderLen); err != nil {
		return err
	}
	return f.Truncate(int64(fresh.size))
}

// attach maps the file. All of it has a place on the disk first: where there is none, a
// write would end in SIGBUS.
func (f *regionFile) attach() (memory, error) {
	st, err := f.Stat()
	if err != nil {
		return nil, err
	}
	size := st.Size()
	for {
		err = unix.Fallocate(int(f.Fd()), 0, 0, size)
		if err != unix.EINTR {
			break
		}
	}
	if err != nil {
		return nil, fmt.Errorf("reserve %d bytes on the disk: %w", size, err)
	}
	start, err := unix.MmapPtr(int(f.Fd()), 0, nil, uintptr(size), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return nil, fmt.Errorf("mmap: %w", err)
	}
	return &fileMemory{start: start, size: int(size)}, nil
}

// fileMemory is a mapping of a file. As with [sysvipc.Memory], goroutines may use it when it
// is closed: zeros take its place, and the range goes back when nobody has it any more.
type fileMemory struct {
	start  unsafe.Pointer
	size   int
	closed atomic.Bool
}

func (m *fileMemory) Hold() ([]byte, any) { return unsafe.Slice((*byte)(m.start), m.size), m }

func (m *fileMemory) Close() error {
	if m.closed.Swap(true) {
		return fs.ErrClosed
	}
	size := uintptr(m.size)
	_, err := unix.MmapPtr(-1, 0, m.start, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS|unix.MAP_FIXED|unix.MAP_NORESERVE)
	runtime.AddCleanup(m, func(start unsafe.Pointer) { _ = unix.MunmapPtr(start, size) }, m.start)
	return err
}

func (f *regionFile) sync(v *View) error {
	if err := unix.Msync(v.Bytes, unix.MS_SYNC); err != nil {
		return fmt.Errorf("shared: sync %s: %w", f.Name(), err)
	}
	return nil
}

// remove removes the file, if it is still the one at its path.
func (f *regionFile) remove() error {
	there, err := os.Stat(f.Name())
	if err != nil {
		return err
	}
	mine, err := f.Stat()
	if err != nil {
		return err
	}
	if !os.SameFile(there, mine) {
		return fmt.Errorf("shared: remove region in %s: another file is there now: %w", f.Name(), fs.ErrNotExist)
	}
	return os.Remove(f.Name())
}

// isRemoved reports whether no name of the file is left.
func (f *regionFile) isRemoved() bool {
	info, err := f.Stat() // which may come beside a Close
	if err != nil {
		return false
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	return ok && st.Nlink == 0
}

func (f *regionFile) close() error {
	if f.lent {
		return nil
	}
	return f.Close()
}

// lock takes a lock on the file, or exchanges the one that it has, and waits until ctx is
// done: then the file is closed.
func (f *regionFile) lock(ctx context.Context, how int) error {
	flock := func(how int) error {
		for {
			if err := unix.Flock(int(f.Fd()), how); err != unix.EINTR {
				return err
			}
		}
	}
	if err := flock(how | unix.LOCK_NB); err != unix.EWOULDBLOCK {
		return os.NewSyscallError("flock", err)
	}
	taken := make(chan error, 1)
	go func() { taken <- flock(how) }()
	select {
	case err := <-taken:
		return os.NewSyscallError("flock", err)
	case <-ctx.Done():
		f.lent = true
		go func() {
			<-taken
			f.Close()
		}()
		return ctx.Err()
	}
}

// bootID returns what tells this boot of the system from all others, and this file from a
// copy that was made while a process had it open: by random(4) and statx(2).
func (f *regionFile) bootID() (id [16]byte, err error) {
	boot, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return id, fmt.Errorf("which boot this is: %w", err)
	}
	var st unix.Statx_t
	if err := unix.Statx(int(f.Fd()), "", unix.AT_EMPTY_PATH, unix.STATX_INO|unix.STATX_BTIME, &st); err != nil {
		return id, os.NewSyscallError("statx", err)
	}
	h := fnv.New128a()
	fmt.Fprintf(h, "%s%d:%d %d %d.%d", boot, st.Dev_major, st.Dev_minor, st.Ino, st.Btime.Sec, st.Btime.Nsec)
	return [16]byte(h.Sum(nil)), nil
}
