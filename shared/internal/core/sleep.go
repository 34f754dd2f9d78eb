package core

import (
	"context"
	"math"
	"sync/atomic"
	"time"
)

// sleep calls wait, which sleeps while *word has some value, and returns when it does, or
// ctx is done. It may return for no reason: look at the word again.
func sleep(ctx context.Context, word *uint32, wait func()) {
	if ctx.Done() == nil {
		wait()
		return
	}
	var awake atomic.Bool
	stop := context.AfterFunc(ctx, func() {
		// A wake that comes before the sleep is lost, so one may not do.
		for pause := 10 * time.Microsecond; !awake.Load(); pause = min(2*pause, 4*time.Millisecond) {
			futexWake(word, math.MaxInt32)
			time.Sleep(pause)
		}
	})
	wait()
	awake.Store(true)
	stop()
}
