//go:build amd64 || arm64

package trace

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"
)

// explain says what is missing for a trace.
func explain(err error) error {
	switch {
	case errors.Is(err, ErrUnsupported):
		return err
	case errors.Is(err, unix.EPERM), errors.Is(err, unix.EACCES) && missingCapabilities() != "":
		return &missingError{whyDenied(), fs.ErrPermission}
	case errors.Is(err, unix.ENOSYS):
		return &missingError{"this kernel has no bpf(2) (CONFIG_BPF_SYSCALL), or a sandbox hides it", err}
	case errors.Is(err, ebpf.ErrNotSupported), errors.Is(err, unix.EINVAL), errors.Is(err, unix.ENOENT), errors.Is(err, unix.ENOTSUP):
		return &missingError{"this kernel lacks what a trace needs: Linux 5.11 or later, with CONFIG_BPF_EVENTS and CONFIG_FTRACE_SYSCALLS", err}
	}
	return fmt.Errorf("trace: %w", err)
}

// missingError is [ErrUnsupported] for what is missing.
type missingError struct {
	what string
	err  error // the kernel's; may be nil
}

func (e *missingError) Error() string {
	if e.err == nil {
		return "trace: " + e.what
	}
	return fmt.Sprintf("trace: %s (%v)", e.what, e.err)
}

func (e *missingError) Unwrap() []error { return []error{ErrUnsupported, e.err} }

// whyDenied is why bpf(2) is not permitted.
func whyDenied() string {
	if missing := missingCapabilities(); missing != "" {
		return "this process lacks " + missing + ": run it as root, or give the program these capabilities"
	}
	if mode := lockdown(); mode != "" {
		return "the kernel is locked down (" + mode + ", in /sys/kernel/security/lockdown), which forbids bpf(2) to read its memory"
	}
	return "bpf(2) is forbidden by a seccomp profile or a security module, as in most containers, or this user namespace is not the initial one"
}

// missingCapabilities are those that bpf(2) asks for and this process does not have.
func missingCapabilities() string {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if unix.Capget(&header, &data[0]) != nil {
		return ""
	}
	has := func(c int) bool { return data[c/32].Effective&(1<<(c%32)) != 0 }
	if has(unix.CAP_SYS_ADMIN) {
		return ""
	}
	var missing []string
	for _, c := range []struct {
		number int
		name   string
	}{{unix.CAP_BPF, "CAP_BPF"}, {unix.CAP_PERFMON, "CAP_PERFMON"}} {
		if !has(c.number) {
			missing = append(missing, c.name)
		}
	}
	return strings.Join(missing, " and ")
}

// lockdown is the mode of kernel_lockdown(7), or "" for none.
func lockdown() string {
	text, err := os.ReadFile("/sys/kernel/security/lockdown")
	if errors.Is(err, fs.ErrNotExist) {
		return ""
	}
	_, mode, _ := strings.Cut(string(text), "[")
	mode, _, _ = strings.Cut(mode, "]")
	if mode == "none" {
		return ""
	}
	return mode
}
