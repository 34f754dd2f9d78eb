package shared

import "sync/atomic"

// Records returns a channel of byte records, for whose use nobody needs a type.
func (a *Any) Records() (*Records, error) {
	c, v, err := a.recordRing(true)
	if err != nil {
		return nil, err
	}
	v.done()
	return &Records{c}, nil
}

func (a *Any) recordRing(write bool) (*recordRing, *view, error) {
	v, err := a.use(kindRecords, write)
	if err != nil {
		return nil, nil, err
	}
	c, ok := recordRingOf(a.thing)
	if !ok {
		return nil, nil, a.fail("%w: its sizes do not fit", errCorrupt)
	}
	return c, v, nil
}

// recordsLen returns how many records wait.
func (a *Any) recordsLen() (int, error) {
	c, v, err := a.recordRing(false)
	if err != nil {
		return 0, err
	}
	defer v.done()
	return c.count(v), a.closed(v)
}

// recordsPosition counts bytes, with what a record takes of the room besides.
func (a *Any) recordsPosition() (Position, error) {
	c, v, err := a.recordRing(false)
	if err != nil {
		return Position{}, err
	}
	defer v.done()
	h := c.head(v)
	return Position{In: atomic.LoadUint64(&h.tail), Out: atomic.LoadUint64(&h.head)}, a.closed(v)
}
