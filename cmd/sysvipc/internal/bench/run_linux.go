//go:build amd64 || arm64

package bench

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"runtime"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/sysvipc/sysvipc"
)

// Run measures. What it made is gone when it returns, or when this process is killed.
func Run(ctx context.Context, o *Options) (*Result, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "sysvipc-bench-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	key, err := freeKeys()
	if err != nil {
		return nil, err
	}
	defer sweep(key)
	d := depths[o.Depth]
	p := &plan{Only: o.Only, Modes: d.modes, Places: d.places, Rounds: d.rounds, Time: d.time, Turn: d.turn, Key: key, Directory: dir}
	// A child dies with the thread that made it.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	r, err := start(ctx, p)
	if err != nil {
		return nil, err
	}
	result, err := r.result(ctx, o)
	if err != nil {
		return nil, err
	}
	result.Bench.Depth = o.Depth
	result.Judge()
	return result, nil
}

// running is the first process of a run.
type running struct {
	cmd    *exec.Cmd
	in     io.WriteCloser
	out    io.Reader
	stderr bytes.Buffer
}

// start starts the first process in an IPC namespace of its own: as root, or in a user namespace, or else, where neither
// is allowed, in this one.
func start(ctx context.Context, p *plan) (*running, error) {
	uid, gid := os.Getuid(), os.Getgid()
	for _, flags := range []uintptr{unix.CLONE_NEWIPC, unix.CLONE_NEWIPC | unix.CLONE_NEWUSER, 0} {
		if p.Own = flags != 0; p.Own && p.inPlace {
			continue
		}
		r := &running{cmd: again("driver")}
		r.cmd.Stderr = &r.stderr
		r.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true, Cloneflags: flags}
		if !p.Own {
			// It has to remove what it made: its standard input ends with this process.
			r.cmd.SysProcAttr.Pdeathsig = 0
		}
		if flags&unix.CLONE_NEWUSER != 0 {
			r.cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{ContainerID: uid, HostID: uid, Size: 1}}
			r.cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{ContainerID: gid, HostID: gid, Size: 1}}
		}
		var err error
		if r.in, err = r.cmd.StdinPipe(); err != nil {
			return nil, err
		}
		if r.out, err = r.cmd.StdoutPipe(); err != nil {
			return nil, err
		}
		switch err := r.cmd.Start(); {
		case err == nil:
			return r, json.NewEncoder(r.in).Encode(p)
		case flags == 0:
			return nil, err
		}
	}
	panic("unreachable")
}

// result reads what the first process reports, until it has ended.
func (r *running) result(ctx context.Context, o *Options) (*Result, error) {
	// Its end is this one's, however this goes on; and it ends the others.
	stop := context.AfterFunc(ctx, func() { r.in.Close() })
	defer stop()
	var result *Result
	var failure error
	lines := json.NewDecoder(bufio.NewReader(r.out))
	for {
		var got report
		if err := lines.Decode(&got); err != nil {
			break
		}
		switch {
		case got.Error != "":
			failure = errors.New(got.Error)
		case got.Result != nil:
			result = got.Result
		case o.Progress != nil:
			o.Progress(got.Part)
		}
	}
	r.in.Close()
	err := r.cmd.Wait()
	switch {
	case ctx.Err() != nil:
		return nil, context.Cause(ctx)
	case failure != nil:
		return nil, failure
	case result == nil:
		return nil, fmt.Errorf("the measuring process has ended without a result: %v %s", err, bytes.TrimSpace(r.stderr.Bytes()))
	}
	return result, nil
}

// End is what the processes of a run execute: "driver" measures, "peer" is the other end.
func End(role string) error {
	switch role {
	case "driver":
		return serveDriver()
	case "peer":
		return servePeer()
	}
	return fmt.Errorf("bench end %q: this is a part of \"sysvipc bench\"", role)
}

// freeKeys returns the first of keys that no object has.
func freeKeys() (int32, error) {
	for {
		first := 1<<20 + rand.Int32N(1<<30)
		taken := false
		if err := each(first, func(interface{ Remove() error }) { taken = true }); err != nil || !taken {
			return first, err
		}
	}
}

// sweep removes what processes that were killed have left under the run's keys.
func sweep(first int32) {
	each(first, func(o interface{ Remove() error }) { o.Remove() })
}

// each calls f with the objects of this namespace that have keys of a run.
func each(first int32, f func(object interface{ Remove() error })) error {
	uid := os.Getuid()
	ours := func(o *sysvipc.Object) bool {
		return int64(o.Key) >= int64(first) && int64(o.Key) < int64(first)+keys && o.CUID == uid
	}
	for s, err := range sysvipc.Segments() {
		if err != nil {
			return err
		}
		if ours(&s.Object) {
			f(sysvipc.SegmentByID(s.ID))
		}
	}
	for s, err := range sysvipc.SemaphoreSets() {
		if err != nil {
			return err
		}
		if ours(&s.Object) {
			f(sysvipc.SemaphoresByID(s.ID))
		}
	}
	for q, err := range sysvipc.Queues() {
		if err != nil {
			return err
		}
		if ours(&q.Object) {
			f(sysvipc.QueueByID(q.ID))
		}
	}
	return nil
}
