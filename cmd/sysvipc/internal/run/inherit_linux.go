package run

import (
	"encoding/binary"
	"os/signal"
	"runtime"
	"syscall"

	"golang.org/x/sys/unix"
)

// passOnSignals lets the command ignore and block the signals that this process was
// started to ignore and block: by trap in a shell, as a job in the background (SIGQUIT),
// as a service of systemd (SIGPIPE), by env --block-signal.
//
// Both would pass through execve(2). But the Go runtime, when it starts, installs handlers
// for all signals except a SIGHUP or SIGINT that is ignored, and unblocks those that end a
// program; in the next program, those have their default effect. It keeps what it found in
// variables of its own that no other package may name: so their addresses come from the
// symbol table of this program. Without one (stripped, position-independent, 32 bits) only
// SIGHUP and SIGINT stay ignored.
func passOnSignals() {
	const signals, ignored = 65, 1 // _NSIG and SIG_IGN
	addresses, ok := symbols("runtime.fwdSig", "runtime.initSigmask")
	if !ok {
		return
	}
	memory, err := syscall.Open("/proc/self/mem", syscall.O_RDONLY|syscall.O_CLOEXEC, 0)
	if err != nil {
		return
	}
	defer syscall.Close(memory)
	var actions [signals * 8]byte
	var blocked [8]byte
	if !readAt(memory, actions[:], addresses[0]) || !readAt(memory, blocked[:], addresses[1]) {
		return
	}
	for sig := 1; sig < signals; sig++ {
		if binary.NativeEndian.Uint64(actions[8*sig:]) == ignored {
			signal.Ignore(syscall.Signal(sig))
		}
	}
	if mask := binary.NativeEndian.Uint64(blocked[:]); mask != 0 {
		var set unix.Sigset_t // of words, whose size depends on the port
		width := 1024 / len(set.Val)
		for bit := range 64 {
			if mask>>bit&1 != 0 {
				set.Val[bit/width] |= 1 << (bit % width)
			}
		}
		runtime.LockOSThread() // the one that calls execve(2): its mask is kept
		_ = unix.PthreadSigmask(unix.SIG_SETMASK, &set, nil)
	}
}
