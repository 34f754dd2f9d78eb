package sem

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"github.com/sysvipc/sysvipc"
	"github.com/sysvipc/sysvipc/cmd/sysvipc/internal/guard"
	"github.com/sysvipc/sysvipc/inspect"
	"github.com/sysvipc/sysvipc/internal/cli"
	"github.com/sysvipc/sysvipc/internal/plural"
)

// SetValues sets all values of a set. Of one that nobody has operated on, its creator
// may have been killed half way, and others may wait for its values.
func SetValues(ctx context.Context, id int, values []int, force bool) error {
	set := sysvipc.SemaphoresByID(id)
	st, err := set.Stat()
	if err != nil {
		return err
	}
	if len(values) != st.Len {
		return cli.Usage("%s for sem:%d, which has %s: give all values", plural.Of(len(values), "value"), id, plural.Of(st.Len, "semaphore"))
	}
	if !force {
		if err := guardValues(ctx, id); err != nil {
			return guard.OrForce(fmt.Errorf("sem:%d keeps its values: %w", id, err), "sets")
		}
	}
	if st.Operated.IsZero() {
		if err := set.Initialize(values...); !errors.Is(err, fs.ErrExist) {
			return err
		}
	}
	if err := set.SetValues(values...); err != nil || !st.Operated.IsZero() {
		return err
	}
	// A program set values before, but by SETVAL only: an operation that changes
	// nothing tells those who wait for the values that they are set.
	touch := []sysvipc.Op{sysvipc.WaitZero(0)}
	if values[0] > 0 {
		touch = []sysvipc.Op{sysvipc.Add(0, -1), sysvipc.Add(0, +1)}
	}
	_, err = set.TryDo(touch...)
	return err
}

// guardValues refuses a set that has holders or waiters: new values would give it to a second holder, or wake
// waiters, and what was done would not be undone.
func guardValues(ctx context.Context, id int) error {
	snap, err := inspect.Take(ctx, &inspect.Options{Only: []sysvipc.Kind{sysvipc.KindSemaphores}})
	if err != nil {
		return err
	}
	o := snap.Object(sysvipc.KindSemaphores, id)
	if o == nil {
		return cli.Fail(cli.ExitRefused, "it came or went while this was looking: try again")
	}
	return guard.Check(snap, o)
}
