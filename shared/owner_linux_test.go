package shared_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/sysvipc/sysvipc"
	"github.com/sysvipc/sysvipc/internal/ipctest"
	"github.com/sysvipc/sysvipc/shared"
)

// regionUser ensures a region, by its key or in a file that then has exactly the mode, and says what became of it.
var regionUser = ipctest.Register("region user", func(c *ipctest.ChildEnv) {
	mode, err := strconv.ParseUint(c.Args[1], 8, 9)
	c.Check(err)
	opts := &shared.Options{Size: 1 << 20, Perm: fs.FileMode(mode)}
	for _, arg := range c.Args[2:] {
		uid, err := strconv.Atoi(arg)
		c.Check(err)
		opts.Owners = append(opts.Owners, uid)
	}
	syscall.Umask(0)
	r, err := ensureAt(c.Args[0], opts)
	switch {
	case errors.Is(err, sysvipc.ErrUnsafe):
		c.Say("unsafe: %v", err)
	case err != nil:
		c.Say("%v", err)
	default:
		c.Check(r.Close())
		c.Say("ok")
	}
})

// ensureAt ensures a region in a file, if it is given a path, or by its key.
func ensureAt(where string, opts *shared.Options) (*shared.Region, error) {
	if filepath.IsAbs(where) {
		return shared.EnsureFile(context.Background(), where, opts)
	}
	key, err := sysvipc.ParseKey(where)
	if err != nil {
		return nil, err
	}
	return shared.EnsureKey(context.Background(), key, opts)
}

// A region is opened by Ensure only if it lets in nobody whom the mode that was asked for would keep out.
func TestEnsureOfOthers(t *testing.T) {
	t.Parallel()
	type user struct{ uid, gid int }
	root, ann, annAtTax, bobAtTax := user{}, user{1001, 1001}, user{1001, 1010}, user{1002, 1010}
	if err := ipctest.CanBecome(ann.uid); err != nil {
		t.Skip(err)
	}
	common, err := os.MkdirTemp("", "sysvipc-owner-")
	mustDo(t, err, os.Chmod(common, 0o777))
	t.Cleanup(func() { os.RemoveAll(common) })
	ofGroup := filepath.Join(common, "group") // gives its group to what is in it
	mustDo(t, os.Mkdir(ofGroup, 0o777), os.Chown(ofGroup, -1, annAtTax.gid), os.Chmod(ofGroup, fs.ModeSetgid|0o777))

	for i, c := range []struct {
		name   string
		dir    string // of files; empty: both, and a segment too
		maker  user
		mode   fs.FileMode
		asker  user
		perm   fs.FileMode
		owners []int
		want   string
	}{
		{"a name that a stranger took first", "", ann, 0o666, root, 0o600, nil, "it belongs to user 1001, group 1001; its mode is 0666"},
		{"also where its mode is right", "", ann, 0o600, root, 0o600, nil, "it belongs to user 1001"},
		{"where everyone may come in", "", ann, 0o666, root, 0o666, nil, "ok"},
		{"own", "", ann, 0o660, ann, 0o660, nil, "ok"},
		{"own, with bits that were not asked for", "", ann, 0o660, ann, 0o600, nil, "its mode is 0660"},
		{"two of one group", "", annAtTax, 0o660, bobAtTax, 0o660, nil, "ok"},
		{"a known owner", "", ann, 0o600, root, 0o600, []int{1001}, "ok"},
		{"own, with the group of the directory", ofGroup, ann, 0o660, ann, 0o660, nil, "ok"},
		{"no member of the group of the directory", ofGroup, ann, 0o660, bobAtTax, 0o660, nil, "it belongs to user 1001, group 1010"},
	} {
		places := []string{filepath.Join(c.dir, fmt.Sprint(i))}
		if c.dir == "" {
			places = []string{filepath.Join(common, fmt.Sprint(i)), sysvipc.Key(ipctest.Key(t)).String()}
		}
		for _, place := range places {
			t.Run(fmt.Sprint(c.name, " ", filepath.IsAbs(place)), func(t *testing.T) {
				t.Parallel()
				run := func(u user, mode fs.FileMode, owners []int) string {
					args := []string{place, fmt.Sprintf("%o", mode)}
					for _, uid := range owners {
						args = append(args, fmt.Sprint(uid))
					}
					p := ipctest.Start(t, regionUser, &ipctest.Options{UID: u.uid, GID: u.gid}, args...)
					defer p.Finish()
					return p.Line()
				}
				if got := run(c.maker, c.mode, nil); got != "ok" {
					t.Fatal(got)
				}
				got := run(c.asker, c.perm, c.owners)
				if c.owners != nil && c.asker == root && !filepath.IsAbs(place) && !ipctest.Overrides() {
					// It is accepted, and then the mode binds this root.
					if !strings.Contains(got, "permission denied") {
						t.Errorf("got %s, want that permission is denied", got)
					}
					return
				}
				if got != c.want && (c.want == "ok" || !strings.HasPrefix(got, "unsafe: ") || !strings.Contains(got, c.want)) {
					t.Errorf("got %s\nwant %s", got, c.want)
				}
			})
		}
	}
}
