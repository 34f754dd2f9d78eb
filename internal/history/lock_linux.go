package history

import (
	"errors"
	"os"
	"syscall"
)

// lockFile keeps other processes from writing the same history, for as long as the file is open. See flock(2).
func lockFile(file *os.File) error {
	err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if err == syscall.EWOULDBLOCK {
		return errors.New("another process writes this history")
	}
	return err
}
