// Package bridge joins a kernel's queue on this machine to a queue of a cluster, so that
// programs which know only their kernel queue can be on several machines.
//
//	b := &bridge.Bridge{Local: open, Remote: q, Journal: "/var/lib/app/orders.send"}
//	err := b.Send(ctx)
package bridge

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"io/fs"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/sysvipc/sysvipc"
	"github.com/sysvipc/sysvipc/cluster"
)

// Bridge carries messages one way: [Bridge.Send] from the kernel's queue to the cluster's,
// [Bridge.Receive] from the cluster's to the kernel's. Types, the order of each type, NUL
// bytes and empty messages are kept.
//
// A bridge that is killed, at whatever point, loses nothing when it runs again with the same
// journal. See [Bridge.Send] and [Bridge.Receive] for what may be delivered twice.
type Bridge struct {
	// Local opens the kernel's queue. It is called again when that was removed, until it
	// succeeds.
	Local func() (*sysvipc.Queue, error)
	// Remote is the queue of the cluster.
	Remote *cluster.Queue
	// Journal is a file of this bridge and this direction, made if need be. It holds what the
	// next bridge has to know after a kill. It is written, but never forced to the disk: the
	// kernel's queue does not outlive the machine either.
	Journal string
	// Select says which messages are sent: Any, OfType or Except. The rest stays.
	Select sysvipc.Selector
	// Note gets what a person should know, such as that the local queue is removed. Nil
	// drops it.
	Note func(what string, err error)
	// Metrics counts, with the name of Remote as the object: "bridge_sent",
	// "bridge_received", "bridge_suppressed" (redeliveries of what is on the kernel's queue),
	// "bridge_repeated" (messages that may be delivered twice), "went_back" (the servers have
	// less than they had acknowledged), and the gauge "bridge_backlog". Nil drops it.
	Metrics cluster.Metrics
}

func (b *Bridge) note(what string, err error) {
	if b.Note != nil {
		b.Note(what, err)
	}
}

func (b *Bridge) count(name string, n int) {
	if b.Metrics != nil {
		b.Metrics.Count(name, b.Remote.Name(), n)
	}
}

// fail says what was tried on the cluster's queue, why it failed, and what to do.
func (b *Bridge) fail(op string, err error, hint string) error {
	if err == nil || errors.As(err, new(*cluster.Error)) {
		return err
	}
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		err, hint = sysvipc.ErrRemoved, ""
	}
	return &cluster.Error{Op: op, Kind: "queue", Name: b.Remote.Name(), Err: err, Hint: hint}
}

// stream returns what the servers know of the stream that keeps the cluster's queue.
func (b *Bridge) stream(ctx context.Context, op string) (js jetstream.JetStream, info *jetstream.StreamInfo, err error) {
	conn := b.Remote.Conn()
	js, _ = conn.JetStream()
	err = conn.Retry(ctx, func(ctx context.Context) error {
		s, err := js.Stream(ctx, b.Remote.Stream())
		if err == nil {
			info = s.CachedInfo()
		}
		return err
	})
	return js, info, b.fail(op, err, "")
}

// open opens the local queue, and waits until there is one.
func (b *Bridge) open(ctx context.Context) (*sysvipc.Queue, error) {
	noted := false
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
		if !noted {
			b.note("the local queue is not there: waiting for it", err)
			noted = true
		}
		if err := pause(ctx, 100*time.Millisecond); err != nil {
			return nil, err
		}
	}
}

// attempt is for how long to wait for an answer that does not come.
const attempt = 3 * time.Second

// selection returns what Select says of a message's type.
func (b *Bridge) selection() (selects func(typ int64) bool, err error) {
	text := b.Select.String() // all that a selector shows of itself
	only, _ := strconv.ParseInt(text[strings.LastIndexByte(text, ' ')+1:], 10, 64)
	switch {
	case b.Select == sysvipc.Any:
		return func(int64) bool { return true }, nil
	case only < 1:
	case b.Select == sysvipc.OfType(only):
		return func(typ int64) bool { return typ == only }, nil
	case b.Select == sysvipc.Except(only):
		return func(typ int64) bool { return typ != only }, nil
	}
	return nil, fmt.Errorf("%v cannot be selected", b.Select)
}

// pause waits, for what nobody announces.
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

// fingerprint is what a journal keeps of a message. Two that differ have the same one once in
// 2^64 cases.
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

// grace is for how long a bridge whose context has ended finishes what it began. With the
// closing of the connection it is shorter than service managers wait before they kill: docker
// waits 10 s.
const grace = 5 * time.Second

// patience is d, or less if the servers are away: what they did not acknowledge stays where it
// is, for the next bridge.
func (b *Bridge) patience(d time.Duration) time.Duration {
	if !b.Remote.Conn().NATS().IsConnected() {
		return min(d, time.Second)
	}
	return d
}

// finishing returns a context that outlives ctx by grace.
func (b *Bridge) finishing(ctx context.Context) (context.Context, context.CancelFunc) {
	out, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() {
		timer := time.AfterFunc(b.patience(grace), cancel)
		context.AfterFunc(out, func() { timer.Stop() })
	})
	return out, func() { stop(); cancel() }
}
