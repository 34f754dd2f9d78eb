package listing

import (
	"testing"
	"time"

	"github.com/sysvipc/sysvipc"
	"github.com/sysvipc/sysvipc/internal/cli"
)

func filterEntries() (*View, map[string]*Entry) {
	now := time.Date(2026, 1, 31, 12, 0, 0, 0, time.Local)
	v := &View{Now: now, NS: 1, Own: 1}
	v.Users.Lookup = func(string) (string, error) { return "someone", nil }
	v.groups.Lookup = v.Users.Lookup
	seg := segmentEntry(&sysvipc.SegmentStat{
		Object: sysvipc.Object{Kind: sysvipc.KindSegment, ID: 5, Key: -2, Mode: 0o640, UID: 7, Changed: now.Add(-48 * time.Hour)},
		Size:   2 << 20, Attaches: 0, Resident: -1, Detached: now.Add(-time.Hour),
	})
	set := setEntry(&sysvipc.SemaphoreSetStat{Object: sysvipc.Object{Kind: sysvipc.KindSemaphores, ID: 0, Key: 1234, Changed: now}, Len: 3})
	queue := queueEntry(&sysvipc.QueueStat{Object: sysvipc.Object{Kind: sysvipc.KindQueue, ID: 9}, Messages: 2, Bytes: 10, MaxBytes: -1})
	return v, map[string]*Entry{"seg": &seg, "set": &set, "queue": &queue}
}

func TestFilter(t *testing.T) {
	t.Parallel()
	v, entries := filterEntries()
	for _, test := range []struct {
		filter string
		want   string // the names of those that match
	}{
		{"id=5", "seg"},
		{"id==5", "seg"},
		{"id!=5", "set queue"},
		{"id>=5", "seg queue"},
		{"id<9&&id>0", "seg"},
		{"nattch=0", "seg"},
		{"!(nattch>0)", "seg"},                     // not the others, which have none
		{"!(nattch=0)", ""},                        //
		{"nattch=0 || nsems=3", "seg set"},         //
		{"nattch=1 || nsems=3 && id=0", "set"},     // && binds closer
		{"(nattch=0 || nsems=3) && id=0", "set"},   //
		{"!!(id=5)", "seg"},                        //
		{"size>1M", "seg"},                         //
		{"size=2MiB", "seg"},                       //
		{"size!=2M", ""},                           //
		{"rss=0", ""},                              // unknown is not 0
		{"rss!=0", ""},                             // and not something else
		{"!(rss=0)", ""},                           //
		{"max_bytes<1G || messages=2", "queue"},    // maybe or true
		{"max_bytes<1G && messages=2", ""},         // maybe and true
		{"max_bytes<1G && messages=1", ""},         //
		{"!(max_bytes<1G && messages=1)", "queue"}, // not (maybe and false)
		{"age>1d", "seg"},
		{"age>2d", ""},
		{"idle=1h", "seg"},
		{"age=never", "queue"},
		{"attached=never", "seg"},
		{"attached!=never", ""},
		{"detached!=none", "seg"},
		{"sent=never", "queue"},
		{"changed<2026-01-30", "seg"},
		{"changed='2026-01-31 12:00'", "set"},
		{"mode=0640", "seg"},
		{"mode=640", "seg"},
		{"key=0xfffffffe", "seg"},
		{"key=-2", "seg"},
		{"key=1234", "set"},
		{"key!=0", "seg set"},
		{"key_hex~fffe$", "seg"},
		{"ref=shm:5", "seg"},
		{`ref="shm:5"`, "seg"},
		{"type~'^(shm|sem)$'", "seg set"},
		{"locked", ""},
		{"!locked", "seg"},
		{"locked=no", "seg"},
		{"destroyed=yes||ID=0", "set"},
		{"  id = 5  ", "seg"},
		{"owner=7", "seg"}, // a number is a uid
		{"owner~some", "seg set queue"},
	} {
		c, err := ParseFilter(test.filter)
		if err != nil {
			t.Errorf("%s: %v", test.filter, err)
			continue
		}
		got := ""
		for _, name := range []string{"seg", "set", "queue"} {
			if c.Holds(v, entries[name]) == Yes {
				got += " " + name
			}
		}
		if want := " " + test.want; got != want && got+" " != want {
			t.Errorf("%s: got%s, want %s", test.filter, got, test.want)
		}
	}
}

// A filter is not understood, or it can be evaluated: never a panic.
func FuzzFilter(f *testing.F) {
	for _, s := range []string{"", "nattch=0 && age>1d && owner=root", "!(a~'x') || (size>=1.5G)", "((((", "!", "key=0x1&&", "mode=0999"} {
		f.Add(s)
	}
	v, entries := filterEntries()
	f.Fuzz(func(t *testing.T, s string) {
		c, err := ParseFilter(s)
		if err != nil {
			if cli.ExitCode(err) != cli.ExitUsage {
				t.Errorf("%q: got %v, want a usage error", s, err)
			}
			return
		}
		for _, e := range entries {
			c.Holds(v, e)
		}
	})
}
