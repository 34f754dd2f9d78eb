package cluster

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
)

// journal is a file of records at fixed places, each with its checksum. A record is
// written in one call, so that a process that is killed leaves the old one or the new one.
type journal struct{ file *os.File }

// openJournal opens or makes the file, for one process at a time.
func openJournal(path string) (*journal, error) {
	if path == "" {
		return nil, errors.New("cluster: a bridge needs a journal")
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, fmt.Errorf("cluster: %w", err)
	}
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("cluster: %w", err)
	}
	if err := lockFile(file); err != nil {
		file.Close()
		return nil, fmt.Errorf("cluster: journal %s: %w (another bridge uses it)", path, err)
	}
	return &journal{file}, nil
}

func (j *journal) close() { j.file.Close() }

// write writes numbers at a place.
func (j *journal) write(at int64, numbers ...uint64) error {
	var room [128]byte
	return j.put(at, room[:0], numbers)
}

// writeAll writes many.
func (j *journal) writeAll(at int64, numbers []uint64) error {
	return j.put(at, make([]byte, 0, 8*(len(numbers)+1)), numbers)
}

func (j *journal) put(at int64, b []byte, numbers []uint64) error {
	for _, n := range numbers {
		b = binary.LittleEndian.AppendUint64(b, n)
	}
	b = binary.LittleEndian.AppendUint64(b, uint64(crc32.ChecksumIEEE(b)))
	_, err := j.file.WriteAt(b, at)
	return err
}

// read reads n numbers from a place; nil, if no whole record is there.
func (j *journal) read(at int64, n int) ([]uint64, error) {
	b := make([]byte, 8*(n+1))
	if _, err := j.file.ReadAt(b, at); errors.Is(err, io.EOF) {
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	if binary.LittleEndian.Uint64(b[8*n:]) != uint64(crc32.ChecksumIEEE(b[:8*n])) {
		return nil, nil
	}
	numbers := make([]uint64, n)
	for i := range numbers {
		numbers[i] = binary.LittleEndian.Uint64(b[8*i:])
	}
	return numbers, nil
}
