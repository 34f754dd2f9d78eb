//go:build linux && (amd64 || arm64)

package bench

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strconv"
	"testing"

	"github.com/sysvipc/sysvipc"
	"github.com/sysvipc/sysvipc/internal/ipctest"
)

// The other side of a handoff: a second process that gives back what it gets, until the
// object is removed. Its arguments are its processor, "background" or "cancellable", and
// IDs.

var semaphoreEcho = ipctest.Register("semaphore echo", func(c *ipctest.ChildEnv) {
	ctx, set := echoContext(c), sysvipc.SemaphoresByID(number(c, 2))
	echo(c, func() error {
		if err := set.At(0).Acquire(ctx, 1); err != nil {
			return err
		}
		return set.At(1).Release(1)
	})
})

var queueEcho = ipctest.Register("queue echo", func(c *ipctest.ChildEnv) {
	ctx, in, out := echoContext(c), sysvipc.QueueByID(number(c, 2)), sysvipc.QueueByID(number(c, 3))
	buf := make([]byte, 64)
	echo(c, func() error {
		n, typ, err := in.ReceiveInto(ctx, sysvipc.Any, buf)
		if err != nil {
			return err
		}
		return out.Send(ctx, typ, buf[:n])
	})
})

func echo(c *ipctest.ChildEnv, once func() error) {
	if cpu := number(c, 0); cpu != anywhere {
		pin(cpu)
	}
	c.Say("ready")
	for {
		if err := once(); errors.Is(err, sysvipc.ErrRemoved) {
			return
		} else if err != nil {
			c.Fatal(err)
		}
	}
}

func echoContext(c *ipctest.ChildEnv) context.Context {
	if c.Args[1] == "background" {
		return context.Background()
	}
	ctx, cancel := context.WithCancel(context.Background())
	context.AfterFunc(ctx, cancel) // so that vet sees the use
	return ctx
}

func number(c *ipctest.ChildEnv, i int) int {
	n, err := strconv.Atoi(c.Args[i])
	c.Check(err)
	return n
}

// startEcho starts the other side. It may use as many processors at a time as this one,
// wherever it may run: Go behaves otherwise with one.
func startEcho(b *testing.B, cpu int, name, kind string, ids ...int) {
	args := []string{strconv.Itoa(cpu), kind}
	for _, id := range ids {
		args = append(args, strconv.Itoa(id))
	}
	opts := &ipctest.Options{Env: []string{fmt.Sprint("GOMAXPROCS=", runtime.GOMAXPROCS(0))}}
	ipctest.Start(b, name, opts, args...).Expect("ready")
}

// A round trip between two processes, each of which waits for the other: two handoffs.
// Where the processes run makes more of a difference than all else.
func BenchmarkHandoff(b *testing.B) {
	for _, p := range places() {
		for _, c := range contexts {
			b.Run(p.name+"/semaphores/"+c.name, func(b *testing.B) {
				stay(b, p.here)
				compare(b, 20, semaphoreHandoff(b, p.echo, c.make(b), c.name), cHandoff(b, p.echo, "sem", newSet(b, 0, 0).ID(), 0)...)
			})
			b.Run(p.name+"/queues/"+c.name, func(b *testing.B) {
				stay(b, p.here)
				compare(b, 20, queueHandoff(b, p.echo, c.make(b), c.name), cHandoff(b, p.echo, "msg", newQueue(b).ID(), newQueue(b).ID())...)
			})
		}
	}
}

func semaphoreHandoff(b *testing.B, cpu int, ctx context.Context, kind string) *side {
	set := newSet(b, 0, 0)
	startEcho(b, cpu, semaphoreEcho, kind, set.ID())
	return &side{run: loop(func() {
		check(set.At(0).Release(1))
		check(set.At(1).Acquire(ctx, 1))
	})}
}

func queueHandoff(b *testing.B, cpu int, ctx context.Context, kind string) *side {
	there, back := newQueue(b), newQueue(b)
	startEcho(b, cpu, queueEcho, kind, there.ID(), back.ID())
	text, buf := make([]byte, 64), make([]byte, 64)
	return &side{run: loop(func() {
		check(there.Send(ctx, 1, text))
		_, _, err := back.ReceiveInto(ctx, sysvipc.Any, buf)
		check(err)
	})}
}

// cHandoff is the same between two C processes.
func cHandoff(b *testing.B, cpu int, kind string, id, id2 int) []*side {
	ping, echo := startTwin(b), startTwin(b)
	if ping == nil {
		return nil
	}
	if cpu != anywhere {
		echo.time("pin %d", cpu)
	}
	echo.tell("%secho %d %d", kind, id, id2)
	if kind == "sem" {
		return ping.floor("semping %d %d", id)
	}
	return ping.floor("msgping %d %d %d", id, id2)
}
