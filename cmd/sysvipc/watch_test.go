package main

import (
	"bytes"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/sysvipc/sysvipc"
	"github.com/sysvipc/sysvipc/cmd/sysvipc/internal/listing"
	"github.com/sysvipc/sysvipc/internal/cli/ref"
	"github.com/sysvipc/sysvipc/internal/ipctest"
)

// Each event between two looks is one line, and what does not happen is none.
func TestWatch(t *testing.T) {
	t.Parallel()
	key := sysvipc.Key(ipctest.Key(t))
	var out bytes.Buffer
	w := &watcher{w: &out, kinds: ref.AnyKind, v: listing.NewView()}
	if err := w.look(true); err != nil {
		t.Skip("needs the kernel's objects:", err)
	}
	var name string
	// Other tests make objects meanwhile: only ours are looked at.
	expect := func(want ...string) {
		t.Helper()
		out.Reset()
		if err := w.look(false); err != nil {
			t.Fatal(err)
		}
		var got []string
		for line := range strings.Lines(out.String()) {
			if words := strings.Fields(line); words[1] == name {
				got = append(got, strings.TrimSpace(line[len("15:04:05 ")+len(name)+1:]))
			}
		}
		for i := range max(len(got), len(want)) {
			if i >= len(got) || i >= len(want) || !strings.HasPrefix(got[i], want[i]) {
				t.Fatalf("got %q, want lines that begin with %q", got, want)
			}
		}
	}
	check := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	seg, err := sysvipc.CreateSegment(key, 1000, 0o600)
	check(err)
	name = ref.Name(sysvipc.KindSegment, seg.ID())
	expect("made (" + key.String() + ", 1000 bytes, 0 attached, ")
	expect()
	mem, err := seg.Attach(nil)
	check(err)
	expect(fmt.Sprintf("attached from 0 to 1 by process %d (", os.Getpid()))
	check(seg.Remove())
	expect("destroyed it goes with its last detach (no key")
	check(mem.Close())
	expect("removed (")

	q, err := sysvipc.CreateQueue(key, 0o600)
	check(err)
	name = ref.Name(sysvipc.KindQueue, q.ID())
	expect("made (")
	_, err = q.TrySend(1, nil)
	check(err)
	check(q.Chmod(0o640))
	expect("mode from 0600 to 0640 (", fmt.Sprintf("sent 1 message on it by process %d (", os.Getpid()))
	w.jsonl = true
	check(q.Remove())
	out.Reset()
	check(w.look(false))
	if want := `"event":"removed","what":null,"ref":"` + name + `","type":"msg"`; !strings.Contains(out.String(), want) {
		t.Errorf("got %s, want %s", &out, want)
	}
}
