package shared

import "runtime"

// manyProcessors reports whether to spin is of any use.
func manyProcessors() bool { return min(runtime.NumCPU(), runtime.GOMAXPROCS(0)) > 1 }

// spin waits a little for ready, and reports whether it came.
func spin(useful bool, e *eagerness, ready func() bool) bool {
	if !useful {
		runtime.Gosched() // a goroutine of this process may be what it waits for
		return ready()
	}
	for i := range e.budget() {
		pause()
		if ready() {
			e.hit(i)
			return true
		}
		if i%64 == 63 {
			runtime.Gosched()
		}
	}
	e.miss()
	return false
}
