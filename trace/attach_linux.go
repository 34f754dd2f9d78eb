//go:build amd64 || arm64

package trace

import (
	"errors"
	"fmt"
	"os"
	"unsafe"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"
)

// attachment holds a program at its tracepoint. The kernel detaches it when the file is closed, or its process ends.
type attachment int

// attachProgram asks bpf(2) to run a program at the tracepoint that it was loaded for. Package link of cilium/ebpf would do
// that, too, and makes every start of a program that links it slower.
func attachProgram(p *ebpf.Program) (attachment, error) {
	attr := struct { // BPF_RAW_TRACEPOINT_OPEN of linux/bpf.h
		name    uint64 // none: the program knows
		program uint32
		_       uint32
	}{program: uint32(p.FD())}
	fd, _, errno := unix.Syscall(unix.SYS_BPF, unix.BPF_RAW_TRACEPOINT_OPEN, uintptr(unsafe.Pointer(&attr)), unsafe.Sizeof(attr))
	if errno != 0 {
		return -1, fmt.Errorf("attach to the system calls: %w", errno)
	}
	return attachment(fd), nil
}

func (a attachment) Close() error { return unix.Close(int(a)) }

// chooseCgroups makes the map of the control groups that are traced.
func (m *kernelMaps) chooseCgroups(paths []string) (err error) {
	if m.cgroups, err = ebpf.NewMap(&ebpf.MapSpec{Name: "sysvipc_cgroups", Type: ebpf.CGroupArray, KeySize: 4, ValueSize: 4, MaxEntries: uint32(len(paths))}); err != nil {
		return fmt.Errorf("make the map of control groups: %w", err)
	}
	for i, path := range paths {
		dir, err := os.Open(path)
		if err != nil {
			return fmt.Errorf("trace: a control group: %w", err)
		}
		err = m.cgroups.Put(uint32(i), uint32(dir.Fd()))
		dir.Close()
		if errors.Is(err, unix.EBADF) || errors.Is(err, unix.EINVAL) {
			return fmt.Errorf("trace: %s is no control group of version 2", path)
		}
		if err != nil {
			return fmt.Errorf("choose control group %s: %w", path, err)
		}
	}
	return nil
}
