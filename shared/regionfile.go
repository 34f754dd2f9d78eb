package shared

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// EnsureFile opens the region in the file at path, or makes it. It is a region like those
// in segments, and what is in it is still there after a reboot: who had it open then counts
// as killed, as in a copy of the file. The file takes its whole size on the disk from the beginning, so that there is
// room for all that is written.
//
// A file that lets in others than [Options.Perm] does is refused with [sysvipc.ErrUnsafe], as
// a segment is.
//
// The file must be on a file system of this machine, whose processes alone may have it
// open. What they write gets to the disk some time later, in no order, so that after a
// failure of the power it may be any mixture of old and new: see [Region.Sync]. Nobody
// shall cut the file short while it is open: the processes that use it would get SIGBUS.
func EnsureFile(ctx context.Context, path string, opts *Options) (*Region, error) {
	return inFile(ctx, path, os.O_CREATE, opts)
}

// CreateFile makes a region in a new file. It fails with [fs.ErrExist] if there is a file
// at path.
func CreateFile(ctx context.Context, path string, opts *Options) (*Region, error) {
	return inFile(ctx, path, os.O_CREATE|os.O_EXCL, opts)
}

// OpenFile opens the region in the file at path. It fails with [fs.ErrNotExist] if there is
// none.
func OpenFile(ctx context.Context, path string) (*Region, error) { return inFile(ctx, path, 0, nil) }

func inFile(ctx context.Context, path string, flags int, opts *Options) (*Region, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	fresh, perm, err := opts.config("")
	if err != nil {
		return nil, err
	}
	if err := startGuardians(); err != nil {
		return nil, err
	}
	made := &fresh
	if flags == 0 {
		made = nil
	}
	r := newRegion(path)
	for {
		if r.file, err = openRegionFile(path, flags, perm); err != nil {
			return nil, err
		}
		if flags == os.O_CREATE && !r.file.fresh {
			err = opts.checkFile(r.file, perm)
		}
		if err == nil {
			err = r.enterFile(ctx, made)
		}
		if err == nil {
			break
		}
		r.file.close()
		if !errors.Is(err, errGone) {
			return nil, fmt.Errorf("shared: region in %s: %w", path, err)
		}
	}
	// Who had it open before a reboot is dead, and nobody has looked after them.
	v := r.view.Load()
	defer v.done()
	r.reapDead(v)
	return r, nil
}

// errGone: the file was removed by another before there was a region in it.
var errGone = fmt.Errorf("it was removed: %w", fs.ErrNotExist)

// openRegionFile opens the file, or makes it if the flags say so, and knows which of them it
// did: a file that this process has made goes again if no region can be made in it.
func openRegionFile(path string, flags int, perm fs.FileMode) (*regionFile, error) {
	open := func(flags int, fresh bool) (*regionFile, error) {
		f, err := os.OpenFile(path, os.O_RDWR|flags, perm)
		if err != nil {
			return nil, err
		}
		if fresh {
			if err := f.Chmod(perm); err != nil { // which the umask has cut
				return nil, errors.Join(err, f.Close(), os.Remove(path))
			}
		}
		return &regionFile{File: f, fresh: fresh}, nil
	}
	if flags != os.O_CREATE {
		return open(flags, flags != 0)
	}
	f, err := open(0, false)
	if errors.Is(err, fs.ErrNotExist) {
		f, err = open(os.O_CREATE|os.O_EXCL, true)
	}
	if errors.Is(err, fs.ErrExist) { // made meanwhile, or a link to what is not there
		f, err = open(os.O_CREATE, false)
	}
	return f, err
}

// Sync writes the region to the disk, if it lies in a file, and returns when that is done.
func (r *Region) Sync() error {
	v, err := r.use()
	if err != nil {
		return err
	}
	defer v.done()
	if r.file == nil {
		return nil
	}
	return r.file.sync(v)
}

// outlive marks each lock that somebody held when the system went down as the kernel marks
// the locks of the dead. Nobody else has the region open.
func (r *Region) outlive(v *view) {
	died(&v.header().dir)
	for i := range int(r.config.slots) {
		died(&v.slot(r.plan, i).life)
	}
	for i := range uint64(r.config.entries) {
		e := (*entry)(v.at(r.plan.table + i*entryLen))
		if e.state != entryReady {
			continue
		}
		if t, ok := r.entryThing(v, e); ok {
			locksOf(e.kind, t, func(at uint64) { died((*node)(v.at(at))) })
		}
	}
}

func died(n *node) {
	if n.word != 0 {
		n.word = futexOwnerDied
	}
}
