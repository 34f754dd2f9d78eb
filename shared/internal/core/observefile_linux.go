package core

import (
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// LookFile is look for a region in a file.
func LookFile(path string, all Kinds) (*Region, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	r, err := lookAtFile(path, all)
	if err != nil && !errors.As(err, new(*os.PathError)) { // which says it all
		err = fmt.Errorf("shared: region in %s: %w", path, err)
	}
	return r, err
}

func lookAtFile(path string, all Kinds) (*Region, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	st, err := f.Stat()
	switch {
	case err != nil:
		return nil, err
	case !st.Mode().IsRegular() || st.Size() < HeaderLen || st.Size() > math.MaxInt:
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
	r := newRegion("", all)
	r.memory = &fileMemory{start: start, size: int(st.Size())}
	if err := r.observe(); err != nil {
		return nil, err
	}
	r.Name = path
	v := r.View.Load()
	defer v.Done()
	r.stale = v.Header().Boot != boot
	return r, nil
}
