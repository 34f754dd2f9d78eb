package run

import (
	"os"
	"strings"
	"syscall"
)

// environment is what this process was handed. Package os drops one of two variables
// with the same name, and makes a table of all, which takes longer than to read the file.
func environment() []string {
	file, err := syscall.Open("/proc/self/environ", syscall.O_RDONLY|syscall.O_CLOEXEC, 0)
	if err != nil {
		return os.Environ()
	}
	defer syscall.Close(file)
	all := make([]byte, 0, 8192)
	for {
		n, err := syscall.Read(file, all[len(all):cap(all)])
		if err != nil {
			return os.Environ()
		}
		if n == 0 {
			break
		}
		if all = all[:len(all)+n]; len(all) == cap(all) {
			all = append(all, make([]byte, len(all))...)[:len(all)]
		}
	}
	if len(all) == 0 || all[len(all)-1] != 0 {
		return os.Environ()
	}
	return strings.Split(string(all[:len(all)-1]), "\x00")
}
