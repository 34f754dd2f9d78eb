package ipctest

import (
	"errors"
	"fmt"
	"runtime"
	"syscall"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Match restricts a [Fault] to calls with a certain argument.
type Match struct {
	Arg   int    // 0 is the first argument
	Value uint32 // of its lower 32 bits
	Mask  uint32 // the bits to look at; 0 means all
}

// Fault makes the system call nr answer errno in this whole process from now on, if all of match hold. There is no way
// back, so it is for children. It gives the answers that a real kernel has only when it is out of memory, or old:
//
//	nr, _ := ipctest.Syscall("shmget")
//	c.Check(ipctest.Fault(nr, syscall.ENFILE))
//
// The test that starts such a child calls [NeedFault] first.
func Fault(nr uintptr, errno syscall.Errno, match ...Match) error {
	if err := canFault(); err != nil {
		return err
	}
	program := faultProgram(uint32(nr), errno, match)
	filter := unix.SockFprog{Len: uint16(len(program)), Filter: &program[0]}

	// NO_NEW_PRIVS is of the thread; the filter takes it along to the others.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("no_new_privs: %w", err)
	}
	tid, _, e := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, unix.SECCOMP_FILTER_FLAG_TSYNC,
		uintptr(unsafe.Pointer(&filter)))
	runtime.KeepAlive(program)
	if e != 0 {
		return fmt.Errorf("seccomp: %w", e)
	}
	if tid != 0 {
		return fmt.Errorf("seccomp: thread %d has another filter", tid)
	}
	return nil
}

// NeedFault skips the test where [Fault] cannot work.
func NeedFault(t testing.TB) {
	t.Helper()
	if err := canFault(); err != nil {
		t.Skip("ipctest: " + err.Error())
	}
}

func canFault() error {
	if UnderQEMU() {
		return errors.New("needs seccomp filters, which qemu-user does not have")
	}
	if _, ok := auditArch[runtime.GOARCH]; !ok {
		return errors.New("needs the audit number of " + runtime.GOARCH + " for a seccomp filter")
	}
	return nil
}

// auditArch is how a seccomp filter knows the port whose call it sees.
var auditArch = map[string]uint32{
	"386":      unix.AUDIT_ARCH_I386,
	"amd64":    unix.AUDIT_ARCH_X86_64,
	"arm":      unix.AUDIT_ARCH_ARM,
	"arm64":    unix.AUDIT_ARCH_AARCH64,
	"loong64":  unix.AUDIT_ARCH_LOONGARCH64,
	"mips":     unix.AUDIT_ARCH_MIPS,
	"mipsle":   unix.AUDIT_ARCH_MIPSEL,
	"mips64":   unix.AUDIT_ARCH_MIPS64,
	"mips64le": unix.AUDIT_ARCH_MIPSEL64,
	"ppc64":    unix.AUDIT_ARCH_PPC64,
	"ppc64le":  unix.AUDIT_ARCH_PPC64LE,
	"riscv64":  unix.AUDIT_ARCH_RISCV64,
	"s390x":    unix.AUDIT_ARCH_S390X,
}

// faultProgram is the filter, over struct seccomp_data {int nr; u32 arch; u64 ip; u64 args[6]}.
func faultProgram(nr uint32, errno syscall.Errno, match []Match) []unix.SockFilter {
	const (
		load   = unix.BPF_LD | unix.BPF_W | unix.BPF_ABS
		equal  = unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K
		and    = unix.BPF_ALU | unix.BPF_AND | unix.BPF_K
		result = unix.BPF_RET | unix.BPF_K
	)
	program := []unix.SockFilter{
		{Code: load, K: 4},
		{Code: equal, K: auditArch[runtime.GOARCH]},
		{Code: load, K: 0},
		{Code: equal, K: nr},
	}
	for _, m := range match {
		mask := m.Mask
		if mask == 0 {
			mask = ^uint32(0)
		}
		program = append(program,
			unix.SockFilter{Code: load, K: uint32(16+8*m.Arg) + lowWord},
			unix.SockFilter{Code: and, K: mask},
			unix.SockFilter{Code: equal, K: m.Value & mask})
	}
	program = append(program,
		unix.SockFilter{Code: result, K: unix.SECCOMP_RET_ERRNO | uint32(errno)},
		unix.SockFilter{Code: result, K: unix.SECCOMP_RET_ALLOW})
	// What is not equal goes to the last line.
	for i := range program {
		if program[i].Code == equal {
			program[i].Jf = uint8(len(program) - 2 - i)
		}
	}
	return program
}

// lowWord is the offset of the lower half of a 64-bit number.
var lowWord = func() uint32 {
	one := uint64(1)
	if *(*byte)(unsafe.Pointer(&one)) == 1 {
		return 0
	}
	return 4
}()
