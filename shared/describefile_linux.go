package shared

import (
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// LookFile is [Look] for a region in a file.
func LookFile(path string) (*Observer, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	o, err := lookFile(path)
	if err != nil && !errors.As(err, new(*os.PathError)) { // which says it all
		err = fmt.Errorf("shared: region in %s: %w", path, err)
	}
	return o, err
}

func lookFile(path string) (*Observer, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	st, err := f.Stat()
	switch {
	case err != nil:
		return nil, err
	case !st.Mode().IsRegular() || st.Size() < headerLen || st.Size() > math.MaxInt:
		return nil, ErrNoRegion
	}
	boot, err := (&regionFile{File: f}).bootID()
	if err != nil {
		return nil, err
	}
	start, err := unix.MmapPtr(int(f.Fd()), 0, nil, uintptr(st.Size()), unix.PROT_READ, unix.MAP_SHARED)
	if err != nil {
		return nil, fmt.Errorf("mmap: %w", err)
	}
	o, err := observe(&Region{memory: &fileMemory{start: start, size: int(st.Size())}})
	if err != nil {
		return nil, err
	}
	o.r.name = path
	v := o.r.view.Load()
	defer v.done()
	o.stale = v.header().boot != boot
	return o, nil
}
