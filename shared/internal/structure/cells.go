package structure

import (
	"context"
	"structs"
	"sync/atomic"
	"unsafe"

	"github.com/sysvipc/sysvipc/shared/internal/core"
)

// Cells is a value of more than wordSize bytes, of a Var or a Doc. It is in one of four
// cells. The writer fills the cell after the current one and then publishes its number; the
// reader copies the current cell, and knows that nobody has touched it if at most two numbers
// have been published since: the third would have begun to fill it. So a writer that is killed
// halfway has spoiled nothing that anybody reads.
//
// Writers take turns by the lock. The next one after a writer that was killed finds the lock
// marked, and the cell after the current one spoiled, which it fills again.
type Cells struct {
	core.Structure
	stride uint64 // a cell's length
	local  chan struct{}
}

type cellsHead struct {
	_    structs.HostLayout
	seq  uint64 // number of the current cell, counted from the first
	_    [56]byte
	lock core.Node
	_    [24]byte
}

// The cells come after the head, and after them the event of a change.
const (
	cells        = 4
	cellsHeadLen = 128
)

// cellsLen is how many bytes four cells of this length take, with their event.
func cellsLen(r *core.Region, stride uint64) uint64 {
	return cellsHeadLen + cells*stride + r.EventSize()
}

// formatCells brings four cells into their first state.
func formatCells(v *core.View, t core.Structure) {
	(*cellsHead)(v.At(t.Offset)).lock.Kind = core.RobustShared
}

func (c *Cells) head(v *core.View) *cellsHead { return (*cellsHead)(v.At(c.Offset)) }

// cell returns the cell with this number. It lies inside whatever the number is.
func (c *Cells) cell(v *core.View, seq uint64) unsafe.Pointer {
	return v.At(c.Offset + cellsHeadLen + seq%cells*c.stride)
}

// changed is the event of a change. It lies behind the cells.
func (c *Cells) changed() uint64 { return c.Offset + cellsHeadLen + cells*c.stride }

// seq returns the number of the current cell.
func (c *Cells) seq(v *core.View) uint64 { return atomic.LoadUint64(&c.head(v).seq) }

// whole reports whether the cell with this number was current for as long as it was copied, or
// is whole yet.
func (h *cellsHead) whole(seq uint64) bool { return atomic.LoadUint64(&h.seq)-seq <= cells-2 }

// read copies the current value by copy, which is given its cell, and returns its number. It
// fails after so many tries as honest writers never take.
func (c *Cells) read(v *core.View, copy func(cell unsafe.Pointer)) (seq uint64, ok bool) {
	h := c.head(v)
	for range tries {
		seq := atomic.LoadUint64(&h.seq)
		copy(c.cell(v, seq))
		if h.whole(seq) {
			return seq, true
		}
	}
	return 0, false
}

// begin takes the lock of the writers.
func (c *Cells) begin(ctx context.Context, v *core.View) (*core.RobustOwner, error) {
	g, _, err := c.Region.Lock(ctx, v, &c.head(v).lock, c.local)
	return g, err
}

// publish makes the next cell the current one, which fill has filled. The lock is held.
func (c *Cells) publish(v *core.View, seq uint64) {
	atomic.StoreUint64(&c.head(v).seq, seq)
	c.Region.Notify(v, c.changed())
}

// Changes returns how often the value was changed.
func (c *Cells) Changes() (uint64, error) {
	v, err := c.Region.Use()
	if err != nil {
		return 0, err
	}
	defer v.Done()
	return c.seq(v), c.Open(v)
}
