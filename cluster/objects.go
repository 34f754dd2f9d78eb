package cluster

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// Summary is what the servers keep under a name.
type Summary struct {
	Kind string // "queue", "semaphore set" or "variable"
	Name string

	Messages, Bytes              int64     // of a queue
	Semaphores, Holders, Waiters int       // of a set: how many it has, who hold some with undo, who wait
	Created                      time.Time // of queues and sets; zero for a variable
}

// Objects returns all that the servers keep, queues first, each kind by name.
func (c *Conn) Objects(ctx context.Context) (all []Summary, err error) {
	const op = "list the objects of"
	servers := object{"server", c.nc.ConnectedUrlRedacted()}
	err = c.Retry(ctx, func(ctx context.Context) error {
		all = nil
		streams := c.js.ListStreams(ctx, jetstream.WithStreamListSubject("sysvipc.q.>"))
		for info := range streams.Info() {
			if tok, ok := strings.CutPrefix(info.Config.Name, queuePrefix); ok {
				all = append(all, Summary{
					Kind: "queue", Name: nameOf(tok), Messages: int64(info.State.Msgs), Bytes: int64(info.State.Bytes), Created: info.Created,
				})
			}
		}
		return streams.Err()
	})
	var keys []string
	if err == nil {
		keys, err = c.keys(ctx)
	}
	for _, key := range keys {
		kind, tok, _ := strings.Cut(key, ".")
		switch kind {
		case "var":
			all = append(all, Summary{Kind: "variable", Name: nameOf(tok)})
		case "sem":
			e, err := c.read(ctx, key)
			if err != nil {
				return nil, servers.fail(op, err, "")
			}
			if st, err := decodeState(e.data); err == nil && !st.Removed {
				all = append(all, Summary{
					Kind: "semaphore set", Name: nameOf(tok), Semaphores: len(st.Values), Holders: st.holders(), Waiters: len(st.Wait), Created: time.Unix(0, st.Made),
				})
			}
		}
	}
	if err != nil {
		return nil, servers.fail(op, err, "")
	}
	slices.SortFunc(all, func(a, b Summary) int {
		return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Name, b.Name))
	})
	return all, nil
}

// keys returns those of the bucket. Without a bucket there are none.
func (c *Conn) keys(ctx context.Context) (keys []string, err error) {
	err = c.Retry(ctx, func(ctx context.Context) error {
		keys = nil
		s, err := c.js.Stream(ctx, bucketStream)
		if err != nil {
			return err
		}
		info, err := s.Info(ctx, jetstream.WithSubjectFilter(bucketPrefix+">"))
		if err != nil {
			return err
		}
		for subject := range info.State.Subjects {
			keys = append(keys, subject[len(bucketPrefix):])
		}
		return nil
	})
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		return nil, nil
	}
	return keys, err
}

// nameOf returns the name that has this token.
func nameOf(tok string) string {
	var b strings.Builder
	for tok != "" {
		if len(tok) >= 3 && tok[0] == '=' {
			if n, err := strconv.ParseUint(tok[1:3], 16, 8); err == nil {
				b.WriteByte(byte(n))
				tok = tok[3:]
				continue
			}
		}
		b.WriteByte(tok[0])
		tok = tok[1:]
	}
	return b.String()
}
