package main

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/sysvipc/sysvipc"
	"github.com/sysvipc/sysvipc/cmd/sysvipc/internal/archive"
	"github.com/sysvipc/sysvipc/cmd/sysvipc/internal/guard"
	"github.com/sysvipc/sysvipc/cmd/sysvipc/internal/listing"
	"github.com/sysvipc/sysvipc/cmd/sysvipc/internal/removal"
	"github.com/sysvipc/sysvipc/inspect"
	"github.com/sysvipc/sysvipc/internal/cli/ref"
	"github.com/sysvipc/sysvipc/internal/ipctest"
)

// Who comes while objects are saved keeps them: a process that attached a segment, wrote and detached it again, whose
// traces our own detach would overwrite; one that waits on a queue; and one that waits on a set.
func TestComesDuringSave(t *testing.T) {
	t.Parallel()
	key := sysvipc.Key(ipctest.Key(t))
	made := map[sysvipc.Kind]string{}
	for kind, args := range map[sysvipc.Kind][]string{
		sysvipc.KindSegment:    {"mk", "shm", "--size", "100"},
		sysvipc.KindSemaphores: {"mk", "sem", "--init", "0"},
		sysvipc.KindQueue:      {"mk", "msg"},
	} {
		out, err := command(t, append(args, "--key", key.String())...).Output()
		if err != nil {
			t.Fatal(err)
		}
		made[kind] = string(out[:len(out)-1])
	}
	snap, err := inspect.Take(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	var doomed []*inspect.Object
	for kind, name := range made {
		r, err := ref.Parse(name)
		if err != nil {
			t.Fatal(err)
		}
		doomed = append(doomed, snap.Object(kind, r.ID))
	}
	gone := *doomed[0]
	gone.ID += 1 << 20 // one that is removed, and reported when the others are saved
	doomed = append(doomed, &gone)

	ctx, cancel := context.WithCancel(t.Context())
	var waiters sync.WaitGroup
	defer func() { cancel(); waiters.Wait() }()
	come := func() {
		write := command(t, "shm", "write", made[sysvipc.KindSegment])
		write.Stdin = strings.NewReader("x")
		if out, err := write.CombinedOutput(); err != nil {
			t.Errorf("write: %v\n%s", err, out)
		}
		for kind, args := range map[string][]string{
			ipctest.Msg: {"msg", "recv", made[sysvipc.KindQueue]},
			ipctest.Sem: {"sem", "take", made[sysvipc.KindSemaphores]},
		} {
			cmd := command(t, args...)
			if err := cmd.Start(); err != nil {
				t.Error(err)
				return
			}
			waiters.Go(func() { <-ctx.Done(); cmd.Process.Kill(); cmd.Wait() })
			r, _ := ref.Parse(args[2])
			ipctest.WaitBlockedOn(t, cmd.Process.Pid, kind, r.ID, 1)
		}
	}
	kept := map[*inspect.Object]error{}
	r := removal.Removal{Program: "a test", Backup: filepath.Join(t.TempDir(), "file"), May: guard.Check}
	err = r.Run(t.Context(), doomed, func(o *inspect.Object, err error) {
		kept[o] = err
		if o == &gone {
			come()
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range doomed {
		if kept[o] == nil {
			t.Errorf("%s is removed, and was used meanwhile", o.Ref())
		}
		if _, err := listing.Stat(o.Kind, o.ID); o != &gone && err != nil {
			t.Errorf("%s: %v", o.Ref(), err)
		}
	}
}

// Of two runs that write the same file the second fails before it removes anything, however far both have come.
func TestSameBackupTwice(t *testing.T) {
	t.Parallel()
	name := filepath.Join(t.TempDir(), "file")
	var files []*archive.File
	for range 2 {
		f, err := archive.CreateNew(name, archive.Header{})
		if err != nil {
			t.Fatal(err)
		}
		defer f.Abandon()
		files = append(files, f)
	}
	if err := files[0].Commit(true); err != nil {
		t.Fatal(err)
	}
	before, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if err := files[1].Commit(true); !errors.Is(err, fs.ErrExist) {
		t.Errorf("got %v, want that the file exists", err)
	}
	if now, _ := os.ReadFile(name); string(now) != string(before) || len(now) == 0 {
		t.Error("the first file was replaced")
	}
}
