// Package holders carries what a trace knows of the holders of semaphores from "sysvipcd serve --trace" to the verbs that show
// it, over a Unix socket of its IPC namespace. A client gets all of it and says nothing.
package holders

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/sysvipc/sysvipc/inspect"
)

// Dir is where the sockets are.
const Dir = "/run/sysvipcd"

// Path is the socket of an IPC namespace.
func Path(namespace uint64) string {
	return filepath.Join(Dir, fmt.Sprintf("trace-%d.sock", namespace))
}

// version is that of the answer.
const version = 1

type answer struct {
	Version   int             `json:"version"`
	Namespace uint64          `json:"namespace"`
	Error     string          `json:"error,omitempty"`
	Holders   []inspect.Taken `json:"holders"`
}

const (
	limit    = 4 << 20 // bytes of an answer: some 20,000 holders
	patience = 10 * time.Second
)

// Serve answers clients until ctx ends or the listener is closed.
func Serve(ctx context.Context, ln net.Listener, namespace uint64, read func() ([]inspect.Taken, error)) error {
	stop := context.AfterFunc(ctx, func() { ln.Close() })
	defer stop()
	for {
		conn, err := ln.Accept()
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil:
			return err
		}
		a := answer{Version: version, Namespace: namespace}
		if a.Holders, err = read(); err != nil {
			a.Error = err.Error()
		}
		conn.SetDeadline(time.Now().Add(patience))
		json.NewEncoder(conn).Encode(&a) // a client that has gone needs no answer
		conn.Close()
	}
}

// Ask returns what the socket at path says of a namespace, and nothing if there is no socket, none that this user may
// connect to, or no server any more. The socket and its directory must belong to root, or to this user, as the server must,
// and nobody else may be able to replace them.
func Ask(ctx context.Context, path string, namespace uint64) ([]inspect.Taken, error) {
	for _, p := range []string{filepath.Dir(path), path} {
		info, err := os.Lstat(p)
		if err != nil {
			return nil, nil
		}
		if err := trusted(p, info); err != nil {
			return nil, err
		}
	}
	dialer := net.Dialer{Timeout: patience}
	conn, err := dialer.DialContext(ctx, "unix", path)
	if err != nil {
		return nil, nil
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	conn.SetDeadline(time.Now().Add(patience))
	if err := trustedServer(conn); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	var a answer
	if err := json.NewDecoder(io.LimitReader(conn, limit)).Decode(&a); err != nil {
		return nil, fmt.Errorf("%s: what it answers is not understood: %w", path, err)
	}
	if err := a.check(namespace); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return a.Holders, nil
}

// check looks at what a program has sent.
func (a *answer) check(namespace uint64) error {
	switch {
	case a.Version != version:
		return fmt.Errorf("its answer has version %d, and this program knows %d: use the same release of both", a.Version, version)
	case a.Error != "":
		return errors.New("it cannot tell who holds semaphores: " + a.Error)
	case a.Namespace != namespace:
		return fmt.Errorf("it traces IPC namespace %d, not %d", a.Namespace, namespace)
	}
	for i := range a.Holders {
		h := &a.Holders[i]
		if h.ID < 0 || h.Semaphore < 0 || h.PID <= 0 || h.Taken <= 0 || len(h.Comm) > 64 || strings.ContainsRune(h.Comm, 0) {
			return fmt.Errorf("its answer has a holder that cannot be: %+v", *h)
		}
	}
	return nil
}

// trusted returns an error if others than root and this user can write to what must be theirs.
func trusted(path string, info fs.FileInfo) error {
	uid, known := owner(info)
	switch {
	case !known || uid != 0 && uid != os.Geteuid():
		return fmt.Errorf("%s belongs to user %d, neither to root nor to this user: not asked who holds semaphores", path, uid)
	case info.Mode().Perm()&0o022 != 0:
		return fmt.Errorf("%s can be written to by others (%v): not asked who holds semaphores", path, info.Mode())
	}
	return nil
}
