package interop

import (
	"fmt"
	"strings"
	"syscall"
	"testing"

	"github.com/sysvipc/sysvipc"
)

func TestSegments(t *testing.T) {
	play(t, []scenario{
		{"text", nil, func(t *testing.T, k sysvipc.Key, maker, user *peer) {
			id := maker.do("shm make %v 2000", k)
			equal(t, "id", user.do("shm open %v", k), id)
			equal(t, "new", user.do("shm read 1990 10"), padded("", 10).String())

			maker.do("shm write 0 60 %s", text("Message #1"))
			equal(t, "text", user.do("shm read 0 60"), padded("Message #1", 60).String())
			user.do("shm write 0 60 %s", text("No. 2"))
			equal(t, "answer", maker.do("shm read 0 60"), padded("No. 2", 60).String())

			maker.do("shm write 1000 256 %s", everyByte)
			equal(t, "every byte", user.do("shm read 1000 256"), everyByte.String())
			user.do("shm write 1997 3 %s", text("end"))
			equal(t, "end", maker.do("shm read 1995 5"), text("\x00\x00end").String())
		}},
		{"sizes", nil, func(t *testing.T, k sysvipc.Key, maker, user *peer) {
			for _, size := range []int64{1, 2000, 4096, 4097} {
				maker.do("shm make %v %d", k, size)
				maker.do("shm write %d 1 %s", size-1, text("z"))
				user.do("shm open %v", k)
				equal(t, "last byte", user.do("shm read %d 1", size-1), text("z").String())
				seg, err := sysvipc.OpenSegment(k)
				if err != nil {
					t.Fatal(err)
				}
				st, err := seg.Stat()
				if err != nil {
					t.Fatal(err)
				}
				equal(t, "size", st.Size, size)
				equal(t, "creator", st.CreatorPID, maker.PID)
				maker.do("shm remove")
			}
		}},
		{"exists", nil, func(t *testing.T, k sysvipc.Key, maker, user *peer) {
			user.begin("shm open %v", k)
			user.fails(syscall.ENOENT)
			maker.do("shm make %v 10", k)
			user.begin("shm make %v 10", k)
			user.fails(syscall.EEXIST)
		}},
		{"removed", []string{keeps}, func(t *testing.T, k sysvipc.Key, maker, user *peer) {
			id := maker.do("shm make %v 100", k)
			user.do("shm open %v", k)
			maker.do("shm write 0 100 %s", text("old"))
			maker.do("shm remove")
			equal(t, "what is attached stays", user.do("shm read 0 3"), text("old").String())
			if again := maker.do("shm make %v 100", k); again == id {
				t.Errorf("the new segment has the ID %s of the old one", id)
			}
			equal(t, "old text", user.do("shm read 0 3"), text("old").String())
			user.do("shm open %v", k)
			equal(t, "new text", user.do("shm read 0 3"), text("\x00\x00\x00").String())
		}},
	})
}

// everyByte has every byte once.
var everyByte = func() text {
	b := make([]byte, 256)
	for i := range b {
		b[i] = byte(i)
	}
	return text(b)
}()

// A sparse segment of 5 GiB, in which both write beyond 4 GiB. Go makes it, since sysv_ipc would fill it with spaces.
func TestSegmentOver4GiB(t *testing.T) {
	t.Parallel()
	const size, far = 5 << 30, 4<<30 + 5
	for _, other := range others {
		if !other.has(large) {
			continue
		}
		for _, pair := range [][2]language{{golang, other}, {other, golang}} {
			if pair[0].name == "Python" {
				continue
			}
			t.Run(pair[0].name+"-"+pair[1].name, func(t *testing.T) {
				t.Parallel()
				k := key(t)
				maker, user := start(t, pair[0]), start(t, pair[1])
				maker.do("shm make %v %d", k, int64(size))
				user.do("shm open %v", k)
				maker.do("shm write %d 60 %s", int64(far), text("made in "+maker.name))
				equal(t, "far away", user.do("shm read %d 60", int64(far)), padded("made in "+maker.name, 60).String())
				equal(t, "at the same lower 32 bits", user.do("shm read 5 60"), padded("", 60).String())
				user.do("shm write %d 3 %s", int64(size-3), text("end"))
				equal(t, "end", maker.do("shm read %d 5", int64(size-5)), text("\x00\x00end").String())
			})
		}
	}
}

// All languages at once count in one segment under one semaphore.
func TestCountTogether(t *testing.T) {
	t.Parallel()
	const each = 100
	k := key(t)
	first := start(t, golang)
	first.do("shm make %v 100", k)
	first.do("sem make %v 1", k)
	var all []*peer
	for _, l := range installed(t) {
		p := start(t, l)
		p.do("shm open %v", k)
		p.do("sem open %v", k)
		all = append(all, p)
	}
	for _, p := range all {
		p.begin("sem count %d", each)
	}
	for _, p := range all {
		p.end()
	}
	want := fmt.Sprintf("%02x%02x", len(all)*each%256, len(all)*each/256)
	if got := first.do("shm read 0 4"); !strings.HasPrefix(got, want) && !strings.HasSuffix(got, want[2:]+want[:2]) {
		t.Errorf("got the int %s, want %d", got, len(all)*each)
	}
	equal(t, "semaphore", first.do("sem values"), "1")
}
