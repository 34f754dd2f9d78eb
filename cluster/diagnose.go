package cluster

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/sysvipc/sysvipc/cluster/internal/permission"
)

// Finding is something that is wrong with a cluster, or that could not be looked at.
type Finding struct {
	Check    string // a word: "versions", "replicas", "limits", "permissions", "clock", "queues"
	Critical bool   // else it is a warning
	Text     string
	Remedy   string // "" if there is none
}

// What [Conn.Diagnose] takes for too much.
const (
	skewMost      = 2 * time.Second  // between a server's clock and ours
	fullFrom      = 80               // percent of a limit
	undrainedFrom = 10 * time.Minute // for which a message lies on a queue without a receiver
)

// Diagnose looks for what is wrong with the servers and the objects: versions that differ, objects with fewer
// replicas than the cluster can keep or whose replicas are away, limits of which 80 % are used, what the
// account does not let this client do, clocks that differ by more than 2 s, and queues that nobody drains.
// It changes nothing.
func (c *Conn) Diagnose(ctx context.Context) (all []Finding, err error) {
	server := object{"server", c.nc.ConnectedUrlRedacted()}
	for _, check := range []func(context.Context) ([]Finding, error){c.diagnoseVersions, c.diagnoseAccount, c.diagnosePermissions, c.diagnoseStreams} {
		found, err := check(ctx)
		if err != nil {
			return nil, server.fail("diagnose", err, "")
		}
		all = append(all, found...)
	}
	slices.SortStableFunc(all, func(a, b Finding) int {
		switch {
		case a.Critical == b.Critical:
			return 0
		case a.Critical:
			return -1
		}
		return 1
	})
	return all, nil
}

// diagnoseVersions connects to each server that is known.
func (c *Conn) diagnoseVersions(context.Context) (found []Finding, err error) {
	versions := map[string]string{}
	for _, url := range c.nc.Servers() {
		opts := c.nc.Opts
		opts.Url, opts.Servers, opts.NoRandomize, opts.AllowReconnect, opts.RetryOnFailedConnect = url, []string{url}, true, false, false
		opts.IgnoreDiscoveredServers, opts.Timeout = true, attempt
		opts.ClosedCB, opts.DisconnectedErrCB, opts.ReconnectedCB, opts.AsyncErrorCB, opts.DiscoveredServersCB = nil, nil, nil, nil, nil
		nc, err := opts.Connect()
		if err != nil {
			found = append(found, Finding{"versions", true, fmt.Sprintf("server %s does not answer: %v", url, err), "start it, or take it out of the URL"})
			continue
		}
		versions[nc.ConnectedServerVersion()] = nc.ConnectedServerName()
		nc.Close()
	}
	if len(versions) > 1 {
		found = append(found, Finding{"versions", false, fmt.Sprintf("the servers have different versions: %v", versions), "upgrade one server after another, and wait for each until it is current"})
	}
	return found, nil
}

// diagnoseAccount looks at the limits of the account.
func (c *Conn) diagnoseAccount(ctx context.Context) (found []Finding, err error) {
	var info *jetstream.AccountInfo
	err = c.Retry(ctx, func(ctx context.Context) (err error) {
		info, err = c.js.AccountInfo(ctx)
		return err
	})
	if err != nil {
		return nil, err
	}
	for _, l := range []struct {
		what      string
		used, has int64
	}{
		{"bytes of storage", int64(info.Store), info.Limits.MaxStore},
		{"bytes of memory", int64(info.Memory), info.Limits.MaxMemory},
		{"streams", int64(info.Streams), int64(info.Limits.MaxStreams)},
		{"consumers", int64(info.Consumers), int64(info.Limits.MaxConsumers)},
	} {
		if l.has > 0 && l.used >= l.has/100*fullFrom {
			found = append(found, Finding{"limits", l.used >= l.has, fmt.Sprintf("the account uses %d of %d %s", l.used, l.has, l.what), "raise its limit, or remove queues: sysvipcd ls"})
		}
	}
	return found, nil
}

// diagnosePermissions asks for what each role needs, with names that nobody has. What would be stored is not asked for.
func (c *Conn) diagnosePermissions(ctx context.Context) (found []Finding, err error) {
	needs := map[string][]string{}
	for _, role := range permission.Roles {
		for _, n := range role.Needs {
			subject := strings.NewReplacer("*", "1", ">", "1").Replace(n.In(c.api, "~")) // no name has this token
			if !n.Subscribe && n.Without == "" && !strings.HasPrefix(subject, bucketPrefix) {
				needs[subject] = append(needs[subject], role.Name)
			}
		}
	}
	for subject, roles := range needs {
		need := strings.Join(roles, ", ")
		once, cancel := context.WithTimeout(ctx, attempt)
		once, done := c.refusals.await(once, subject)
		_, err := c.nc.RequestWithContext(once, subject, nil)
		if r, ok := context.Cause(once).(*refused); ok {
			err = r
		}
		done()
		cancel()
		if errors.Is(err, fs.ErrPermission) {
			found = append(found, Finding{"permissions", false, fmt.Sprintf("this account does not let it %s: %v", need, err), "let the account publish to that subject"})
		}
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
	}
	slices.SortFunc(found, func(a, b Finding) int { return cmp.Compare(a.Text, b.Text) })
	return found, nil
}

// diagnoseStreams looks at what keeps queues, sets and variables.
func (c *Conn) diagnoseStreams(ctx context.Context) (found []Finding, err error) {
	skewed := map[string]bool{}
	var names []string
	err = c.Retry(ctx, func(ctx context.Context) error {
		names = []string{bucketStream}
		list := c.js.StreamNames(ctx, jetstream.WithStreamListSubject("sysvipc.q.>"))
		for name := range list.Name() {
			names = append(names, name)
		}
		return list.Err()
	})
	for _, name := range names {
		if err != nil {
			return nil, err
		}
		var info *jetstream.StreamInfo
		var asked time.Time
		err = c.Retry(ctx, func(ctx context.Context) error {
			asked = time.Now()
			s, err := c.js.Stream(ctx, name)
			if err == nil {
				info = s.CachedInfo()
			}
			return err
		})
		if errors.Is(err, jetstream.ErrStreamNotFound) { // no bucket yet, or a queue that was removed meanwhile
			err = nil
			continue
		}
		if err != nil {
			return nil, err
		}
		what, leader := "the sets and variables", c.nc.ConnectedServerName()
		if tok, ok := strings.CutPrefix(name, queuePrefix); ok {
			what = fmt.Sprintf("queue %q", nameOf(tok))
			found = append(found, c.diagnoseQueue(ctx, name, what, info)...)
		}
		if info.Cluster != nil && info.Cluster.Leader != "" {
			leader = info.Cluster.Leader
			found = append(found, c.diagnoseReplicas(what, info)...)
		}
		if skew := max(asked.Sub(info.TimeStamp), time.Until(info.TimeStamp)); skew > skewMost && !skewed[leader] {
			skewed[leader] = true
			found = append(found, Finding{"clock", false, fmt.Sprintf("the clock of server %s is %v away from this machine's", leader, skew.Round(time.Millisecond)), "run chrony or systemd-timesyncd on both"})
		}
	}
	return found, err
}

// diagnoseReplicas looks at the servers that keep a stream.
func (c *Conn) diagnoseReplicas(what string, info *jetstream.StreamInfo) (found []Finding) {
	if info.Config.Replicas < 3 && c.elects {
		found = append(found, Finding{
			"replicas", false, fmt.Sprintf("%s: %d of the cluster's servers keeps it, so that it is away with that", what, info.Config.Replicas),
			"nats stream edit --replicas 3 " + info.Config.Name,
		})
	}
	for _, r := range info.Cluster.Replicas {
		switch {
		case r.Offline:
			found = append(found, Finding{"replicas", true, fmt.Sprintf("%s: server %s, which keeps it, is away", what, r.Name), "start it, or let another take its place: nats server raft peer-remove"})
		case !r.Current:
			found = append(found, Finding{"replicas", false, fmt.Sprintf("%s: server %s is %d operations behind", what, r.Name, r.Lag), "wait, and do not stop another server meanwhile"})
		}
	}
	return found
}

// diagnoseQueue looks for what nobody drains.
func (c *Conn) diagnoseQueue(ctx context.Context, stream, what string, info *jetstream.StreamInfo) (found []Finding) {
	st, cfg := info.State, info.Config
	for _, l := range []struct {
		unit string
		used uint64
		has  int64
	}{{"messages", st.Msgs, cfg.MaxMsgs}, {"bytes", st.Bytes, cfg.MaxBytes}} {
		if l.has > 0 && l.used >= uint64(l.has)/100*fullFrom {
			found = append(found, Finding{
				"queues", l.used >= uint64(l.has), fmt.Sprintf("%s has %d of %d %s: then its senders wait", what, l.used, l.has, l.unit), "start receivers, or see Queue.SetCapacity",
			})
		}
	}
	if age := info.TimeStamp.Sub(st.FirstTime); st.Msgs > 0 && age > undrainedFrom {
		waiting := 0
		if s, err := c.js.Stream(ctx, stream); err == nil {
			for r := range s.ListConsumers(ctx).Info() {
				waiting += r.NumWaiting + r.NumAckPending
			}
		}
		if waiting == 0 {
			found = append(found, Finding{
				"queues", false, fmt.Sprintf("nobody drains %s: %d messages, the first of them since %v", what, st.Msgs, age.Round(time.Second)),
				"start a receiver, or remove it: sysvipcd rm --force",
			})
		}
	}
	return found
}
