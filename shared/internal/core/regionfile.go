package core

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// InFile opens the region in the file at path, or makes it, as the flags for open(2) say.
func InFile(ctx context.Context, path string, flags int, opts *Options, all Kinds) (*Region, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	fresh, perm, err := opts.config("")
	if err != nil {
		return nil, err
	}
	if opts != nil && opts.HugePages != 0 {
		return nil, fmt.Errorf("shared: region in %s: huge pages are for regions in segments: put the file on a hugetlbfs, or ask for none", path)
	}
	if err := StartRobustOwners(); err != nil {
		return nil, err
	}
	made := &fresh
	if flags == 0 {
		made = nil
	}
	r := newRegion(path, all)
	for {
		if r.File, err = openRegionFile(path, flags, perm); err != nil {
			return nil, err
		}
		if flags == os.O_CREATE && !r.File.fresh {
			err = opts.checkFile(r.File, perm)
		}
		if err == nil {
			err = r.enterFile(ctx, made)
		}
		if err == nil {
			break
		}
		r.File.close()
		if !errors.Is(err, errGone) {
			return nil, fmt.Errorf("shared: region in %s: %w", path, err)
		}
	}
	// Who had it open before a reboot is dead, and nobody has looked after them.
	v := r.View.Load()
	defer v.Done()
	r.ReapDead(v)
	return r, nil
}

// errGone: the file was removed by another before there was a region in it.
var errGone = fmt.Errorf("it was removed: %w", fs.ErrNotExist)

// openRegionFile opens the file, or makes it if the flags say so, and knows which of them it
// did: a file that this process has made goes again if no region can be made in it.
func openRegionFile(path string, flags int, perm fs.FileMode) (*regionFile, error) {
	if flags != os.O_CREATE {
		return openFile(path, flags, perm)
	}
	for {
		f, err := openFile(path, 0, perm)
		if !errors.Is(err, fs.ErrNotExist) {
			return f, err
		}
		f, err = openFile(path, os.O_CREATE|os.O_EXCL, perm)
		if !errors.Is(err, fs.ErrExist) {
			return f, err
		}
		// It was made meanwhile, or is a link to what is not there, which open(2) made with
		// O_EXCL does not follow. The link is followed here; open(2) refuses a loop of them.
		if target, err := os.Readlink(path); err == nil {
			if !filepath.IsAbs(target) {
				target = filepath.Join(filepath.Dir(path), target)
			}
			path = target
		}
	}
}

// openFile opens one file, and makes it with just these permissions if the flags say so.
func openFile(path string, flags int, perm fs.FileMode) (*regionFile, error) {
	f, err := os.OpenFile(path, os.O_RDWR|flags, perm)
	if err != nil {
		return nil, err
	}
	fresh := flags != 0
	if fresh {
		if err := f.Chmod(perm); err != nil { // which the umask has cut
			return nil, errors.Join(err, f.Close(), os.Remove(path))
		}
	}
	return &regionFile{File: f, fresh: fresh}, nil
}

// Sync writes the region to the disk, if it lies in a file.
func (r *Region) Sync() error {
	v, err := r.Use()
	if err != nil {
		return err
	}
	defer v.Done()
	if r.File == nil {
		return nil
	}
	return r.File.sync(v)
}

// outlive marks each lock that was held when the system went down as the kernel marks
// the locks of the dead. Nobody else has the region open.
func (r *Region) outlive(v *View) {
	died(&v.Header().Dir)
	for i := range int(r.Config.Slots) {
		died(&v.Slot(r.Plan, i).Life)
	}
	for i := range uint64(r.Config.entries) {
		e := (*Entry)(v.At(r.Plan.Table + i*EntryLen))
		if e.state != entryReady {
			continue
		}
		if t, ok := r.entryStructure(v, e); ok {
			r.locksOf(e.Kind, t, func(at uint64) { died((*Node)(v.At(at))) })
		}
	}
}

func died(n *Node) {
	if n.Word != 0 {
		n.Word = OwnerDied
	}
}
