package cluster

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// Description is an object as a whole.
type Description struct {
	Summary
	Replicas int
	Leader   string   // the server that leads the stream that keeps it; "" if it is one server's alone
	Behind   []string // servers that keep it, too, and are away or not up to date

	// Of a queue.
	Types                 map[int64]int64 // how many messages of each type
	MaxMessages, MaxBytes int64           // 0: no limit
	MaxMessage            int             // the largest message; 0 if the server's limit applies
	First, Last           time.Time       // when the first message that is on it was sent, and the last of all
	AckWait, Duplicates   time.Duration
	Strict, Memory        bool
	Receivers             []Receiver

	// Of a semaphore set.
	Values   []int
	Token    uint64    // of the last grant
	Operated time.Time // zero: never
	Uses     []Use

	// Of a variable.
	Value    json.RawMessage
	Revision uint64
}

// Receiver is how the servers know those that receive messages of one type.
type Receiver struct {
	Type     int64 // 0: a bridge receives all
	Waiting  int   // requests for messages that wait
	InFlight int   // messages that are delivered and not acknowledged
	Last     time.Time
}

// Describe returns what the servers keep of an object of a kind, as [Summary] has it. It fails with
// [fs.ErrNotExist] if there is none.
func (c *Conn) Describe(ctx context.Context, kind, name string) (d *Description, err error) {
	tok, err := token(name)
	if err != nil {
		return nil, err
	}
	d = &Description{Summary: Summary{Kind: kind, Name: name}}
	switch kind {
	case "queue":
		err = c.describeQueue(ctx, d, tok)
	case "semaphore set":
		err = c.describeSet(ctx, d, tok)
	case "variable":
		var e entry
		if e, err = c.latest(ctx, d, "var."+tok); err == nil && len(e.data) == 0 {
			err = fs.ErrNotExist
		}
		d.Value, d.Revision = e.data, e.revision
	default:
		err = errors.New(`a kind is "queue", "semaphore set" or "variable"`)
	}
	if err != nil {
		return nil, object{kind, name}.fail("describe", err, "")
	}
	return d, nil
}

// latest reads a key of the bucket, and notes where that is kept.
func (c *Conn) latest(ctx context.Context, d *Description, key string) (e entry, err error) {
	err = c.Retry(ctx, func(ctx context.Context) error {
		s, err := c.js.Stream(ctx, bucketStream)
		if err == nil {
			d.kept(s.CachedInfo())
		}
		return err
	})
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		return e, fs.ErrNotExist
	}
	if err == nil {
		e, err = c.read(ctx, key)
	}
	return e, err
}

// kept notes on which servers a stream is.
func (d *Description) kept(info *jetstream.StreamInfo) {
	if d.Replicas = info.Config.Replicas; info.Cluster == nil {
		return
	}
	d.Leader = info.Cluster.Leader
	for _, r := range info.Cluster.Replicas {
		if r.Offline || !r.Current {
			d.Behind = append(d.Behind, r.Name)
		}
	}
}

func (c *Conn) describeQueue(ctx context.Context, d *Description, tok string) error {
	q := &Queue{object: object{"queue", d.Name}, conn: c, stream: queuePrefix + tok, subject: "sysvipc.q." + tok + "."}
	return c.Retry(ctx, func(ctx context.Context) error {
		s, err := c.js.Stream(ctx, q.stream)
		if errors.Is(err, jetstream.ErrStreamNotFound) {
			return fs.ErrNotExist
		}
		if err != nil {
			return err
		}
		info, err := s.Info(ctx, jetstream.WithSubjectFilter(q.subject+"*"))
		if err != nil {
			return err
		}
		d.kept(info)
		d.Messages, d.Bytes, d.Created = int64(info.State.Msgs), int64(info.State.Bytes), info.Created
		d.MaxMessages, d.MaxBytes, d.MaxMessage = max(info.Config.MaxMsgs, 0), max(info.Config.MaxBytes, 0), int(max(info.Config.MaxMsgSize, 0))
		d.First, d.Last = info.State.FirstTime, info.State.LastTime
		d.AckWait, d.Duplicates = ackWaitOf(info), info.Config.Duplicates
		d.Strict, d.Memory = info.Config.Metadata["strict"] != "", info.Config.Storage == jetstream.MemoryStorage
		d.Types = map[int64]int64{}
		for subject, n := range info.State.Subjects {
			if typ, ok := q.typeOf(subject); ok {
				d.Types[typ] = int64(n)
			}
		}
		d.Receivers = nil
		consumers := s.ListConsumers(ctx)
		for info := range consumers.Info() {
			r := Receiver{Waiting: info.NumWaiting, InFlight: info.NumAckPending}
			if digits, ok := strings.CutPrefix(info.Name, "t"); ok {
				r.Type, _ = strconv.ParseInt(digits, 10, 64)
			}
			if info.Delivered.Last != nil {
				r.Last = *info.Delivered.Last
			}
			d.Receivers = append(d.Receivers, r)
		}
		slices.SortFunc(d.Receivers, func(a, b Receiver) int { return int(max(min(a.Type-b.Type, 1), -1)) })
		return consumers.Err()
	})
}

func (c *Conn) describeSet(ctx context.Context, d *Description, tok string) error {
	e, err := c.latest(ctx, d, "sem."+tok)
	if err != nil {
		return err
	}
	if len(e.data) == 0 {
		return fs.ErrNotExist
	}
	st, err := decodeState(e.data)
	if err != nil {
		return err
	}
	if st.Removed {
		return fs.ErrNotExist
	}
	d.Semaphores, d.Holders, d.Waiters, d.Created = len(st.Values), st.holders(), len(st.Wait), time.Unix(0, st.Made)
	d.Values, d.Token, d.Revision = st.Values, st.Token, e.revision
	if st.Operated > 0 {
		d.Operated = time.Unix(0, st.Operated)
	}
	d.Uses, err = c.Uses(ctx, d.Name)
	return err
}

// Remove removes an object of a kind, as [Summary] has it, as its own Remove does; and a variable. It fails
// with [fs.ErrNotExist] if there is none.
func (c *Conn) Remove(ctx context.Context, kind, name string) error {
	switch kind {
	case "queue":
		q, err := c.OpenQueue(ctx, name)
		if err != nil {
			return err
		}
		defer q.Close(ctx)
		return q.Remove(ctx)
	case "semaphore set":
		s, err := c.OpenSemaphores(ctx, name)
		if err != nil {
			return err
		}
		defer s.Close(ctx)
		return s.Remove(ctx)
	}
	d, err := c.Describe(ctx, kind, name)
	if err != nil {
		return err
	}
	tok, err := token(name)
	if err == nil {
		err = c.end(ctx, "var."+tok, d.Revision)
	}
	return object{kind, name}.fail("remove", err, "it was changed meanwhile: try again")
}
