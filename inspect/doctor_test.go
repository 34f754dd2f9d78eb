package inspect

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sysvipc/sysvipc"
)

func TestParseRemoveIPC(t *testing.T) {
	t.Parallel()
	for text, want := range map[string][2]bool{
		"":                                  {},
		"[Login]\n#RemoveIPC=yes\n":         {},
		"[Login]\nRemoveIPC=yes\n":          {true, true},
		"[Login]\r\nRemoveIPC = no\r\n":     {false, true},
		"[Other]\nRemoveIPC=yes\n":          {},
		"[Login]\nRemoveIPC=1\nRemoveIPC=0": {false, true},
		"[Login]\nRemoveIPC=maybe":          {},
	} {
		if value, ok := parseRemoveIPC([]byte(text)); [2]bool{value, ok} != want {
			t.Errorf("%q: got %v, %v, want %v", text, value, ok, want)
		}
	}
}

func FuzzParseRemoveIPC(f *testing.F) {
	f.Add([]byte("[Login]\nRemoveIPC=yes\n"))
	f.Fuzz(func(_ *testing.T, text []byte) { parseRemoveIPC(text) })
}

// The settings are read as systemd reads them: folders override files, and /etc hides the others.
func TestRemoveIPC(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	s := &Snapshot{Objects: []Object{{Object: sysvipc.Object{UID: firstUser}}}}
	check := func(want string) {
		t.Helper()
		got := ""
		for _, f := range Diagnose(s, root) {
			if f.Check == "removeipc" || f.Check == "shm_rmid_forced" {
				got += f.Check + " " + f.Text
			}
		}
		if (want == "") != (got == "") || !strings.Contains(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	write := func(name, text string) {
		t.Helper()
		name = filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	check("") // systemd does not run
	write("/run/systemd/system/x", "")
	check("RemoveIPC, the default")
	write("/etc/systemd/logind.conf", "[Login]\nRemoveIPC=no\n")
	check("")
	write("/usr/lib/systemd/logind.conf.d/50-on.conf", "[Login]\nRemoveIPC=yes\n")
	check("50-on.conf")
	write("/etc/systemd/logind.conf.d/50-on.conf", "[Login]\n")
	check("")
	s.Objects[0].UID = 0
	write("/etc/systemd/logind.conf.d/60.conf", "[Login]\nRemoveIPC=yes\n")
	check("") // root's stay
	write("/proc/sys/kernel/shm_rmid_forced", "1\n")
	check("shm_rmid_forced")
}

// A limit is reported before it is reached, with the line that raises it.
func TestLimits(t *testing.T) {
	t.Parallel()
	s := &Snapshot{}
	s.Limits.Segments = sysvipc.SegmentLimits{Max: 100, InUse: 80, MaxPages: 1000, Pages: 10, MaxSize: 1 << 40}
	s.Limits.Semaphores = sysvipc.SemaphoreLimits{Max: 128, InUse: 1, MaxTotal: 1000, InTotal: 990, MaxPerSet: 250, MaxOps: 32}
	s.Limits.Queues = sysvipc.QueueLimits{Max: 0, MaxMessage: 8192, DefaultMaxBytes: 16384}
	got := map[string]Finding{}
	for _, f := range Diagnose(s, t.TempDir()) {
		got[f.Check] = f
	}
	for check, want := range map[string]Finding{
		"shmmni": {Severity: Warning, Remedy: "sysctl -w kernel.shmmni=200"},
		"semmns": {Severity: Critical, Remedy: "sysctl -w kernel.sem='250 2000 32 128'"},
		"msgmni": {Severity: Critical, Remedy: "sysctl -w kernel.msgmni=1"},
	} {
		if f := got[check]; f.Severity != want.Severity || f.Remedy != want.Remedy || f.Text == "" {
			t.Errorf("%s: got %+v, want %+v", check, f, want)
		}
		delete(got, check)
	}
	if len(got) > 0 {
		t.Errorf("got %+v besides", got)
	}
}
