package cluster

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/sysvipc/sysvipc"
	"github.com/sysvipc/sysvipc/cluster/internal/jserr"
)

// ErrLeaseLost: the holder was not heard of for longer than its lease, so that what it
// held may have been given to others. It cannot know when that happened: see [Grant].
var ErrLeaseLost = errors.New("lease lost")

// Error is the error that this package returns: what was tried on which object, why it
// failed, and in brackets what to do. [errors.Is] works with the sentinels of package
// sysvipc, with those of io/fs and context, and with nats.go's own.
type Error struct {
	Op   string // what was tried, such as "create" or "receive from"
	Kind string // "queue", "semaphore set", "variable" or "server"
	Name string // the object's name
	Err  error  // why it failed

	Hint string // what to do, or ""

	is error // the sentinel of package sysvipc that Err amounts to, or nil
}

// Error returns the whole sentence.
func (e *Error) Error() string {
	s := fmt.Sprintf("cluster: %s %s %q: %v", e.Op, e.Kind, e.Name, e.Err)
	if e.Hint != "" {
		s += " (" + e.Hint + ")"
	}
	return s
}

// Unwrap returns e.Err.
func (e *Error) Unwrap() error { return e.Err }

// Is reports whether the failure amounts to a sentinel of package sysvipc, or, for a
// removed object, to [fs.ErrNotExist].
func (e *Error) Is(target error) bool {
	return e.is != nil && (target == e.is || e.is == sysvipc.ErrRemoved && target == fs.ErrNotExist)
}

// object is what an error says of the object that a call was about.
type object struct{ kind, name string }

func (t object) fail(op string, err error, hint string) error {
	if err == nil {
		return nil
	}
	var own *Error
	if errors.As(err, &own) {
		return err
	}
	e := &Error{Op: op, Kind: t.kind, Name: t.name, Err: err, Hint: hint}
	var api *jetstream.APIError
	switch {
	case errors.Is(err, nats.ErrNoResponders), errors.Is(err, nats.ErrConnectionClosed):
		if hint == "" {
			e.Hint = "no server with JetStream answers: is it enabled, and has its cluster a leader?"
		}
	case cannotReserve(err):
		if hint == "" {
			e.Hint = "what the servers may store is reserved: give queues less, see QueueOptions.MaxBytes, or the servers more, see max_file_store"
		}
	case jserr.Is(err, jserr.ClusterNoPeers):
		if hint == "" {
			e.Hint = "it needs as many servers with JetStream, and room, as it has replicas: see Options.Replicas"
		}
	case errors.As(err, &api) && api.ErrorCode == jetstream.JSErrCodeStreamNotFound:
		if op == "open" {
			e.Err = fs.ErrNotExist
			break
		}
		return t.removed(op)
	}
	return e
}

// refuse returns an error for what cannot be meant, or what does not fit.
func (t object) refuse(op string, is error, format string, args ...any) error {
	err := errors.New("invalid argument")
	if is != nil {
		err = is
	}
	return &Error{Op: op, Kind: t.kind, Name: t.name, Err: err, is: is, Hint: fmt.Sprintf(format, args...)}
}

// outside is what a number that is not in its range amounts to: too big above it, and
// nothing but wrong below the least.
func outside(n, least int) error {
	if n < least {
		return nil
	}
	return sysvipc.ErrTooBig
}

func (t object) removed(op string) error {
	return &Error{Op: op, Kind: t.kind, Name: t.name, Err: sysvipc.ErrRemoved, is: sysvipc.ErrRemoved}
}

func (t object) cancelled(op string, ctx context.Context) error {
	return &Error{Op: op, Kind: t.kind, Name: t.name, Err: ctx.Err()}
}

// ended is cancelled, with what the servers had said until then, if they had.
func (t object) ended(op string, ctx context.Context, err error) error {
	var u *unanswered
	if errors.As(err, &u) {
		return &Error{Op: op, Kind: t.kind, Name: t.name, Err: u}
	}
	return t.cancelled(op, ctx)
}
