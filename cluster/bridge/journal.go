package bridge

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// journal is a file of numbers, mapped into memory: what is noted there costs no call, and
// is the kernel's at once, so that it lasts when the process is killed. A process that is
// killed has written a number whole or not at all, and the numbers in the order in which
// it wrote them.
type journal struct {
	file *os.File
	data []byte // mapped
}

// openJournal opens or makes the file with so many numbers, for one process at a time. Kind
// says what they mean, and is the first of them.
func openJournal(path string, kind uint64, numbers int) (*journal, error) {
	if path == "" {
		return nil, errors.New("bridge: a bridge needs a journal")
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, fmt.Errorf("bridge: %w", err)
	}
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("bridge: %w", err)
	}
	j := &journal{file: file}
	if err := j.open(path, kind, 8*numbers); err != nil {
		file.Close()
		return nil, err
	}
	return j, nil
}

func (j *journal) open(path string, kind uint64, size int) error {
	if err := lockFile(j.file); err != nil {
		return fmt.Errorf("bridge: journal %s: %w (another bridge uses it)", path, err)
	}
	var first [8]byte
	n, err := j.file.ReadAt(first[:], 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return fmt.Errorf("bridge: %w", err)
	}
	if n > 0 && binary.NativeEndian.Uint64(first[:]) != kind {
		return fmt.Errorf("bridge: %s is not the journal of a bridge in this direction (choose another file, or remove it)", path)
	}
	st, err := j.file.Stat()
	if err == nil && st.Size() < int64(size) { // it is new, or never became whole
		fresh := make([]byte, size)
		binary.NativeEndian.PutUint64(fresh, kind)
		_, err = j.file.WriteAt(fresh, 0)
	}
	if err == nil {
		j.data, err = mapFile(j.file, size)
	}
	if err != nil {
		return fmt.Errorf("bridge: journal %s: %w", path, err)
	}
	return nil
}

func (j *journal) get(i int) uint64    { return binary.NativeEndian.Uint64(j.data[8*i:]) }
func (j *journal) set(i int, n uint64) { binary.NativeEndian.PutUint64(j.data[8*i:], n) }

func (j *journal) close() {
	unmapFile(j.data)
	j.data = nil
	j.file.Close()
}
