package cluster

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/sysvipc/sysvipc"
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
			// For a second after its end a key is there with a mark that says so.
			if e, err := c.read(ctx, key); errors.Is(err, fs.ErrNotExist) || err == nil && len(e.data) == 0 {
				continue
			} else if err != nil {
				return nil, servers.fail(op, err, "")
			}
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

// Use is a session that holds something of a semaphore set with undo, or waits for it.
type Use struct {
	Set   string // its name
	Waits bool   // it waits; else it holds
	Host  string // "" if the session has ended, and what it held is not given back yet
	PID   int
	Since time.Time // when the session began, by the clock of its host
	Ops   []sysvipc.Op
}

// Uses returns who holds and who waits, of all sets or of the one with this name: holders first,
// waiters in their order.
func (c *Conn) Uses(ctx context.Context, set string) (all []Use, err error) {
	const op = "list the users of"
	servers := object{"server", c.nc.ConnectedUrlRedacted()}
	keys, err := c.keys(ctx)
	if err != nil {
		return nil, servers.fail(op, err, "")
	}
	slices.Sort(keys)
	found := set == ""
	for _, key := range keys {
		tok, ok := strings.CutPrefix(key, "sem.")
		if !ok || set != "" && nameOf(tok) != set {
			continue
		}
		e, err := c.read(ctx, key)
		if err != nil {
			return nil, servers.fail(op, err, "")
		}
		st, err := decodeState(e.data)
		if err != nil || st.Removed {
			continue
		}
		found = true
		use := func(session string, waits bool, ops []sysvipc.Op) error {
			e, err := c.read(ctx, "lease."+tok+"."+session)
			if err != nil {
				return servers.fail(op, err, "")
			}
			var said leaseEntry
			_ = json.Unmarshal(e.data, &said) // of one that has ended there is nothing
			all = append(all, Use{Set: nameOf(tok), Waits: waits, Host: said.Host, PID: said.PID, Since: said.Since, Ops: ops})
			return nil
		}
		for _, session := range slices.Sorted(maps.Keys(st.Hold)) {
			var ops []sysvipc.Op
			for _, undo := range st.Hold[session] {
				ops = append(ops, sysvipc.Add(undo[0], -undo[1]))
			}
			if len(ops) > 0 {
				if err := use(session, false, ops); err != nil {
					return nil, err
				}
			}
		}
		for _, w := range st.Wait {
			var ops []sysvipc.Op
			for _, o := range w.Ops {
				if o[1] == 0 {
					ops = append(ops, sysvipc.WaitZero(o[0]))
				} else {
					ops = append(ops, sysvipc.Add(o[0], o[1]))
				}
			}
			if err := use(w.Session, true, ops); err != nil {
				return nil, err
			}
		}
	}
	if !found {
		return nil, object{"semaphore set", set}.fail("open", fs.ErrNotExist, "")
	}
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
