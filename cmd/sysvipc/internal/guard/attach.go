package guard

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/sysvipc/sysvipc"
	"github.com/sysvipc/sysvipc/cmd/sysvipc/internal/segread"
	"github.com/sysvipc/sysvipc/inspect"
)

// Attach says which segments a verb that only reads may attach, where they cannot be read otherwise: those of products are
// refused, since their servers look for attaches.
type Attach struct {
	All, None bool // by flags

	snap *inspect.Snapshot
}

// AddFlags adds --attach and --no-attach.
func (a *Attach) AddFlags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.BoolVar(&a.All, "attach", false, "attach also what belongs to a product, such as PostgreSQL")
	f.BoolVar(&a.None, "no-attach", false, "attach nothing: change no field of the kernel")
	cmd.MarkFlagsMutuallyExclusive("attach", "no-attach")
}

// May returns nil if a segment may be attached.
func (a *Attach) May(ctx context.Context, id int) error {
	if a.All {
		return nil
	}
	if a.snap == nil {
		var err error
		if a.snap, err = inspect.Take(ctx, &inspect.Options{Only: []sysvipc.Kind{sysvipc.KindSegment}}); err != nil {
			return err
		}
	}
	if o := a.snap.Object(sysvipc.KindSegment, id); o != nil && o.Product != nil {
		return inUse("it belongs to %s (%s), whose server may not start if it is attached in the wrong instant (--attach attaches it all the same)", o.Product.Name, o.Product.Sign)
	}
	return nil
}

// Open reads a segment, and attaches it if it must and may.
func (a *Attach) Open(ctx context.Context, id int) (*segread.View, error) {
	if a.None {
		return segread.Open(id)
	}
	return segread.Read(id, func() error { return a.May(ctx, id) })
}
