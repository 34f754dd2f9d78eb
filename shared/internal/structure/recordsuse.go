package structure

import (
	"context"
	"fmt"
	"math"
	"sync/atomic"

	"github.com/sysvipc/sysvipc"
	"github.com/sysvipc/sysvipc/shared/internal/core"
)

// What the users of a Records do with its ring. What they promise is said at Records.

const (
	maxRecord  = math.MaxInt32 - 1<<16
	maxRecords = 1 << 48
	minRecords = 2 * core.Line
)

// DeclareRecords finds the channel of records, or makes it, with size bytes of room.
func DeclareRecords(r *core.Region, name string, size int) (*Records, error) {
	if size < minRecords || uint64(size) > maxRecords {
		return nil, fmt.Errorf("shared: records %q: room of %d bytes: use %d to %d", name, size, minRecords, int64(maxRecords))
	}
	room := core.RoundUp(uint64(size), core.Line)
	t, err := r.Declare(context.Background(), core.Declaration{
		Kind: KindRecords, Name: name, Size: recordsSize(r, room), Params: [4]uint64{room},
		Init: func(v *core.View, t core.Structure) {
			h := (*recordsHead)(v.At(t.Offset))
			h.send.Kind, h.receive.Kind = core.RobustShared, core.RobustShared
		},
	})
	if err != nil {
		return nil, err
	}
	c, ok := RecordsOf(t)
	if !ok {
		return nil, fmt.Errorf("shared: records %q in region %q: %w: its sizes do not fit", name, r.Name, core.ErrCorrupt)
	}
	return c, nil
}

// Fill sends a record that fill writes where it lies.
func (c *Records) Fill(ctx context.Context, size int, fill func(b []byte) (n int, err error)) error {
	if size < 0 || size > maxRecord || c.span(uint64(size)) > c.room {
		return fmt.Errorf("shared: send to records %q: %w: %d bytes, and a record has at most %d", c.Name, sysvipc.ErrTooBig, size, c.MaxLen())
	}
	v, err := c.Region.Use()
	if err != nil {
		return err
	}
	defer v.Done()
	p, err := c.claimRoom(ctx, v, uint64(size))
	if err != nil {
		return err
	}
	sent := false
	defer func() {
		if !sent {
			c.abandon(v, p)
		}
	}()
	n, err := fill(c.bytes(v, p, uint64(size)))
	if err != nil {
		return err
	}
	if n < 0 || n > size {
		return fmt.Errorf("shared: send to records %q: fill says that it has written %d bytes into %d", c.Name, n, size)
	}
	if err := c.commit(v, p, uint64(size), uint64(n)); err != nil {
		return err
	}
	sent = true
	c.Region.Notify(v, c.news)
	return nil
}

// Send sends a record.
func (c *Records) Send(ctx context.Context, record []byte) error {
	return c.Fill(ctx, len(record), func(b []byte) (int, error) { return copy(b, record), nil })
}

// Receive returns the next record, in buf if that is long enough.
func (c *Records) Receive(ctx context.Context, buf []byte) (record []byte, err error) {
	err = c.Handle(ctx, func(b []byte) error {
		record = append(buf[:0], b...)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return record, nil
}

// Handle calls handle with the next record where it lies, and then takes it out.
func (c *Records) Handle(ctx context.Context, handle func(record []byte) error) error {
	v, err := c.Region.Use()
	if err != nil {
		return err
	}
	defer v.Done()
	p, size, err := c.claimRecord(ctx, v)
	if err != nil {
		return err
	}
	handled := false
	defer func() {
		if !handled {
			c.putBack(v, p)
		}
	}()
	if err := handle(c.bytes(v, p, size)); err != nil {
		return err
	}
	if err := c.release(v, p); err != nil {
		return err // closed meanwhile: what it has seen may be zeros
	}
	handled = true
	return nil
}

// Len returns how many records wait.
func (c *Records) Len() (int, error) {
	v, err := c.Region.Use()
	if err != nil {
		return 0, err
	}
	defer v.Done()
	n := c.count(v)
	return n, c.Open(v)
}

// MaxLen returns the length of the longest record.
func (c *Records) MaxLen() int { return int(min(c.room-recordLen, maxRecord)) }

// Positions returns how many bytes were sent, and how many received, with what each record takes
// of the room besides.
func (c *Records) Positions() (in, out uint64, err error) {
	v, err := c.Region.Use()
	if err != nil {
		return 0, 0, err
	}
	defer v.Done()
	h := c.head(v)
	return atomic.LoadUint64(&h.tail), atomic.LoadUint64(&h.head), c.Open(v)
}
