package dashboard

import (
	"context"
	"errors"
	"net"
	"net/http"
	"sync"
	"time"
)

// What a client may cost. A request is small, so its headers are, too; one that comes or is read too
// slowly is cut off.
const (
	maxConnections = 256
	maxHeader      = 16 << 10
	headerTimeout  = 5 * time.Second
	readTimeout    = 10 * time.Second
	writeTimeout   = 30 * time.Second
	idleTimeout    = 60 * time.Second
	goodbye        = 5 * time.Second // for requests that are in progress when the context ends
)

// NewServer returns a server with the bounds of this package: for the size and the duration of
// requests and answers.
func NewServer(h http.Handler) *http.Server {
	return &http.Server{
		Handler: h, MaxHeaderBytes: maxHeader,
		ReadHeaderTimeout: headerTimeout, ReadTimeout: readTimeout, WriteTimeout: writeTimeout, IdleTimeout: idleTimeout,
	}
}

// Serve answers the requests that come in on ln until ctx ends, and returns when those in progress
// have been answered, or after 5 seconds. At most 256 connections are open at once; others wait.
// It closes ln. The error is nil if ctx ended it.
func Serve(ctx context.Context, server *http.Server, ln net.Listener) error {
	base := context.WithValue(context.WithoutCancel(ctx), stoppingKey{}, ctx.Done())
	server.BaseContext = func(net.Listener) context.Context { return base }
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(newLimited(ln, maxConnections)) }()
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}
	end, cancel := context.WithTimeout(base, goodbye)
	defer cancel()
	err := server.Shutdown(end)
	if errors.Is(err, context.DeadlineExceeded) {
		err = server.Close()
	}
	<-failed
	return err
}

type stoppingKey struct{}

// stopping is closed when the server is about to end, which streams do then, too. It is nil outside
// of [Serve].
func stopping(ctx context.Context) <-chan struct{} {
	done, _ := ctx.Value(stoppingKey{}).(<-chan struct{})
	return done
}

// limited is a listener with a bound for the connections that are open at once. Others wait in the
// kernel's backlog.
type limited struct {
	net.Listener
	slots  chan struct{}
	closed chan struct{}
	close  func() error
}

func newLimited(ln net.Listener, n int) *limited {
	l := &limited{Listener: ln, slots: make(chan struct{}, n), closed: make(chan struct{})}
	l.close = sync.OnceValue(func() error {
		close(l.closed)
		return ln.Close()
	})
	return l
}

func (l *limited) Close() error { return l.close() }

func (l *limited) Accept() (net.Conn, error) {
	select {
	case l.slots <- struct{}{}:
	case <-l.closed:
		return nil, net.ErrClosed
	}
	conn, err := l.Listener.Accept()
	if err != nil {
		<-l.slots
		return nil, err
	}
	return &limitedConn{Conn: conn, release: sync.OnceFunc(func() { <-l.slots })}, nil
}

type limitedConn struct {
	net.Conn
	release func()
}

func (c *limitedConn) Close() error {
	defer c.release()
	return c.Conn.Close()
}
