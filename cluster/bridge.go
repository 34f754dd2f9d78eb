package cluster

import (
	"context"
	"errors"
	"hash/fnv"
	"io/fs"
	"time"

	"github.com/sysvipc/sysvipc"
)

// Bridge joins a kernel's queue on this machine to a queue of the cluster, so that
// programs which know nothing of it can be on several machines. One way is
// [Bridge.Send], the other [Bridge.Receive]. Types, the order of each type, NUL bytes and
// empty messages are kept.
//
// Nothing is lost when it is killed, at whatever point, and runs again with the same
// journal. A message can come twice: see [Bridge.Send] and [Bridge.Receive] for when.
type Bridge struct {
	// Local opens the kernel's queue. It is called again when that was removed, until it
	// succeeds.
	Local func() (*sysvipc.Queue, error)
	// Remote is the queue of the cluster.
	Remote *Queue
	// Journal is a file of this bridge and this direction, made if need be. It holds what
	// a bridge has to know that was killed, and is written, but never forced to the disk:
	// the kernel's queue does not outlive the machine either.
	Journal string
	// Select says which messages are sent: Any, OfType or Except. The rest stays.
	Select sysvipc.Selector
	// Note is told what a person should know, such as that the local queue is gone. Nil
	// drops it.
	Note func(what string, err error)
}

func (b *Bridge) note(what string, err error) {
	if b.Note != nil {
		b.Note(what, err)
	}
}

func (b *Bridge) count(name string, n int) { b.Remote.conn.metrics.Count(name, b.Remote.name, n) }

// open opens the local queue, and waits until there is one.
func (b *Bridge) open(ctx context.Context) (*sysvipc.Queue, error) {
	told := false
	for {
		q, err := b.Local()
		if err == nil {
			_, err = q.Stat()
		}
		if err == nil {
			return q, nil
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
		if !told {
			b.note("the local queue is not there: waiting for it", err)
			told = true
		}
		if err := pause(ctx, 100*time.Millisecond); err != nil {
			return nil, err
		}
	}
}

// pause waits, for what tells nobody.
func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// fingerprint is what a journal keeps of a message: two that differ have, but for one in 2^64,
// another.
func fingerprint(m sysvipc.Message) uint64 {
	h := fnv.New64a()
	var typ [8]byte
	for i := range typ {
		typ[i] = byte(m.Type >> (8 * i))
	}
	h.Write(typ[:])
	h.Write(m.Data)
	return h.Sum64()
}

// grace is for how long a bridge that is to end may finish what it began. With the taking of
// leave it is shorter than what service managers wait before they kill: docker waits 10 s.
const grace = 5 * time.Second

// finishing returns a context that outlives ctx by grace.
func finishing(ctx context.Context) (context.Context, context.CancelFunc) {
	out, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() {
		timer := time.AfterFunc(grace, cancel)
		context.AfterFunc(out, func() { timer.Stop() })
	})
	return out, func() { stop(); cancel() }
}
