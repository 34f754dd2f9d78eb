package ipctest

import (
	"os"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// NeedBPF skips the test where the kernel loads no eBPF program of tracing for this process, or has no BTF.
func NeedBPF(t testing.TB) {
	t.Helper()
	exit := [2]uint64{0xb7, 0x95} // r0 = 0; exit
	license := []byte("GPL\x00")
	attr := struct {
		programType, count  uint32
		instructions        uint64
		license             uint64
		level, size         uint32
		log                 uint64
		version, flags      uint32
		name                [16]byte
		ifindex, attachType uint32
	}{programType: unix.BPF_PROG_TYPE_RAW_TRACEPOINT, count: 2, instructions: uint64(uintptr(unsafe.Pointer(&exit))), license: uint64(uintptr(unsafe.Pointer(&license[0])))}
	fd, _, errno := unix.Syscall(unix.SYS_BPF, unix.BPF_PROG_LOAD, uintptr(unsafe.Pointer(&attr)), unsafe.Sizeof(attr))
	if errno != 0 {
		t.Skip("needs bpf(2): CAP_BPF and CAP_PERFMON, and no sandbox that forbids it:", errno)
	}
	unix.Close(int(fd))
	if _, err := os.Stat("/sys/kernel/btf/vmlinux"); err != nil {
		t.Skip("needs the kernel's BTF:", err)
	}
}
