//go:build linux && (amd64 || arm64)

package bench

import (
	"os"
	"strconv"
	"testing"

	"golang.org/x/sys/unix"
)

// anywhere is the number of no processor: the kernel chooses.
const anywhere = -1

// processors are those on which this process may run.
func processors() (cpus []int) {
	var set unix.CPUSet
	check(unix.SchedGetaffinity(0, &set))
	for cpu := range len(set) * 64 {
		if set.IsSet(cpu) {
			cpus = append(cpus, cpu)
		}
	}
	return cpus
}

// place says where this process runs, and where the other side does.
type place struct {
	name       string
	here, echo int
}

// places are those that make a difference: to wake a thread on another processor may
// cost ten times as much as on this one, in a virtual machine above all.
func places() []place {
	p := []place{{"anywhere", anywhere, anywhere}}
	if cpus := processors(); len(cpus) > 1 {
		p = append(p, place{"one processor", cpus[0], cpus[0]}, place{"two processors", cpus[0], cpus[1]})
	}
	return p
}

// pin lets this process, and those that it starts, run on these processors only.
func pin(cpus ...int) {
	var set unix.CPUSet
	for _, cpu := range cpus {
		set.Set(cpu)
	}
	// A thread that is made meanwhile has the old set: look again until none is.
	for done := map[string]bool{}; ; {
		before := len(done)
		for _, thread := range must(os.ReadDir("/proc/self/task")) {
			if name := thread.Name(); !done[name] {
				if err := unix.SchedSetaffinity(must(strconv.Atoi(name)), &set); err != nil && err != unix.ESRCH {
					panic(err)
				}
				done[name] = true
			}
		}
		if len(done) == before {
			return
		}
	}
}

// stay pins this process for the rest of the benchmark.
func stay(b *testing.B, cpu int) {
	if cpu != anywhere {
		all := processors()
		b.Cleanup(func() { pin(all...) })
		pin(cpu)
	}
}
