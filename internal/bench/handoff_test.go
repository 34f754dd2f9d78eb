//go:build linux && (amd64 || arm64)

package bench

import (
	"context"
	"errors"
	"strconv"
	"testing"

	"github.com/sysvipc/sysvipc"
	"github.com/sysvipc/sysvipc/internal/ipctest"
)

// The other side of a handoff: a second process that gives back what it gets, until the
// object is removed. Its arguments are "background" or "cancellable", and IDs.

var semaphoreEcho = ipctest.Register("semaphore echo", func(c *ipctest.ChildEnv) {
	ctx, set := echoContext(c), sysvipc.SemaphoresByID(number(c, 1))
	echo(c, func() error {
		if err := set.At(0).Acquire(ctx, 1); err != nil {
			return err
		}
		return set.At(1).Release(1)
	})
})

var queueEcho = ipctest.Register("queue echo", func(c *ipctest.ChildEnv) {
	ctx, in, out := echoContext(c), sysvipc.QueueByID(number(c, 1)), sysvipc.QueueByID(number(c, 2))
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
	if c.Args[0] == "background" {
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

// startEcho starts the other side.
func startEcho(b *testing.B, name, kind string, ids ...int) {
	args := []string{kind}
	for _, id := range ids {
		args = append(args, strconv.Itoa(id))
	}
	ipctest.Start(b, name, nil, args...).Expect("ready")
}

// A round trip between two processes, each of which waits for the other: two handoffs.
func BenchmarkHandoff(b *testing.B) {
	for _, c := range contexts {
		b.Run("semaphores/"+c.name, func(b *testing.B) {
			compare(b, 50, semaphoreHandoff(b, c.make(b), c.name), cSemaphoreHandoff(b)...)
		})
		b.Run("queues/"+c.name, func(b *testing.B) {
			ctx, there, back := c.make(b), newQueue(b), newQueue(b)
			startEcho(b, queueEcho, c.name, there.ID(), back.ID())
			text, buf := make([]byte, 64), make([]byte, 64)
			ours := &side{run: loop(func() {
				check(there.Send(ctx, 1, text))
				_, _, err := back.ReceiveInto(ctx, sysvipc.Any, buf)
				check(err)
			})}
			compare(b, 50, ours, cHandoff(b, "msg", newQueue(b).ID(), newQueue(b).ID())...)
		})
	}
}

func semaphoreHandoff(b *testing.B, ctx context.Context, kind string) *side {
	set := newSet(b, 0, 0)
	startEcho(b, semaphoreEcho, kind, set.ID())
	return &side{run: loop(func() {
		check(set.At(0).Release(1))
		check(set.At(1).Acquire(ctx, 1))
	})}
}

func cSemaphoreHandoff(b *testing.B) []*side { return cHandoff(b, "sem", newSet(b, 0, 0).ID(), 0) }

// cHandoff is the same between two C processes.
func cHandoff(b *testing.B, kind string, id, id2 int) []*side {
	ping, echo := startTwin(b), startTwin(b)
	if ping == nil {
		return nil
	}
	if kind == "sem" {
		echo.tell("semecho %d", id)
		return ping.floor("semping %d %d", id)
	}
	echo.tell("msgecho %d %d", id, id2)
	return ping.floor("msgping %d %d %d", id, id2)
}
