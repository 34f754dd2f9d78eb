package inspect

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/sysvipc/sysvipc"
	"github.com/sysvipc/sysvipc/internal/ipctest"
)

// gpsd tells chronyd the time by a segment that both have attached. It is in use while one of them
// lives, and protected when both were killed: whichever starts first takes it over, with its mode.
func TestReferenceClock(t *testing.T) {
	t.Parallel()
	if !ipctest.Alone(t) {
		return
	}
	chronyd, gpsd := program(t, "chronyd", "chrony"), program(t, "gpsd", "gpsd")
	dir := nobodysDir(t)
	config := filepath.Join(dir, "chrony.conf")
	// Unit 0 is what gpsd writes for its first device, unit 9 one that nobody writes.
	text := fmt.Sprintf("refclock SHM 0 refid GPS\nrefclock SHM 9 refid NONE\nport 0\ncmdport 0\nbindcmdaddress /\npidfile %s/pid\n", dir)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	key := func(unit int) sysvipc.Key { return sysvipc.Key(0x4e545030 + unit) }
	t.Cleanup(func() {
		for st, err := range sysvipc.Segments() {
			if err == nil {
				_ = sysvipc.SegmentByID(st.ID).Remove()
			}
		}
	})
	clock := func(s *Snapshot, key sysvipc.Key) *Object {
		for i := range s.Objects {
			if s.Objects[i].Key == key {
				return &s.Objects[i]
			}
		}
		return nil
	}
	// users waits until those who have a segment attached are these, and no others.
	users := func(key sysvipc.Key, want ...string) *Object {
		var o *Object
		eventually(t, fmt.Sprintf("%v has %v attached", want, key), func(s *Snapshot) bool {
			if o = clock(s, key); o == nil {
				return false
			}
			who := map[string]bool{}
			for _, u := range o.users(Attached) {
				who[u.Comm()] = true
			}
			if c := o.Verdict.Class; c != InUse && (c != Protected || o.Segment.Attaches > 0) {
				t.Fatalf("%v is %s with %d attaches: %+v", key, c, o.Segment.Attaches, o.Verdict)
			}
			for _, name := range want {
				if !who[name] {
					return false
				}
			}
			return len(who) == len(want) && o.Explained == o.Segment.Attaches
		})
		return o
	}

	// -x leaves the machine's clock alone, and -U root's name.
	reader := exec.Command(chronyd, "-x", "-U", "-n", "-u", "root", "-f", config)
	talk := begin(t, reader)
	go func() { _, _ = io.Copy(io.Discard, talk) }()
	users(key(9), "chronyd")
	writer := exec.Command(gpsd, "-N", "-n", "-S", fmt.Sprint(freePort(t)), "-F", filepath.Join(dir, "socket"))
	chat := begin(t, writer)
	go func() { _, _ = io.Copy(io.Discard, chat) }()
	users(0x47505344, "gpsd") // what gpsd has found out, for its own clients
	o := users(key(0), "chronyd", "gpsd")
	if o.Verdict.Class != InUse || o.Product == nil || o.Product.Name != "NTP reference clock" || !strings.Contains(o.Product.Sign, "unit 0") {
		t.Errorf("got %+v, %+v", o.Verdict, o.Product)
	}

	for _, c := range []*exec.Cmd{reader, writer} {
		if err := syscall.Kill(-c.Process.Pid, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		if c == reader {
			users(key(0), "gpsd")
		}
	}
	for _, k := range []sysvipc.Key{key(0), key(9), 0x47505344} {
		o := users(k)
		if o.Verdict.Class != Protected || o.Verdict.Rule != 3 || !strings.Contains(strings.Join(o.Verdict.Reasons, " "), "gpsd") {
			t.Errorf("of the dead: %v: %+v", k, o.Verdict)
		}
	}
}
