//go:build linux && (amd64 || arm64)

package bench

import (
	"os"
	"slices"
	"strconv"

	"golang.org/x/sys/unix"
)

// runsOn puts all threads of this process on some processors. Threads that are made later inherit that.
func runsOn(cpus []int) error {
	set := setOf(cpus)
	tasks, err := os.ReadDir("/proc/self/task")
	if err != nil {
		return err
	}
	for _, t := range tasks {
		tid, err := strconv.Atoi(t.Name())
		if err != nil {
			return err
		}
		if err := unix.SchedSetaffinity(tid, &set); err != nil && err != unix.ESRCH {
			return os.NewSyscallError("sched_setaffinity", err)
		}
	}
	return nil
}

func setOf(cpus []int) (set unix.CPUSet) {
	for _, cpu := range cpus {
		set.Set(cpu)
	}
	return set
}

// allowed are the processors that this process may use.
func allowed() ([]int, error) {
	var set unix.CPUSet
	if err := unix.SchedGetaffinity(0, &set); err != nil {
		return nil, os.NewSyscallError("sched_getaffinity", err)
	}
	var cpus []int
	for cpu := range len(set) * 64 {
		if set.IsSet(cpu) {
			cpus = append(cpus, cpu)
		}
	}
	return cpus, nil
}

// place is where the first process runs, and where the others do.
type place struct{ first, others []int }

// placesOf returns the processors of each placement. There is no placement other on one processor.
func placesOf(cpus []int) map[string]place {
	p := map[string]place{"same": {cpus[:1], cpus[:1]}, "free": {cpus, cpus}}
	if len(cpus) > 1 {
		p["other"] = place{cpus[:1], cpus[1:2]}
	}
	return p
}

// placed puts processes somewhere, if they are not there.
type placed struct{ now []int }

func (p *placed) move(cpus []int) error {
	if slices.Equal(p.now, cpus) {
		return nil
	}
	p.now = cpus
	return runsOn(cpus)
}
