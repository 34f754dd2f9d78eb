//go:build linux

package sysvipc_test

import (
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/sysvipc/sysvipc"
	"github.com/sysvipc/sysvipc/internal/ipctest"
)

// user is a user with one group.
type user struct{ uid, gid int }

var (
	root     = user{}
	ann      = user{1001, 1001}
	bob      = user{1002, 1002}
	annAtTax = user{1001, 1010}
	bobAtTax = user{1002, 1010}
)

func (u user) options() *ipctest.Options { return &ipctest.Options{UID: u.uid, GID: u.gid} }

// ensured is one object of every kind under the key, made or found.
func ensured(c sysvipc.Creator, create bool, key sysvipc.Key, perm fs.FileMode) (outcome []error, all []owned) {
	add := func(o owned, err error) {
		outcome = append(outcome, err)
		all = append(all, o)
	}
	if create {
		add(c.CreateSegment(key, 1, perm))
		add(c.CreateSemaphores(key, perm, 1))
		add(c.CreateQueue(key, perm))
		return outcome, all
	}
	add(c.EnsureSegment(key, 1, perm))
	add(c.EnsureSemaphores(bg, key, perm, 1))
	add(c.EnsureQueue(key, perm))
	return outcome, all
}

// owned is an object of any kind.
type owned interface {
	handle
	Chown(uid, gid int) error
	Chmod(perm fs.FileMode) error
}

// maker makes objects of mode args[1], and gives them to the user args[2] and group args[3].
var maker = ipctest.Register("maker", func(c *ipctest.ChildEnv) {
	key, perm, uid, gid := acceptArgs(c)
	errs, all := ensured(sysvipc.Creator{}, true, key, perm)
	for i, o := range all {
		c.Check(errs[i])
		c.Check(o.Chown(uid, gid))
	}
	c.Say("made")
})

// asker ensures objects with the mode args[1], and says what became of each kind. The users from args[4] on are Owners.
var asker = ipctest.Register("asker", func(c *ipctest.ChildEnv) {
	key, perm, _, _ := acceptArgs(c)
	var owners []int
	for _, arg := range c.Args[4:] {
		uid, err := strconv.Atoi(arg)
		c.Check(err)
		owners = append(owners, uid)
	}
	errs, _ := ensured(sysvipc.Creator{Owners: owners}, false, key, perm)
	for _, err := range errs {
		if err == nil {
			c.Say("ok")
			continue
		}
		if m := mismatches(err, "", sysvipc.ErrUnsafe); len(m) > 0 {
			c.Say("%v", m)
			continue
		}
		c.Say("%v", err)
	}
})

func acceptArgs(c *ipctest.ChildEnv) (key sysvipc.Key, perm fs.FileMode, uid, gid int) {
	key, err := sysvipc.ParseKey(c.Args[0])
	c.Check(err)
	mode, err := strconv.ParseUint(c.Args[1], 8, 9)
	c.Check(err)
	uid, err = strconv.Atoi(c.Args[2])
	c.Check(err)
	gid, err = strconv.Atoi(c.Args[3])
	c.Check(err)
	return key, fs.FileMode(mode), uid, gid
}

// Ensure takes an object only if it lets in nobody whom the mode that was asked for would keep out, had this user made it.
func TestEnsureOfOthers(t *testing.T) {
	t.Parallel()
	needModes(t)
	if err := ipctest.CanBecome(ann.uid); err != nil {
		t.Skip(err)
	}
	keep := user{-1, -1}
	for _, c := range []struct {
		name   string
		maker  user
		mode   fs.FileMode
		given  user // to whom the maker gives it
		asker  user
		perm   fs.FileMode
		owners []int
		want   string // "ok", or what the error says
	}{
		{"a name that a stranger took first", ann, 0o666, keep, root, 0o600, nil, "it belongs to user 1001, group 1001; its mode is 0666, and user 0, group 0 asked for 0600"},
		{"also where its mode is right", ann, 0o600, keep, root, 0o600, nil, "Have it removed"},
		{"where everyone may come in", ann, 0o666, keep, root, 0o666, nil, "ok"},
		{"where everyone may come in, and another asks", ann, 0o666, keep, bob, 0o666, nil, "ok"},
		{"everyone may read, and the owner may write", ann, 0o644, keep, root, 0o644, nil, "it belongs to user 1001"},
		{"own", ann, 0o600, keep, ann, 0o600, nil, "ok"},
		{"own, with a group's bits that were not asked for", ann, 0o660, keep, ann, 0o600, nil, "Lower its mode"},
		{"own, with others' bits that were not asked for", ann, 0o606, keep, ann, 0o660, nil, "Lower its mode"},
		{"own, with fewer bits", ann, 0o600, keep, ann, 0o666, nil, "ok"},
		{"own, with the x bits", ann, 0o711, keep, ann, 0o600, nil, "ok"},
		{"root's", root, 0o666, keep, ann, 0o666, nil, "ok"},
		{"root's, with bits that were not asked for", root, 0o666, keep, ann, 0o600, nil, "Lower its mode"},
		{"two of one group", annAtTax, 0o660, keep, bobAtTax, 0o660, nil, "ok"},
		{"two of one group, and one asks for himself alone", annAtTax, 0o660, keep, bobAtTax, 0o600, nil, "it belongs to user 1001, group 1010"},
		{"two of one group, who may only read", annAtTax, 0o640, keep, bobAtTax, 0o440, nil, "it belongs to user 1001"},
		{"one group, given on to another", annAtTax, 0o660, user{-1, 1003}, bobAtTax, 0o660, nil, "it belongs to user 1001, group 1003, and was made by user 1001, group 1010"},
		{"another group", annAtTax, 0o666, keep, ann, 0o660, nil, "Lower its mode"},
		{"own, for another group", annAtTax, 0o660, keep, ann, 0o660, nil, "--mode 0600\", ask as a member of its group"},
		{"given by root", root, 0o600, ann, ann, 0o600, nil, "ok"},
		{"given by root, with its group", root, 0o660, ann, ann, 0o660, nil, "ok"},
		{"given by a stranger, who remains its creator", bob, 0o600, ann, ann, 0o600, nil, "it belongs to user 1001, group 1001, and was made by user 1002, group 1002"},
		{"given by root to another of the group", root, 0o660, annAtTax, bobAtTax, 0o660, nil, "it belongs to user 1001"},
		{"the same, whose owner is known", root, 0o660, annAtTax, bobAtTax, 0o660, []int{1001}, "ok"},
		{"a known owner", ann, 0o600, keep, root, 0o600, []int{7, 1001}, "ok"},
		{"a known owner, and his group", ann, 0o660, keep, root, 0o660, []int{1001}, "ok"},
		{"a known owner, and bits that were not asked for", ann, 0o660, keep, root, 0o600, []int{1001}, "Lower its mode"},
		{"a known owner, to whom a stranger gave it", bob, 0o600, ann, root, 0o600, []int{1001}, "made by user 1002"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			key := newKey(t)
			p := ipctest.Start(t, maker, c.maker.options(), key.String(), fmt.Sprintf("%o", c.mode), fmt.Sprint(c.given.uid), fmt.Sprint(c.given.gid))
			p.Expect("made")
			p.Finish()
			args := []string{key.String(), fmt.Sprintf("%o", c.perm), "-1", "-1"}
			for _, uid := range c.owners {
				args = append(args, fmt.Sprint(uid))
			}
			want := c.want
			if c.asker == root && c.maker != root && c.mode&0o006 == 0 && !ipctest.Overrides() {
				want = "permission denied" // the mode binds this root
			}
			p = ipctest.Start(t, asker, c.asker.options(), args...)
			for _, kind := range []string{"segment", "semaphore set", "queue"} {
				if got := p.Line(); got != want && (want == "ok" || !strings.Contains(got, want)) {
					t.Errorf("%s: got %s\nwant %s", kind, got, want)
				}
			}
			p.Finish()
		})
	}
}

// Where the user namespace has no numbers for owners, all look like one: and like this user, if it has no number either.
// So it knows no object as its own.
func TestEnsureUnmapped(t *testing.T) {
	t.Parallel()
	needModes(t)
	if err := ipctest.CanBecome(ann.uid); err != nil {
		t.Skip(err)
	}
	key := newKey(t)
	p := ipctest.Start(t, maker, ann.options(), key.String(), "600", "0", "0")
	p.Expect("made")
	p.Finish()
	p = ipctest.Start(t, asker, &ipctest.Options{Unmapped: true}, key.String(), "600", "-1", "-1")
	for range 3 {
		if got := p.Line(); !strings.Contains(got, "it belongs to user 65534, group 65534; its mode is 0600, and user 65534") {
			t.Errorf("got %s", got)
		}
	}
	p.Finish()
	// In an IPC namespace of its own there are no others.
	p = ipctest.Start(t, makerAndAsker, &ipctest.Options{Unmapped: true, Namespace: ipctest.Fresh}, key.String())
	for range 3 {
		p.Expect("<nil>")
	}
	p.Finish()
}

var makerAndAsker = ipctest.Register("maker and asker", func(c *ipctest.ChildEnv) {
	key, err := sysvipc.ParseKey(c.Args[0])
	c.Check(err)
	_, all := ensured(sysvipc.Creator{}, true, key, 0o600)
	errs, _ := ensured(sysvipc.Creator{}, false, key, 0o600)
	for _, err := range errs {
		c.Say("%v", err)
	}
	for _, o := range all {
		c.Check(o.Remove())
	}
})

// An object of this user that lets in more than was asked for is refused, with a remedy; Open takes it.
func TestEnsureOfTooMany(t *testing.T) {
	t.Parallel()
	needModes(t)
	key := newKey(t)
	q := must(sysvipc.CreateQueue(key, 0o604))(t)
	_, err := sysvipc.EnsureQueue(key, 0o600)
	me := fmt.Sprintf("user %d, group %d", os.Geteuid(), os.Getegid())
	wantError(t, err, fmt.Sprintf(`sysvipc: ensure queue %d (key %v): lets in others than the mode that was asked for `+
		`(it belongs to %s; its mode is 0604, and %s asked for 0600. Lower its mode, with "sysvipc set msg:%d --mode 0600", ask for what it has, or Open it, which takes it as it is)`,
		q.ID(), key, me, me, q.ID()), sysvipc.ErrUnsafe)
	must(sysvipc.OpenQueue(key))(t)
	must(sysvipc.EnsureQueue(key, 0o604))(t)
	check(t, q.Chmod(0o600))
	must(sysvipc.EnsureQueue(key, 0o600))(t)
}
