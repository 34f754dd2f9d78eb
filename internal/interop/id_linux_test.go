package interop

import (
	"testing"

	"github.com/sysvipc/sysvipc"
	"github.com/sysvipc/sysvipc/internal/ipctest"
)

// The first objects of a namespace have ID 0, which is as good as any, and their key is one that 32 signed bits show as
// negative. Each language makes them once, and all use them, by key and where they can by ID.
func TestIDZeroAndNegativeKey(t *testing.T) {
	t.Parallel()
	const hex = "0xfd0c5087"
	k, err := sysvipc.ParseKey(hex)
	if err != nil {
		t.Fatal(err)
	}
	installed := installed(t)
	for _, maker := range installed {
		t.Run(maker.name, func(t *testing.T) {
			t.Parallel()
			if !ipctest.Alone(t) {
				return
			}
			m := start(t, maker)
			equal(t, "segment", m.do("shm make %s 100", hex), "0")
			equal(t, "set", m.do("sem make %s 0", hex), "0")
			equal(t, "queue", m.do("msg make %s", hex), "0")
			objects, err := ipctest.Objects()
			if err != nil || len(objects) != 3 {
				t.Fatalf("got %v, %v; want three objects", objects, err)
			}
			for _, o := range objects {
				equal(t, "key of "+o.Kind, sysvipc.Key(o.Key), k)
			}
			var users []*peer
			for _, l := range installed {
				users = append(users, start(t, l))
			}
			for _, u := range users {
				for _, how := range []string{"open " + hex, "use 0"} {
					if how == "use 0" && !u.has(useIDs) {
						continue
					}
					equal(t, "segment", u.do("shm %s", how), "0")
					equal(t, "set", u.do("sem %s", how), "0")
					equal(t, "queue", u.do("msg %s", how), "0")
					exchange(t, m, u)
				}
			}
			for _, kind := range []string{"shm", "sem", "msg"} {
				m.do("%s remove", kind)
			}
		})
	}
}

// exchange tries all three objects.
func exchange(t *testing.T, a, b *peer) {
	t.Helper()
	a.do("shm write 0 60 %s", text("from "+a.name+" to "+b.name))
	equal(t, "text", b.do("shm read 0 60"), padded("from "+a.name+" to "+b.name, 60).String())
	b.block("sem op 0-1")
	a.do("sem op 0+1")
	b.end()
	a.do("msg send 1 %s", text(a.name))
	equal(t, "message", b.do("msg receive 0 100"), "1 "+text(a.name).String())
	b.do("msg send 2 %s", text(b.name))
	equal(t, "message", a.do("msg receive 2 100"), "2 "+text(b.name).String())
}
