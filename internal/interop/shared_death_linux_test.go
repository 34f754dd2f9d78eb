package interop

import (
	"fmt"
	"os"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/sysvipc/sysvipc/internal/ipctest"
)

// sharedAlone makes a region that only C programs will have open.
func sharedAlone(t *testing.T) {
	t.Helper()
	s := sharedTest(t)
	startShared(t).do("detach") // it is compiled while the region is there
	good(t, s.Close())
}

func joined(t *testing.T) *peer {
	t.Helper()
	p := startShared(t)
	p.do("join")
	return p
}

// Among C programs, a sender is killed in the middle of a message: those who wait for that
// message, or look for it later, get the next one.
func TestSharedDeadSender(t *testing.T) {
	t.Parallel()
	if !ipctest.Alone(t) {
		return
	}
	sharedAlone(t)
	for _, how := range []string{"asleep", "later", "in a try"} {
		victim, sender, first, second := joined(t), joined(t), joined(t), joined(t)
		victim.do("halfsend 2")
		for i := range 2 {
			sender.do("sendin %d 0", 5+i)
		}
		if how == "asleep" {
			first.begin("receive -1")
			second.begin("receive -1")
			untilWaiting(t, first, second)
		}
		victim.kill()
		var got string
		switch how {
		case "asleep":
			got = first.end() + second.end()
		case "later":
			got = first.do("receive -1") + second.do("receive 20000")
		case "in a try":
			got = first.do("receive 0") + second.do("receive 0")
		}
		if got != "56" && got != "65" {
			t.Errorf("%s: got %s", how, got)
		}
		first.begin("receive 0")
		first.fails(syscall.EAGAIN)
		sharedReaped(t)
		for _, p := range []*peer{sender, first, second} {
			p.do("detach")
		}
	}
}

// A receiver is killed in the middle of a message: senders for whom there is no room go on, and
// another one receives it, once.
func TestSharedDeadReceiver(t *testing.T) {
	t.Parallel()
	if !ipctest.Alone(t) {
		return
	}
	sharedAlone(t)
	victim, sender, receiver := joined(t), joined(t), joined(t)
	for i := range 16 {
		sender.do("sendin %d 0", i)
	}
	victim.do("halfreceive 2")
	for i := 2; i < 16; i++ {
		equal(t, "received", receiver.do("receive 0"), fmt.Sprint(i))
	}
	sender.begin("sendin 16 0")
	sender.fails(syscall.EAGAIN)
	sender.begin("sendin 16 -1")
	untilWaiting(t, sender)
	victim.kill()
	equal(t, "the first that was half received", receiver.do("receive -1"), "0")
	equal(t, "the second", receiver.do("receive -1"), "1")
	sender.end()
	equal(t, "what was sent at last", receiver.do("receive -1"), "16")
	receiver.begin("receive 0")
	receiver.fails(syscall.EAGAIN)
	sharedReaped(t)
}

// untilWaiting waits until these processes sleep on the lives of others.
func untilWaiting(t *testing.T, all ...*peer) {
	t.Helper()
	for _, p := range all {
		for {
			line, err := os.ReadFile(fmt.Sprintf("/proc/%d/syscall", p.PID))
			good(t, err, t.Context().Err())
			if strings.HasPrefix(string(line), fmt.Sprint(unix.SYS_FUTEX_WAITV, " ")) {
				break
			}
			runtime.Gosched()
		}
	}
}

// sharedReaped joins the region, which reaps: nothing is left of the dead.
func sharedReaped(t *testing.T) {
	t.Helper()
	s, err := openShared()
	good(t, err)
	defer s.Close()
	_, err = s.Reap()
	good(t, err)
	all, err := s.Participants()
	good(t, err)
	for _, p := range all {
		if !p.Alive {
			t.Errorf("left is %+v", p)
		}
	}
	if n, err := s.in.Len(); n != 0 || err != nil {
		t.Errorf("%d messages are left (%v)", n, err)
	}
}
