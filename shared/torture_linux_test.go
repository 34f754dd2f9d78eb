package shared

import (
	"context"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/sysvipc/sysvipc"
	"github.com/sysvipc/sysvipc/internal/ipctest"
)

// worker registers a process that works in a region until it is killed. The region's key is its first argument, which work
// does not see.
func worker(name string, work func(c *ipctest.ChildEnv, r *Region)) string {
	return ipctest.Register(name, func(c *ipctest.ChildEnv) {
		key, err := sysvipc.ParseKey(c.Args[0])
		c.Check(err)
		r, err := EnsureKey(context.Background(), key, nil)
		c.Check(err)
		c.Args = c.Args[1:]
		work(c, r)
	})
}

// startWorker starts a worker, which says when it is ready.
func startWorker(t testing.TB, name string, key int32, args ...string) *ipctest.Process {
	t.Helper()
	p := ipctest.Start(t, name, nil, append([]string{sysvipc.Key(key).String()}, args...)...)
	p.Expect("ready")
	return p
}

// torture kills victims at random, each after up to most messages or 20 ms, and starts another process in its place.
func torture(all []*ipctest.Process, victims []int, kills int, most uint64, total func() uint64, start func(i int) *ipctest.Process) {
	for range kills {
		until := total() + rand.Uint64N(most)
		for limit := time.Now().Add(20 * time.Millisecond); total() < until && time.Now().Before(limit); {
			time.Sleep(50 * time.Microsecond)
		}
		i := victims[rand.IntN(len(victims))]
		all[i].Kill()
		all[i] = start(i)
	}
}

// killsOr returns how often a torture kills.
func killsOr(n int) int {
	return min(ipctest.Kills(n), 60) // there is room for so many senders
}
