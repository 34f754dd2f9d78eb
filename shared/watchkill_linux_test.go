package shared

import (
	"context"
	"iter"
	"strconv"
	"sync/atomic"
	"testing"

	"github.com/sysvipc/sysvipc"
	"github.com/sysvipc/sysvipc/internal/ipctest"
	"github.com/sysvipc/sysvipc/shared/internal/core"
)

// counterVictim is killed between a change and the waking of those who wait for it.
var counterVictim = ipctest.Register("counter victim", func(c *ipctest.ChildEnv) {
	key, err := strconv.Atoi(c.Args[0])
	c.Check(err)
	r, err := EnsureKey(context.Background(), sysvipc.Key(key), nil)
	c.Check(err)
	count, err := CounterOf(r, "counter")
	c.Check(err)
	atomic.AddUint64(count.value.At(core.Of(r).View.Load()), 5)
	c.Say("changed")
	c.Listen()
})

func TestWatchAfterAKill(t *testing.T) {
	t.Parallel()
	key := ipctest.Key(t)
	r, err := EnsureKey(t.Context(), sysvipc.Key(key), nil)
	mustNot(t, err)
	defer r.Close()
	count, err := CounterOf(r, "counter")
	mustNot(t, err)
	next, stop := iter.Pull2(count.Watch(t.Context()))
	defer stop()
	_, err, _ = next()
	mustNot(t, err)
	p := ipctest.Start(t, counterVictim, nil, strconv.Itoa(int(key)))
	p.Expect("changed")
	p.Kill()
	if n, err, _ := next(); n != 5 || err != nil {
		t.Errorf("got %d, %v", n, err)
	}
}
