package interop

import (
	"context"
	"fmt"
	"syscall"
	"testing"
	"time"

	"github.com/sysvipc/sysvipc"
)

func TestSemaphores(t *testing.T) {
	play(t, []scenario{
		{"wait", nil, func(t *testing.T, k sysvipc.Key, maker, user *peer) {
			id := maker.do("sem make %v 0", k)
			equal(t, "id", user.do("sem open %v", k), id)
			user.block("sem op 0-2")
			equal(t, "waiters", maker.do("sem waiters 0"), "1 0")
			maker.do("sem op 0+1")
			equal(t, "1 is not enough", maker.do("sem waiters 0"), "1 0")
			maker.do("sem op 0+2")
			user.end()
			equal(t, "left", user.do("sem values"), "1")
		}},
		{"wait for zero", nil, func(t *testing.T, k sysvipc.Key, maker, user *peer) {
			maker.do("sem make %v 2", k)
			user.do("sem open %v", k)
			user.block("sem op 0=0")
			equal(t, "waiters", maker.do("sem waiters 0"), "0 1")
			maker.do("sem op 0-2")
			user.end()
			equal(t, "left", maker.do("sem values"), "0")
		}},
		{"set", nil, func(t *testing.T, k sysvipc.Key, maker, user *peer) {
			maker.do("sem make %v 0", k)
			user.do("sem open %v", k)
			user.block("sem op 0-32767")
			maker.do("sem set 0 32767")
			user.end()
			user.do("sem set 0 32767")
			maker.begin("sem op 0+1")
			maker.fails(syscall.ERANGE, syscall.E2BIG) // the latter for Go's ErrTooBig
			equal(t, "value", maker.do("sem values"), "32767")
		}},
		{"try", nil, func(t *testing.T, k sysvipc.Key, maker, user *peer) {
			maker.do("sem make %v 1", k)
			user.do("sem open %v", k)
			user.do("sem try 0-1")
			user.begin("sem try 0-1")
			user.fails(syscall.EAGAIN)
			maker.begin("sem try 0-1")
			maker.fails(syscall.EAGAIN)
			maker.do("sem try 0=0")
		}},
		{"several", []string{many}, func(t *testing.T, k sysvipc.Key, maker, user *peer) {
			maker.do("sem make %v 1 0 2", k)
			user.do("sem open %v", k)
			equal(t, "made", user.do("sem values"), "1 0 2")
			user.do("sem op 0-1 1=0 1+1 2-2")
			equal(t, "all", maker.do("sem values"), "0 1 0")
			maker.begin("sem try 1-1 2+5 0-1")
			maker.fails(syscall.EAGAIN)
			equal(t, "none", user.do("sem values"), "0 1 0")

			// The last operation of the manual page's "take" waits, so that its first is not done either.
			user.block("sem op 1-1 0-1")
			equal(t, "waiters", maker.do("sem waiters 0"), "1 0")
			equal(t, "none", maker.do("sem values"), "0 1 0")
			maker.do("sem op 0+1")
			user.end()
			equal(t, "all", maker.do("sem values"), "0 0 0")
		}},
		{"undo", nil, func(t *testing.T, k sysvipc.Key, maker, user *peer) {
			maker.do("sem make %v 3", k)
			user.do("sem open %v", k)
			user.do("sem op 0-1:undo")
			user.do("sem op 0+1:undo")
			user.do("sem op 0-2:undo")
			user.do("sem op 0-1")
			maker.block("sem op 0-2")
			user.kill()
			maker.end()
			equal(t, "what was taken without undo", maker.do("sem values"), "0")
		}},
		{"removed", nil, func(t *testing.T, k sysvipc.Key, maker, user *peer) {
			maker.do("sem make %v 0", k)
			user.do("sem open %v", k)
			user.block("sem op 0-1")
			maker.do("sem remove")
			user.fails(syscall.EIDRM)
			user.begin("sem op 0-1")
			user.fails(syscall.EINVAL, syscall.EIDRM) // the latter for Go's ErrRemoved
			user.begin("sem open %v", k)
			user.fails(syscall.ENOENT)
		}},
	})
}

// A set that another program made by semget and SETVAL has no time of last operation. Ensure takes it at once, and leaves
// the values alone: also where they are 0.
func TestEnsureFindsSetsOfOthers(t *testing.T) {
	t.Parallel()
	for _, other := range others {
		for _, value := range []int{5, 0} {
			t.Run(fmt.Sprint(other.name, value), func(t *testing.T) {
				t.Parallel()
				k := key(t)
				p := start(t, other)
				id := p.do("sem make %v %d", k, value)
				ctx, cancel := context.WithTimeout(t.Context(), time.Second) // less than a creator that is slow has
				defer cancel()
				set, err := sysvipc.EnsureSemaphores(ctx, k, 0o600, 9)
				if err != nil {
					t.Fatal(err)
				}
				st, err := set.Stat()
				if err != nil {
					t.Fatal(err)
				}
				equal(t, "never operated on", st.Operated.IsZero(), true)
				equal(t, "id", fmt.Sprint(set.ID()), id)
				equal(t, "value", p.do("sem values"), fmt.Sprint(value))

				if err := set.Do(ctx, sysvipc.Add(0, 1)); err != nil {
					t.Fatal(err)
				}
				p.do("sem op 0-1")
				equal(t, "value", p.do("sem values"), fmt.Sprint(value))
				last, err := set.At(0).LastPID()
				if err != nil {
					t.Fatal(err)
				}
				equal(t, "last pid", last, p.PID)
			})
		}
	}
}
