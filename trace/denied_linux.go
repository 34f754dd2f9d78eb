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
		return fmt.Errorf("%w: %s (%w)", ErrUnsupported, whyDenied(), err)
	case errors.Is(err, unix.ENOSYS):
		return fmt.Errorf("%w: this kernel has no bpf(2) (CONFIG_BPF_SYSCALL), or a sandbox hides it (%w)", ErrUnsupported, err)
	case errors.Is(err, ebpf.ErrNotSupported), errors.Is(err, unix.EINVAL), errors.Is(err, unix.ENOENT), errors.Is(err, unix.ENOTSUP):
		return fmt.Errorf("%w: this kernel does not have what it needs: Linux 5.11 or later, with CONFIG_BPF_EVENTS and CONFIG_FTRACE_SYSCALLS (%w)", ErrUnsupported, err)
	}
	return fmt.Errorf("trace: %w", err)
}

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
