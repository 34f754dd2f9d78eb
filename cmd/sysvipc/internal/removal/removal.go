// Package removal removes objects: what goes is saved to a file first, which "undo" brings back.
package removal

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/sysvipc/sysvipc"
	"github.com/sysvipc/sysvipc/cmd/sysvipc/internal/archive"
	"github.com/sysvipc/sysvipc/inspect"
	"github.com/sysvipc/sysvipc/internal/cli"
	"github.com/sysvipc/sysvipc/internal/cli/ref"
)

// Removal is how objects are removed: all are saved first, then looked at again, and those that nobody has touched go.
type Removal struct {
	Program string
	Backup  string // the file; "" for one in the state folder
	None    bool   // save nothing
	Keep    Keep
	Options *inspect.Options
	// may refuses an object, by a look that is new. It is nil if what is in use goes, too.
	May func(*inspect.Snapshot, *inspect.Object) error
	// Do is what is done to an object instead of removing it; nil removes it.
	Do func(*inspect.Object) error
	// Saved is the file that has what was there; "" if nothing was saved.
	Saved string
}

// Into is the program of files whose objects were not removed, but got other contents.
const Into = "sysvipc restore --into"

// AddFlags adds those that say what is saved.
func (r *Removal) AddFlags(cmd *cobra.Command) {
	r.Keep = DefaultKeep
	f := cmd.Flags()
	f.StringVar(&r.Backup, "backup", "", "save what is removed to `FILE`, which must be new, and not to the state folder")
	f.BoolVar(&r.None, "no-backup", false, "save nothing: what is removed is lost")
	f.Var(&r.Keep, "keep", "how long saved files stay, and how large they may be together")
	cmd.MarkFlagsMutuallyExclusive("backup", "no-backup")
}

// Run removes objects, and tells done of each what came of it.
func (r *Removal) Run(ctx context.Context, doomed []*inspect.Object, done func(*inspect.Object, error)) error {
	if len(doomed) == 0 {
		return nil
	}
	held := map[*inspect.Object]*sysvipc.Memory{}
	defer func() {
		for _, m := range held {
			m.Close()
		}
	}()
	if !r.None {
		var err error
		if doomed, err = r.save(ctx, doomed, held, done); err != nil {
			return fmt.Errorf("nothing is removed, since it cannot be saved: %w (--no-backup removes it all the same)", err)
		}
	}
	var now *inspect.Snapshot
	if r.May != nil && !r.None {
		var err error
		if now, err = inspect.Take(ctx, r.Options); err != nil {
			return err
		}
	}
	for _, o := range doomed {
		if err := ctx.Err(); err != nil {
			return err
		}
		err := r.check(now, o, held[o])
		if err == nil {
			err = r.do(o)
		}
		if m := held[o]; m != nil {
			delete(held, o)
			if closeErr := m.Close(); err == nil {
				err = closeErr
			}
		}
		done(o, err)
	}
	return nil
}

func (r *Removal) do(o *inspect.Object) error {
	if r.Do != nil {
		return r.Do(o)
	}
	return ref.ByID(o.Kind, o.ID).Remove()
}

// check is the last look at an object. Who began to wait on a set or queue, or came to have to do with it, shows in the
// new snapshot; of a segment that is held, the kernel tells all.
func (r *Removal) check(now *inspect.Snapshot, o *inspect.Object, held *sysvipc.Memory) error {
	switch {
	case r.May == nil:
		return nil
	case held != nil:
		return o.UnchangedHeld(os.Getpid())
	case now != nil:
		again := now.Object(o.Kind, o.ID)
		if again == nil {
			return cli.Fail(cli.ExitNotFound, "it was removed meanwhile")
		}
		if err := r.May(now, again); err != nil {
			return err
		}
	}
	return o.Unchanged()
}

// save writes the file and returns the objects that are in it. It is on the disk when save returns.
func (r *Removal) save(ctx context.Context, doomed []*inspect.Object, held map[*inspect.Object]*sysvipc.Memory, done func(*inspect.Object, error)) ([]*inspect.Object, error) {
	host, _ := os.Hostname()
	ns, _ := os.Readlink("/proc/self/ns/ipc")
	file, name, err := create(r.Backup, archive.Header{Host: host, Namespace: ns, Program: r.Program})
	if err != nil {
		return nil, err
	}
	defer file.Abandon()
	var saved []*inspect.Object
	for _, o := range doomed {
		var s archive.Saved
		var err error
		if r.May != nil {
			if err = settle(ctx, o); err == nil {
				err = o.Unchanged()
			}
		}
		if err == nil {
			s, err = file.Save(ctx, o.Kind, o.ID, archive.SaveOptions{Hold: r.May != nil})
			if err != nil && !errors.Is(err, fs.ErrNotExist) {
				err = fmt.Errorf("it cannot be saved: %w (--no-backup removes it all the same)", err)
			}
		}
		if s.Held != nil {
			held[o] = s.Held
		}
		if file.Err() != nil || ctx.Err() != nil {
			return nil, cmp.Or(file.Err(), ctx.Err())
		}
		if err == nil && s.InUse && r.May != nil {
			err = fmt.Errorf("%s has %w: it was used while it was saved", o.Ref(), inspect.ErrChanged)
		}
		if err != nil {
			done(o, err)
			continue
		}
		saved = append(saved, o)
	}
	if len(saved) == 0 {
		return nil, nil
	}
	if err := file.Commit(true); err != nil {
		return nil, err
	}
	r.Saved = name
	if r.Backup == "" {
		_ = r.Keep.prune(filepath.Dir(name)) // what stays is no harm
	}
	return saved, nil
}

// settle waits until the second is over in which a segment was detached last: another detach in it would not show, since
// the kernel's times are seconds.
func settle(ctx context.Context, o *inspect.Object) error {
	if o.Segment == nil || o.Segment.Detached.IsZero() {
		return nil
	}
	const tick = 20 * time.Millisecond // by which the kernel's clock of seconds may be late
	left := time.Until(o.Segment.Detached.Add(time.Second + tick))
	if left <= 0 || left > 2*time.Second { // or the clock was set
		return nil
	}
	t := time.NewTimer(left)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
