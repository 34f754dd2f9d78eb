//go:build linux

package sysvipc_test

import (
	"fmt"
	"math"
	"sync"
	"syscall"
	"testing"

	"github.com/sysvipc/sysvipc"
	"github.com/sysvipc/sysvipc/internal/ipctest"
)

// withID are the three ways to make an object with an exact ID.
var withID = map[string]func(id int, key sysvipc.Key) (handle, error){
	"segment": func(id int, key sysvipc.Key) (handle, error) {
		return sysvipc.Creator{ID: &id}.CreateSegment(key, 100, 0o600)
	},
	"semaphore set": func(id int, key sysvipc.Key) (handle, error) {
		return sysvipc.Creator{ID: &id}.CreateSemaphores(key, 0o600, 5, 6)
	},
	"queue": func(id int, key sysvipc.Key) (handle, error) {
		return sysvipc.Creator{ID: &id}.CreateQueue(key, 0o600)
	},
}

func TestExactID(t *testing.T) {
	t.Parallel()
	if !ipctest.Alone(t) { // the next object of the namespace gets the ID, also another process's
		return
	}
	needExactID(t)
	for kind, create := range withID {
		t.Run(kind, func(t *testing.T) {
			key := newKey(t)
			// 32768 is the second life of index 0; 40000 of index 7232.
			for _, id := range []int{0, 5, 40000, 32768 + 1, 7232 + 3*32768, math.MaxInt32 - 1<<15} {
				h, err := create(id, sysvipc.Private)
				check(t, err)
				if h.ID() != id {
					t.Errorf("got ID %d, want %d", h.ID(), id)
				}
				check(t, h.Remove())
			}
			h, err := create(4711, key)
			check(t, err)
			defer h.Remove()

			// The ID is taken; its place is, by an object of another number; the key is; it is no ID.
			unchanged(t, func() error { _, err := create(4711, sysvipc.Private); return err },
				fmt.Sprintf("create %s: exists already (ID 4711 is taken, or its place in the kernel's table is: see \"sysvipc ls\")", kind), eexist...)
			unchanged(t, func() error { _, err := create(4711+32768, sysvipc.Private); return err },
				fmt.Sprintf("create %s: exists already (ID 37479 is taken, or its place in the kernel's table is: see \"sysvipc ls\")", kind), eexist...)
			unchanged(t, func() error { _, err := create(4712, key); return err },
				fmt.Sprintf("create %s %v: exists already (a %s with this key exists: use that, or remove it first)", kind, key, kind), eexist...)
			unchanged(t, func() error { _, err := create(-1, sysvipc.Private); return err },
				fmt.Sprintf("create %s: invalid argument (ID -1: an ID is from 0 to 2147483647)", kind), syscall.EINVAL)
			if beyond > 0 {
				unchanged(t, func() error { _, err := create(beyondIDs, sysvipc.Private); return err }, fmt.Sprintf("create %s: invalid argument (ID %d: an ID is from 0 to 2147483647)", kind, beyondIDs), syscall.EINVAL)
			}
		})
	}
	wantNoNextID(t)

	set := must(sysvipc.Creator{ID: ptr(77)}.CreateSemaphores(sysvipc.Private, 0o600, 3, 4))(t)
	defer set.Remove()
	if values, err := set.Values(); err != nil || len(values) != 2 || values[0] != 3 || values[1] != 4 {
		t.Errorf("values are %d, %v; want 3 and 4", values, err)
	}
}

func ptr[T any](v T) *T { return &v }

// Goroutines that restore objects at the same time do not take one another's IDs.
func TestExactIDRace(t *testing.T) {
	t.Parallel()
	if !ipctest.Alone(t) {
		return
	}
	needExactID(t)
	for kind, create := range withID {
		var wg sync.WaitGroup
		for i := range 8 {
			wg.Go(func() {
				for j := range 20 {
					id := 1000*i + j
					h, err := create(id, sysvipc.Private)
					if err != nil {
						t.Error(kind, err)
						continue
					}
					if h.ID() != id {
						t.Errorf("%s: got ID %d, want %d", kind, h.ID(), id)
					}
					if err := h.Remove(); err != nil {
						t.Error(err)
					}
				}
			})
		}
		wg.Wait()
	}
	wantNoNextID(t)
}

// A handle may outlive its segment, and find another one under its ID: an exact ID makes happen at once what else takes
// 65,536 creations. Its memory is then as long as the new segment, and not as the old.
func TestAttachAfterIDIsUsedAgain(t *testing.T) {
	t.Parallel()
	if !ipctest.Alone(t) {
		return
	}
	needExactID(t)
	seg := must(sysvipc.CreateSegment(sysvipc.Private, 1<<20, 0o600))(t)
	check(t, attach(t, seg, nil).Close())
	check(t, seg.Remove())
	id := seg.ID()
	small := must(sysvipc.Creator{ID: &id}.CreateSegment(sysvipc.Private, 100, 0o600))(t)
	defer small.Remove()
	if mem := attach(t, seg, nil); mem.Len() != 100 || len(mem.Bytes()) != 100 {
		t.Errorf("the memory has %d bytes, of a segment of 100", mem.Len())
	}
}
