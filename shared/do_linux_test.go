package shared_test

import (
	"context"
	"errors"
	"io"
	"testing"

	"github.com/sysvipc/sysvipc"
	"github.com/sysvipc/sysvipc/internal/ipctest"
	"github.com/sysvipc/sysvipc/shared"
)

// doLocks are the locks that have Do, by name.
func doLocks(r *shared.Region) (m *shared.Mutex, rw *shared.RWMutex, err error) {
	m, err1 := shared.MutexOf(r, "m")
	rw, err2 := shared.RWMutexOf(r, "rw")
	return m, rw, errors.Join(err1, err2)
}

var doer = ipctest.Register("doer", func(c *ipctest.ChildEnv) {
	key, err := sysvipc.ParseKey(c.Args[0])
	c.Check(err)
	r, err := shared.EnsureKey(context.Background(), key, nil)
	c.Check(err)
	m, rw, err := doLocks(r)
	c.Check(err)
	none := func() error { return errors.New("nobody has died") }
	c.Check(m.Do(context.Background(), none, func() error {
		return rw.Do(context.Background(), none, func() error {
			c.Say("locked")
			c.Listen()
			return nil
		})
	}))
})

// The next holder by Do of a dead holder's lock repairs, and until one has, all are asked to: it
// never stays locked, and is never lost.
func TestDo(t *testing.T) {
	t.Parallel()
	key := ipctest.Key(t)
	r := ensure(t, key)
	m, rw, err := doLocks(r)
	mustDo(t, err)
	p := ipctest.Start(t, doer, nil, sysvipc.Key(key).String())
	p.Expect("locked")
	p.Kill()
	for _, lock := range []struct {
		name   string
		do     func(ctx context.Context, repair, f func() error) error
		lock   func(ctx context.Context) error
		unlock func() error
	}{{"mutex", m.Do, m.Lock, m.Unlock}, {"rwmutex", rw.Do, rw.Lock, rw.Unlock}, {"rwmutex for reading", rw.RDo, rw.Lock, rw.Unlock}} {
		name, do, reads := lock.name, lock.do, lock.name == "rwmutex for reading"
		if reads { // it was repaired
			panics(t, func() { _ = rw.Do(t.Context(), nil, func() error { panic("as asked") }) })
		}
		var did []string
		f := func() error { did = append(did, "f"); return nil }
		repair := func() error { did = append(did, "repair"); return nil }
		is := func(err, want error, calls ...string) {
			t.Helper()
			if !errors.Is(err, want) || len(did) != len(calls) || len(did) > 0 && did[0] != calls[0] || len(did) > 1 && did[1] != calls[1] {
				t.Errorf("%s: got %v after %v, want %v after %v", name, err, did, want, calls)
			}
			did = nil
		}
		is(do(t.Context(), nil, f), shared.ErrOwnerDied)
		failed := do(t.Context(), func() error { return io.ErrNoProgress }, f)
		is(failed, shared.ErrOwnerDied)
		is(failed, io.ErrNoProgress)
		panics(t, func() { _ = do(t.Context(), func() error { panic("as asked") }, f) })
		is(do(t.Context(), repair, f), nil, "repair", "f")
		is(do(t.Context(), repair, f), nil, "f")
		is(do(t.Context(), repair, func() error { return io.EOF }), io.EOF)
		panics(t, func() { _ = do(t.Context(), repair, func() error { panic("as asked") }) })
		if reads {
			is(do(t.Context(), repair, f), nil, "f") // a reader has changed nothing
		} else {
			is(do(t.Context(), repair, f), nil, "repair", "f") // as if it were killed
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		mustDo(t, lock.lock(t.Context()))
		is(do(ctx, repair, f), context.Canceled)
		mustDo(t, lock.unlock())
	}
	mustDo(t, r.Close()) // nothing is held
}

func panics(t *testing.T, f func()) {
	t.Helper()
	defer func() {
		if recover() == nil {
			t.Error("it did not panic")
		}
	}()
	f()
}
