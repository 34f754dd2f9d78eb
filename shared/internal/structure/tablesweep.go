package structure

import (
	"context"
	"fmt"
	"sync/atomic"

	"github.com/sysvipc/sysvipc/shared/internal/core"
)

// held is a stripe's lock, taken.
type held struct{ g *core.RobustOwner }

// lock takes the writers' lock, behind the goroutines of this process that want it. If its
// last holder was killed, the stripe is brought into order first.
func (s stripe) lock(ctx context.Context) (held, error) {
	g, died, err := s.Region.Lock(ctx, s.v, &s.head().lock, s.local)
	if err != nil {
		return held{}, fmt.Errorf("shared: write map %q: %w", s.Name, err)
	}
	core.RaceAcquire(s.local)
	if died {
		s.sweep()
	}
	return held{g}, nil
}

func (l held) release(s stripe) {
	core.RaceRelease(s.local)
	l.g.Unlock(&s.head().lock)
}

// sweep brings the stripe into order whose writer was killed. The lock is held, and if the
// sweeper is killed too, the next holder begins again.
func (s stripe) sweep() {
	h := s.head()
	where := make([]uint64, s.cells) // of each cell, the slot that has it, plus 1
	for slot := range s.slots {
		word := atomic.LoadUint64(s.word(slot))
		cell := word & cellMask
		if cell == wordEmpty || cell == wordHole {
			continue
		}
		out := slot // what is to go
		if cell <= s.cells {
			other := where[cell-1]
			where[cell-1] = slot + 1
			if other == 0 {
				continue
			}
			// It was on its way from one slot to another: it stays in the nearer one.
			if out = other - 1; s.distance(out, cell-1) < s.distance(slot, cell-1) {
				out, where[cell-1] = slot, other
			}
		}
		atomic.AddUint64(&h.moves, 1)
		atomic.StoreUint64(s.word(out), succeed(atomic.LoadUint64(s.word(out)), wordHole))
	}
	for slot := range s.slots {
		if atomic.LoadUint64(s.word(slot))&cellMask == wordHole {
			s.Close(slot)
		}
	}
	h.top = 0
	count, fresh := uint64(0), min(uint64(h.fresh), s.cells)
	for cell, slot := range where {
		if slot != 0 {
			count, fresh = count+1, max(fresh, uint64(cell)+1)
		}
	}
	for cell := range fresh {
		if where[cell] == 0 {
			s.release(cell)
		}
	}
	h.fresh = uint32(fresh)
	atomic.StoreUint64(&h.count, count)
}

// repairMap sweeps the stripes whose writer was killed. One that the kernel marks later
// than the participant is left to the next writer.
func repairMap(v *core.View, t core.Structure, _ core.Owner) {
	l, ok := LayoutOf(t)
	if !ok {
		return // no participant made this
	}
	m := NewTable(t, l, nil)
	for i := range l.Stripes {
		s := m.nth(v, i)
		if n := &s.head().lock; atomic.LoadUint32(&n.Word)&core.OwnerDied != 0 {
			g := core.Pick()
			ok, died := g.TryLock(n, 0, core.Door{}) // the slot's lock is held, or this is its Close
			if died {
				s.sweep()
			}
			if ok {
				g.Unlock(n)
			}
		}
	}
}
