//go:build linux && (amd64 || arm64)

package bench

import (
	"context"
	"errors"
	"iter"
	"unsafe"

	"github.com/sysvipc/sysvipc"
	"github.com/sysvipc/sysvipc/shared"
)

// payload is a message or value of package shared, whose types have a fixed size.
type payload [small / 8]uint64

func payloadOf(p []byte) (v payload) {
	copy(v.bytes(), p)
	return v
}

// inRegion opens the ends of a structure of package shared, each in its process's own view of one region.
func inRegion[E any](open func(r *shared.Region, side int) (E, error), wrap func(e E, close func()) E) opener[E] {
	ctx := context.Background()
	size := &shared.Options{Size: 4 << 20, Participants: 8, Entries: 16}
	with := func(r *shared.Region, side int, close func()) (E, error) {
		e, err := open(r, side)
		if err != nil {
			close()
			return e, err
		}
		return wrap(e, close), nil
	}
	return opener[E]{
		offer: func(l *link) (e E, err error) {
			r, err := shared.EnsureKey(ctx, sysvipc.Key(l.Key), size)
			if err != nil {
				return e, err
			}
			return with(r, 0, func() { r.Remove(); r.Close() })
		},
		join: func(l *link) (e E, err error) {
			r, err := shared.OpenKey(ctx, sysvipc.Key(l.Key))
			if err != nil {
				return e, err
			}
			return with(r, 1, func() { r.Close() })
		},
	}
}

// closing is an end with what closes its region.
type closing struct {
	end
	free func()
}

func (c closing) close() {
	c.end.close()
	c.free()
}

func closeEnd(e end, free func()) end { return closing{e, free} }

// ways are names of a structure for this side to read from and to write to.
func ways(side int) (in, out string) {
	if side == 0 {
		return "back", "there"
	}
	return "there", "back"
}

// chans are an end of two channels.
type chans struct {
	in, out *shared.Chan[payload]
	spin    bool
}

func (c *chans) send(p []byte) error { return c.out.Send(context.Background(), payloadOf(p)) }

func (c *chans) receive(p []byte) (int, error) {
	if c.spin {
		for {
			v, ok, err := c.in.TryReceive()
			if ok || err != nil {
				return copy(p, v.bytes()), err
			}
		}
	}
	v, err := c.in.Receive(context.Background())
	return copy(p, v.bytes()), err
}

func (c *chans) close() {}

func openChans(r *shared.Region, side int) (end, error) {
	in, out := ways(side)
	a, err := shared.ChanOf[payload](r, in, 1024)
	b, err2 := shared.ChanOf[payload](r, out, 1024)
	return &chans{in: a, out: b}, errors.Join(err, err2)
}

// records are an end of two channels of bytes.
type records struct{ in, out *shared.Records }

func (q *records) send(p []byte) error { return q.out.Send(context.Background(), p) }

func (q *records) receive(p []byte) (int, error) {
	got, err := q.in.Receive(context.Background(), p)
	return len(got), err
}

func (q *records) close() {}

func openRecords(r *shared.Region, side int) (end, error) {
	in, out := ways(side)
	a, err := shared.RecordsOf(r, in, 512<<10)
	b, err2 := shared.RecordsOf(r, out, 512<<10)
	return &records{a, b}, errors.Join(err, err2)
}

// topics are an end that publishes on one topic and subscribes to another.
type topics struct {
	out *shared.Topic[payload]
	in  *shared.Subscription[payload]
}

func (t *topics) send(p []byte) error { return t.out.Publish(context.Background(), payloadOf(p)) }

func (t *topics) receive(p []byte) (int, error) {
	v, lost, err := t.in.Next(context.Background())
	if lost > 0 {
		err = errors.Join(err, errors.New("messages are lost"))
	}
	return copy(p, v.bytes()), err
}

func (t *topics) close() { t.in.Close() }

func openTopics(r *shared.Region, side int) (end, error) {
	in, out := ways(side)
	a, err := shared.TopicOf[payload](r, in, 1024)
	b, err2 := shared.TopicOf[payload](r, out, 1024)
	if err := errors.Join(err, err2); err != nil {
		return nil, err
	}
	s, err := a.Subscribe(shared.Gated)
	return &topics{b, s}, err
}

// variables are an end that changes one variable and watches another.
type variables struct {
	out  *shared.Var[payload]
	next func() (payload, error, bool)
	stop func()
}

func (x *variables) send(p []byte) error { return x.out.Store(context.Background(), payloadOf(p)) }

func (x *variables) receive(p []byte) (int, error) {
	v, err, _ := x.next()
	return copy(p, v.bytes()), err
}

func (x *variables) close() { x.stop() }

func openVariables(r *shared.Region, side int) (end, error) {
	in, out := ways(side)
	a, err := shared.VarOf[payload](r, in)
	b, err2 := shared.VarOf[payload](r, out)
	if err := errors.Join(err, err2); err != nil {
		return nil, err
	}
	next, stop := iter.Pull2(a.Watch(context.Background()))
	x := &variables{b, next, stop}
	_, err = x.receive(make([]byte, small)) // the value before any change
	return x, err
}

// value is a variable that is read.
type value struct {
	x    *shared.Var[payload]
	free func()
}

func (v *value) store(p []byte) error { return v.x.Store(context.Background(), payloadOf(p)) }

func (v *value) load(p []byte) error {
	got, err := v.x.Load()
	copy(p, got.bytes())
	return err
}

func (v *value) close() { v.free() }

var values = inRegion(func(r *shared.Region, _ int) (state, error) {
	x, err := shared.VarOf[payload](r, "value")
	return &value{x: x}, err
}, func(s state, free func()) state {
	s.(*value).free = free
	return s
})

// mutex is a robust lock.
type mutex struct {
	mu   *shared.Mutex
	free func()
}

func (m *mutex) lock() error   { return m.mu.Lock(context.Background()) }
func (m *mutex) unlock() error { return m.mu.Unlock() }
func (m *mutex) close()        { m.free() }

var mutexes = inRegion(func(r *shared.Region, _ int) (locker, error) {
	mu, err := shared.MutexOf(r, "lock")
	return &mutex{mu: mu}, err
}, func(l locker, free func()) locker {
	l.(*mutex).free = free
	return l
})

// bytes are those of the payload itself.
func (v *payload) bytes() []byte {
	// The array lives as long as the slice, which nobody keeps.
	return unsafe.Slice((*byte)(unsafe.Pointer(v)), small)
}
