package shared

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
)

// EnsureFile opens the region in the file at path, or makes it. It is a region like those
// in segments, and what is in it is still there after a reboot: who had it open then counts
// as killed, as in a copy of the file. The file takes its whole size on the disk from the beginning, so that there is
// room for all that is written.
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
	f, err := os.OpenFile(path, os.O_RDWR|flags, perm)
	if err != nil {
		return nil, err
	}
	r := newRegion(path)
	r.file = &regionFile{File: f}
	made := &fresh
	if flags == 0 {
		made = nil
	}
	if err := r.enterFile(ctx, made); err != nil {
		r.file.close()
		return nil, fmt.Errorf("shared: region in %s: %w", path, err)
	}
	// Who had it open before a reboot is dead, and nobody has looked after them.
	v := r.view.Load()
	defer v.done()
	r.reapDead(v)
	return r, nil
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
