package ipctest

import (
	"runtime"
	"sync/atomic"
)

// Meanwhile returns how often another goroutine has the only processor while call runs.
func Meanwhile(call func()) int64 {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	var n atomic.Int64
	var end atomic.Bool
	done := make(chan struct{})
	go func() {
		defer close(done)
		for !end.Load() {
			n.Add(1)
			runtime.Gosched()
		}
	}()
	for n.Load() == 0 {
		runtime.Gosched()
	}
	before := n.Load()
	call()
	others := n.Load() - before
	end.Store(true)
	<-done
	return others
}
