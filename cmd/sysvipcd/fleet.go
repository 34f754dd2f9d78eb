package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/sysvipc/sysvipc/cluster"
	"github.com/sysvipc/sysvipc/dashboard"
)

// fleet runs the bridges of a file over one connection. One that fails begins again after a while,
// since the others go on.
type fleet struct {
	conn   *cluster.Conn
	counts *dashboard.Counters
	state  string
	log    *slog.Logger

	change sync.Mutex // held while bridges are started and ended
	mu     sync.Mutex
	runs   map[joint]*bridgeRun
}

// bridgeRun is one bridge of a fleet.
type bridgeRun struct {
	end   context.CancelFunc
	ended chan struct{}
	err   error // why it does not carry; the fleet's lock guards it
}

var errBegins = errors.New("it begins")

// set ends the bridges that are not wanted, and starts those that are not there.
func (f *fleet) set(ctx context.Context, wanted []joint) {
	f.change.Lock()
	defer f.change.Unlock()
	keep := map[joint]bool{}
	for _, j := range wanted {
		keep[j] = true
	}
	var ending []*bridgeRun
	f.mu.Lock()
	for j, r := range f.runs {
		if !keep[j] {
			r.end()
			ending = append(ending, r)
			delete(f.runs, j)
			f.counts.Forget("bridge_up", j.subject)
		}
	}
	f.mu.Unlock()
	for _, r := range ending { // first, since the new ones may take their queues
		<-r.ended
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, j := range wanted {
		if f.runs[j] == nil && ctx.Err() == nil {
			own, end := context.WithCancel(ctx)
			r := &bridgeRun{end: end, ended: make(chan struct{}), err: errBegins}
			f.runs[j] = r
			go f.run(own, j, r)
		}
	}
}

// run carries, again and again, until ctx ends.
func (f *fleet) run(ctx context.Context, j joint, r *bridgeRun) {
	defer close(r.ended)
	log := f.log.With("queue", j.queue, "subject", j.subject)
	for pause := time.Second; ; pause = min(2*pause, time.Minute) {
		began := time.Now()
		err := f.carry(ctx, j, r, log)
		if ctx.Err() != nil {
			if err != nil {
				log.Warn("ended", "err", err)
			}
			return
		}
		if time.Since(began) > time.Minute {
			pause = time.Second
		}
		f.is(j, r, err)
		log.Error("the bridge has failed, and begins again", "err", err, "in", pause)
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return
		}
	}
}

func (f *fleet) carry(ctx context.Context, j joint, r *bridgeRun, log *slog.Logger) error {
	open, err := local(j.queue)
	if err != nil {
		return err
	}
	ways, err := j.ways(ctx, f.conn, f.counts, f.state, open)
	defer func() {
		for _, w := range ways {
			if w.bridge.Remote != nil {
				ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), farewell(f.conn))
				w.bridge.Remote.Close(ctx)
				cancel()
			}
		}
	}()
	if err != nil {
		return err
	}
	f.is(j, r, nil)
	return carry(ctx, log, nil, 0, ways)
}

// is notes whether a bridge carries.
func (f *fleet) is(j joint, r *bridgeRun, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if r.err = err; f.runs[j] != r {
		return
	}
	up := 1.0
	if err != nil {
		up = 0
	}
	f.counts.Gauge("bridge_up", j.subject, up)
}

// ready returns what keeps bridges from carrying, or nil.
func (f *fleet) ready() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	var errs []error
	if !f.conn.NATS().IsConnected() {
		errs = append(errs, errors.New("the servers are away"))
	}
	for j, r := range f.runs {
		if r.err != nil {
			errs = append(errs, fmt.Errorf("%s to %q: %w", j.queue, j.subject, r.err))
		}
	}
	return errors.Join(errs...)
}
