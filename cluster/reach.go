package cluster

import (
	"context"
	"errors"
	"io"
	"net"
	"time"

	"github.com/nats-io/nats.go"
)

// reach connects, again and again if that is wanted, until ctx ends. It does not wait for an
// attempt that is under way then: nats.go knows no context, and may try many addresses.
func reach(ctx context.Context, url string, opts *Options, connect func() (*Conn, error)) (*Conn, error) {
	type result struct {
		conn *Conn
		err  error
	}
	for noted := false; ; noted = true {
		if ctx.Err() != nil {
			return nil, object{"server", url}.cancelled("connect to", ctx)
		}
		tried := make(chan result, 1)
		go func() {
			conn, err := connect()
			tried <- result{conn, err}
		}()
		select {
		case r := <-tried:
			if r.err == nil || !opts.Wait || !away(r.err) {
				return r.conn, r.err
			}
			if !noted && opts.Note != nil {
				opts.Note("the servers are not there: waiting for them", r.err)
			}
		case <-ctx.Done():
			select {
			case r := <-tried: // it ends by ctx, too, and knows what the servers said
				return r.conn, r.err
			case <-time.After(farewell):
			}
			go func() {
				if r := <-tried; r.err == nil {
					r.conn.nc.Close()
				}
			}()
			continue
		}
		select {
		case <-time.After(500 * time.Millisecond):
		case <-ctx.Done():
		}
	}
}

// farewell is for how long an attempt that was under way at the end may say what it came to.
const farewell = 100 * time.Millisecond

// away reports whether an error to connect is that nobody answers, which can change by itself.
func away(err error) bool {
	var op *net.OpError
	return errors.As(err, &op) && op.Op == "dial" || errors.As(err, new(*net.DNSError)) || errors.Is(err, io.EOF) ||
		errors.Is(err, nats.ErrNoServers) || transient(err)
}
