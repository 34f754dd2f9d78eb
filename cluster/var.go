package cluster

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"iter"
)

// Var is a variable of type T that the servers keep as JSON. Before the first Store it
// has T's zero value. Safe for concurrent use.
type Var[T any] struct {
	object
	conn *Conn
	key  string
}

// VarOf returns the variable with this name. It holds nothing in this process.
func VarOf[T any](ctx context.Context, c *Conn, name string) (*Var[T], error) {
	tok, err := token(name)
	if err != nil {
		return nil, err
	}
	v := &Var[T]{object{"variable", name}, c, "var." + tok}
	if err := c.openBucket(ctx); err != nil {
		return nil, v.fail("open", err, "")
	}
	return v, nil
}

// Load returns the value.
func (v *Var[T]) Load(ctx context.Context) (T, error) {
	value, _, err := v.Revision(ctx)
	return value, err
}

// Revision returns the value, and a number that grows with each change of it.
func (v *Var[T]) Revision(ctx context.Context) (T, uint64, error) {
	return v.load(ctx, "load", v.conn.readLatest)
}

func (v *Var[T]) load(ctx context.Context, op string, read func(context.Context, string) (entry, error)) (value T, revision uint64, err error) {
	e, err := read(ctx, v.key)
	if err == nil {
		value, err = v.decode(e.data)
	}
	if err != nil {
		return value, 0, v.wrong(ctx, op, err)
	}
	return value, e.revision, nil
}

func (v *Var[T]) wrong(ctx context.Context, op string, err error) error {
	if ctx.Err() != nil && (errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)) {
		return v.ended(op, ctx, err)
	}
	return v.fail(op, err, "")
}

// decode reads a value; nothing is the zero value.
func (v *Var[T]) decode(data []byte) (value T, err error) {
	if len(data) > 0 {
		err = json.Unmarshal(data, &value)
	}
	return value, err
}

// Store sets the value.
func (v *Var[T]) Store(ctx context.Context, value T) error {
	return v.Update(ctx, func(x *T) { *x = value })
}

// Update changes the value by change, which no other writer comes between: if one does,
// change is called again with what that one wrote.
func (v *Var[T]) Update(ctx context.Context, change func(*T)) error {
	_, err := v.update(ctx, func(value *T) (bool, error) { change(value); return true, nil })
	return err
}

// CompareAndSwap sets the value to new if it is old, which their JSON tells, and reports
// whether it was.
func (v *Var[T]) CompareAndSwap(ctx context.Context, old, new T) (bool, error) {
	want, err := json.Marshal(old)
	if err != nil {
		return false, v.fail("swap", err, "")
	}
	return v.update(ctx, func(value *T) (bool, error) {
		got, err := json.Marshal(*value)
		if err != nil || !bytes.Equal(got, want) {
			return false, err
		}
		*value = new
		return true, nil
	})
}

func (v *Var[T]) update(ctx context.Context, change func(*T) (bool, error)) (bool, error) {
	const op = "update"
	for {
		value, revision, err := v.load(ctx, op, v.conn.read)
		if err != nil {
			return false, err
		}
		write, err := change(&value)
		if err == nil && !write && v.conn.elects {
			// That must be so of the latest.
			value, revision, err = v.load(ctx, op, v.conn.readLatest)
			if err == nil {
				write, err = change(&value)
			}
		}
		if err != nil || !write {
			return false, v.fail(op, err, "")
		}
		text, err := json.Marshal(value)
		if err != nil {
			return false, v.fail(op, err, "")
		}
		next, err := v.conn.swap(ctx, v.key, text, revision, 0)
		if err != nil {
			return false, v.wrong(ctx, op, err)
		}
		if next > 0 {
			return true, nil
		}
		if ctx.Err() != nil {
			return false, v.cancelled(op, ctx)
		}
	}
}

// Watch yields the value now and after each change, until ctx is done, with an error at
// the end. Of changes that come while the connection is lost it yields the last.
func (v *Var[T]) Watch(ctx context.Context) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		var none T
		again := &reconnects{make(chan struct{}, 1)}
		v.conn.opened(again)
		defer v.conn.closed(again)
		last := entry{}
		for begun := false; ; begun = true {
			var w *watcher
			err := v.conn.Retry(ctx, func(context.Context) (err error) {
				w, err = v.conn.watch(ctx, v.key)
				return err
			})
			if err != nil {
				yield(none, v.wrong(ctx, "watch", err))
				return
			}
			more := v.hear(ctx, w, again.c, !begun, &last, yield)
			w.stop()
			if !more {
				return
			}
		}
	}
}

// reconnects tells a watch that the connection was lost: the server that had it may be
// another now, or has forgotten it.
type reconnects struct{ c chan struct{} }

func (r *reconnects) close(context.Context) error { return nil }

func (r *reconnects) reconnected() {
	select {
	case r.c <- struct{}{}:
	default:
	}
}

// hear yields what a watcher tells, if it is later than last, until there is another
// watcher to be made, which it reports.
func (v *Var[T]) hear(ctx context.Context, w *watcher, again <-chan struct{}, first bool, last *entry, yield func(T, error) bool) bool {
	var none T
	told := false // that there is something
	for {
		var e *change
		select {
		case e = <-w.changes:
		case <-again:
			return true
		case <-w.closed:
			if !v.conn.nc.IsClosed() && ctx.Err() == nil {
				return true
			}
			if ctx.Err() == nil {
				yield(none, v.fail("watch", errClosed, ""))
				return false
			}
		case <-ctx.Done():
		}
		switch {
		case ctx.Err() != nil:
			yield(none, v.cancelled("watch", ctx))
			return false
		case e == nil && last.revision == 0: // that is all for now
			if first && !yield(none, nil) {
				return false
			}
			continue
		case e == nil && told:
			continue
		case e == nil, e.revision < last.revision, e.revision == last.revision && !bytes.Equal(e.data, last.data):
			// Of a replica that is behind, or of servers that went back.
			now, err := v.conn.readLatest(ctx, v.key)
			if err != nil {
				yield(none, v.wrong(ctx, "watch", err))
				return false
			}
			if now.revision >= last.revision && (now.revision > last.revision || bytes.Equal(now.data, last.data)) {
				continue
			}
			v.conn.wentBack(v.object, last.revision, now.revision)
			e = &change{data: now.data, revision: now.revision}
		case e.revision == last.revision:
			told = true
			continue
		}
		told = true
		*last = entry{e.data, e.revision}
		value, err := v.decode(e.data)
		if err != nil {
			yield(none, v.fail("watch", err, ""))
			return false
		}
		if !yield(value, nil) {
			return false
		}
	}
}
