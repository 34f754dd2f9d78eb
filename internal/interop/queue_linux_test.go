package interop

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/sysvipc/sysvipc"
)

// messages are sent from each language to each.
var messages = []struct {
	typ  int64
	text text
}{
	{1, ""},
	{1, "\x00"},
	{2, "\x00\x00a\x00b\x00\x00"},
	{1234, "message"},
	{3, padded("Message #1", 60)},
	{4, everyByte},
	{5, text(strings.Repeat("8192", whole/4))},
	{math.MaxInt32, "largest type of a 32-bit long"},
	{1 << 40, "needs a long of 64 bits"},
	{math.MaxInt64, "largest type"},
}

func TestQueues(t *testing.T) {
	play(t, []scenario{
		{"messages", nil, func(t *testing.T, k sysvipc.Key, maker, user *peer) {
			id := maker.do("msg make %v", k)
			equal(t, "id", user.do("msg open %v", k), id)
			for _, m := range messages {
				for _, p := range [][2]*peer{{maker, user}, {user, maker}} {
					from, to := p[0], p[1]
					if m.typ > math.MaxInt32 && !from.has(long) {
						continue
					}
					from.do("msg send %d %s", m.typ, m.text)
					equal(t, from.name+" to "+to.name, to.do("msg receive 0 %d", whole), fmt.Sprint(m.typ, " ", m.text))
				}
			}
		}},
		{"lowest type first", nil, func(t *testing.T, k sysvipc.Key, maker, user *peer) {
			maker.do("msg make %v", k)
			user.do("msg open %v", k)
			for i, typ := range []int{4, 3, 2, 1, 2} {
				maker.do("msg send %d %02x", typ, i)
			}
			equal(t, "up to 2", user.do("msg receive -2 10"), "1 03")
			equal(t, "up to 3", user.do("msg receive -3 10"), "2 02")
			equal(t, "of type 3", user.do("msg receive 3 10"), "3 01")
			equal(t, "up to 3", user.do("msg receive -3 10 nowait"), "2 04")
			user.begin("msg receive -3 10 nowait")
			user.fails(syscall.ENOMSG)
			equal(t, "any", user.do("msg receive 0 10"), "4 00")
		}},
		{"except", []string{flags}, func(t *testing.T, k sysvipc.Key, maker, user *peer) {
			maker.do("msg make %v", k)
			user.do("msg open %v", k)
			for i, typ := range []int{7, 7, 8, 9} {
				maker.do("msg send %d %02x", typ, i)
			}
			equal(t, "except 7", user.do("msg receive 7 10 except"), "8 02")
			equal(t, "except 9", user.do("msg receive 9 10 except nowait"), "7 00")
			equal(t, "except 7", user.do("msg receive 7 10 except"), "9 03")
			user.begin("msg receive 7 10 except nowait")
			user.fails(syscall.ENOMSG)
			user.block("msg receive 7 10 except")
			maker.do("msg send 7 -")
			maker.do("msg send 6 -")
			equal(t, "except 7", user.end(), "6 -")
		}},
		{"too big", []string{flags}, func(t *testing.T, k sysvipc.Key, maker, user *peer) {
			maker.do("msg make %v", k)
			user.do("msg open %v", k)
			maker.do("msg send 5 %s", padded("12345678", 60))
			user.begin("msg receive 0 8")
			user.fails(syscall.E2BIG)
			equal(t, "cut", user.do("msg receive 0 8 cut"), "5 "+text("12345678").String())
			user.begin("msg receive 0 8 nowait")
			user.fails(syscall.ENOMSG)
		}},
		{"blocked receiver", nil, func(t *testing.T, k sysvipc.Key, maker, user *peer) {
			maker.do("msg make %v", k)
			user.do("msg open %v", k)
			user.block("msg receive 7 %d", whole)
			maker.do("msg send 8 -")
			maker.do("msg send 7 %s", text("for you"))
			equal(t, "of type 7", user.end(), "7 "+text("for you").String())
			equal(t, "left", user.do("msg receive 0 10"), "8 -")
		}},
		{"blocked sender", nil, func(t *testing.T, k sysvipc.Key, maker, user *peer) {
			maker.do("msg make %v", k)
			user.do("msg open %v", k)
			fill(maker)
			user.begin("msg send 3 00 nowait")
			user.fails(syscall.EAGAIN)
			user.block("msg send 3 %s", text("late"))
			maker.do("msg receive 1 %d", whole)
			user.end()
			maker.do("msg receive 2 %d", whole)
			equal(t, "last", maker.do("msg receive 0 10"), "3 "+text("late").String())
		}},
		{"removed", nil, func(t *testing.T, k sysvipc.Key, maker, user *peer) {
			maker.do("msg make %v", k)
			user.do("msg open %v", k)
			user.block("msg receive 0 10")
			maker.do("msg remove")
			user.fails(syscall.EIDRM)
			user.begin("msg send 1 00")
			user.fails(syscall.EINVAL, syscall.EIDRM) // the latter for Go's ErrRemoved

			maker.do("msg make %v", k)
			user.do("msg open %v", k)
			fill(maker)
			user.block("msg send 1 00")
			maker.do("msg remove")
			user.fails(syscall.EIDRM)
			user.begin("msg open %v", k)
			user.fails(syscall.ENOENT)
		}},
	})
}

// fill fills a queue of 16,384 bytes with a message of type 1 and one of type 2.
func fill(p *peer) {
	p.do("msg send 1 %s", padded("", whole))
	p.do("msg send 2 %s", padded("", whole))
}

// All languages at once send to one queue, and each receives what another sent, in order.
func TestSendTogether(t *testing.T) {
	t.Parallel()
	const each = 50
	k := key(t)
	first := start(t, golang)
	first.do("msg make %v", k)
	var all []*peer
	for _, l := range installed(t) {
		p := start(t, l)
		p.do("msg open %v", k)
		all = append(all, p)
	}
	for n := range each {
		for i, p := range all {
			p.begin("msg send %d %02x", i+1, n)
		}
	}
	for i, p := range all {
		for range each {
			p.begin("msg receive %d %d", (i+1)%len(all)+1, whole)
		}
	}
	for i, p := range all {
		got := make([]string, 2*each)
		for n := range got {
			got[n] = p.end()
		}
		for n, m := range got[each:] {
			equal(t, p.name, m, fmt.Sprintf("%d %02x", (i+1)%len(all)+1, n))
		}
		if i := slices.IndexFunc(got[:each], func(s string) bool { return s != "" }); i >= 0 {
			t.Errorf("%s answers %q to a send", p.name, got[i])
		}
	}
	first.begin("msg receive 0 10 nowait")
	first.fails(syscall.ENOMSG)
}
