package archive

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
)

// File is a [Writer] to a file that gets its name when it is whole.
type File struct {
	*Writer
	f    *os.File
	name string
	only bool // no file may have the name
	done bool
}

// CreateNew is Create for a name that no file may have: of several that are written at the same time, one gets
// it, and Commit of the others is [fs.ErrExist].
func CreateNew(name string, h Header) (*File, error) {
	if _, err := os.Lstat(name); err == nil {
		return nil, &fs.PathError{Op: "create", Path: name, Err: fs.ErrExist}
	}
	c, err := Create(name, h)
	if err == nil {
		c.only = true
	}
	return c, err
}

// Create begins a file. It has another name in the same directory until Commit, and may
// be read by its owner only, since segments and messages may be secret. An existing file stays until then.
func Create(name string, h Header) (*File, error) {
	if info, err := os.Stat(name); err == nil && !info.Mode().IsRegular() {
		return nil, &fs.PathError{Op: "create", Path: name, Err: errors.New("it exists and is no regular file")}
	}
	if target, err := filepath.EvalSymlinks(name); err == nil {
		name = target // a link stays one
	}
	f, err := os.CreateTemp(filepath.Dir(name), "."+filepath.Base(name)+".*.part")
	if err != nil {
		return nil, err
	}
	a, err := NewWriter(f, h)
	c := &File{Writer: a, f: f, name: name}
	if err != nil {
		c.Abandon()
		return nil, err
	}
	return c, nil
}

// Commit ends the file and gives it its name. With sync it is on the disk when Commit returns: only then
// may what it keeps be removed.
func (c *File) Commit(sync bool) error {
	err := c.Close()
	if err == nil && sync {
		err = c.f.Sync()
	}
	if err == nil {
		err = c.f.Close()
	}
	if err == nil && c.only {
		err = take(c.name)
	}
	if err == nil {
		err = os.Rename(c.f.Name(), c.name)
	}
	if err != nil {
		c.Abandon()
		return err
	}
	c.done = true
	if sync {
		return syncDir(filepath.Dir(c.name))
	}
	return nil
}

// take makes an empty file, if there is none.
func take(name string) error {
	f, err := os.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	return f.Close()
}

// Abandon removes a file that is not whole. After Commit it does nothing.
func (c *File) Abandon() {
	if c.done {
		return
	}
	c.done = true
	if c.Writer != nil {
		_ = c.Close()
	}
	c.f.Close()
	os.Remove(c.f.Name())
}

// syncDir brings a new name to the disk.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	// Some file systems have nothing to sync there, and say that it is invalid.
	if err := d.Sync(); err != nil && !errors.Is(err, errors.ErrUnsupported) && !errors.Is(err, fs.ErrInvalid) {
		return err
	}
	return nil
}
