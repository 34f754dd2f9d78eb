package ipctest

import (
	"math/rand/v2"
	"testing"
)

// Key returns a key that no object has. When the test ends, whatever objects then have it are removed, of any kind and
// any creator.
func Key(t testing.TB) int32 {
	t.Helper()
	objects, err := Objects()
	if err != nil {
		t.Fatal("ipctest:", err)
	}
	used := map[int32]bool{0: true} // IPC_PRIVATE
	for _, o := range objects {
		used[o.Key] = true
	}
	key := rand.Int32()
	for used[key] {
		key = rand.Int32()
	}
	t.Cleanup(func() { removeAll(t, func(o Object) bool { return o.Key == key }) })
	return key
}

// RemoveLater removes the object when the test ends, if it still exists. It is for objects without a key, which [Key]
// cannot know.
func RemoveLater(t testing.TB, kind string, id int) {
	t.Helper()
	t.Cleanup(func() { removeAll(t, func(o Object) bool { return o.Kind == kind && o.ID == id }) })
}

// removeAll removes the objects that match.
func removeAll(t testing.TB, match func(Object) bool) {
	t.Helper()
	objects, err := Objects()
	if err != nil {
		t.Error("ipctest:", err)
	}
	for _, o := range objects {
		// A segment that is removed already goes when the last process detaches it.
		if !match(o) || o.Kind == Shm && o.Mode&0o1000 != 0 {
			continue
		}
		if err := removeAsOwner(o); err != nil {
			t.Errorf("ipctest: remove %v: %v", o, err)
		}
	}
}
