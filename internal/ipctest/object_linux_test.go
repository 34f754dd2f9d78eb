package ipctest_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/sysvipc/sysvipc/internal/ipctest"
)

func TestParseObjects(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		kind, text string
		want       []ipctest.Object
	}{
		{
			ipctest.Shm,
			"       key      shmid perms                  size  cpid  lpid nattch   uid   gid  cuid  cgid      atime      dtime      ctime                   rss                  swap\n" +
				"        -2         32769  1600  18446744073692774399    77    78      3  1000   100  1001   101          1          2          3                  4096                     0\n",
			[]ipctest.Object{{Kind: ipctest.Shm, ID: 32769, Key: -2, Mode: 0o1600, UID: 1000, CUID: 1001, Creator: 77, Nattch: 3}},
		},
		{
			ipctest.Sem,
			"       key      semid perms      nsems   uid   gid  cuid  cgid      otime      ctime\n" +
				"         1          0   644          1     0     0     0     0          0 1700000000\n" +
				"         0          1     0          2 65534     0     0     0          0 1700000000\n",
			[]ipctest.Object{{Kind: ipctest.Sem, Key: 1, Mode: 0o644}, {Kind: ipctest.Sem, ID: 1, UID: 65534}},
		},
		{
			ipctest.Msg,
			"       key      msqid perms      cbytes       qnum lspid lrpid   uid   gid  cuid  cgid      stime      rtime      ctime\n",
			nil,
		},
	} {
		got, err := ipctest.ParseObjects(test.kind, test.text)
		if diff := cmp.Diff(test.want, got); diff != "" || err != nil {
			t.Errorf("%s: %v, want less got: %s", test.kind, err, diff)
		}
	}
	if _, err := ipctest.ParseObjects(ipctest.Sem, "key semid\n1 2 3\n"); err == nil {
		t.Error("a line with too many values was accepted")
	}
}

func TestObjectString(t *testing.T) {
	t.Parallel()
	for want, o := range map[string]ipctest.Object{
		"shm id 3 key 0xfffffffe mode 0600 uid 7 creator pid 9 nattch 1 (removed, but still attached)": {
			Kind: ipctest.Shm, ID: 3, Key: -2, Mode: 0o1600, UID: 7, Creator: 9, Nattch: 1,
		},
		"sem id 0 key 0x0 mode 0644 uid 0": {Kind: ipctest.Sem, Mode: 0o644},
	} {
		if got := o.String(); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
}

// What a test makes with its Key, or gives to RemoveLater, is gone after it. Not parallel: it compares all there is.
func TestObjectsAreRemoved(t *testing.T) {
	if !ipctest.Alone(t) {
		return
	}
	before := ipctest.Snapshot()
	t.Run("maker", func(t *testing.T) {
		for _, kind := range []string{ipctest.Shm, ipctest.Sem, ipctest.Msg} {
			if _, err := ipctest.Make(kind, ipctest.Key(t)); err != nil {
				t.Error(err)
			}
			id, err := ipctest.Make(kind, 0)
			if err != nil {
				t.Error(err)
			}
			ipctest.RemoveLater(t, kind, id)
		}
		if got := len(must(ipctest.Objects())); got != 6 {
			t.Errorf("got %d objects, want 6", got)
		}
		if ipctest.Snapshot() == before {
			t.Error("the snapshot did not change")
		}
	})
	if diff := cmp.Diff(before, ipctest.Snapshot()); diff != "" {
		t.Errorf("want less got: %s", diff)
	}
}
