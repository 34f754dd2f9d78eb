package ipctest_test

import (
	"os"
	"strings"
	"testing"

	"github.com/sysvipc/sysvipc/internal/ipctest"
)

func TestAloneIsolates(t *testing.T) {
	t.Parallel()
	key := ipctest.Key(t)
	if _, err := ipctest.Make(ipctest.Sem, key); err != nil {
		t.Fatal(err)
	}
	limit := readLimit(t, "shmmni")
	if alone := ipctest.Alone(t); !alone {
		if got := readLimit(t, "shmmni"); got != limit {
			t.Errorf("outside, shmmni became %s, want %s as before", got, limit)
		}
		return
	}
	objects := must(ipctest.Objects())
	if len(objects) != 1 || objects[0].Key != key {
		t.Errorf("got %v, want only what the test made in this process", objects)
	}
	ipctest.SetLimit(t, "shmmni", "1")
	if got := readLimit(t, "shmmni"); got != "1" {
		t.Errorf("got shmmni %s, want 1", got)
	}
	if _, err := ipctest.Make(ipctest.Shm, ipctest.Key(t)); err != nil {
		t.Error(err)
	}
	if _, err := ipctest.Make(ipctest.Shm, ipctest.Key(t)); err == nil {
		t.Error("a second segment was made, want ENOSPC")
	}
}

func readLimit(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile("/proc/sys/kernel/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(text))
}

// A subtest's name may hold what is special to -run.
func TestAloneInSubtests(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"plain", "two words", "a/b", "a.*(b)|c", "plain"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			before := os.Getpid()
			if !ipctest.Alone(t) {
				return
			}
			t.Run("inner", func(t *testing.T) {
				if got := os.Getpid(); got != before {
					t.Errorf("got pid %d, want %d", got, before)
				}
			})
		})
	}
}

func TestAloneNested(t *testing.T) {
	t.Parallel()
	if !ipctest.Alone(t) {
		return
	}
	pid := os.Getpid()
	t.Run("inner", func(t *testing.T) {
		if !ipctest.Alone(t) {
			return
		}
		if os.Getpid() == pid {
			t.Log("this process is made for the inner test")
		}
		if objects := must(ipctest.Objects()); len(objects) != 0 {
			t.Errorf("got %v, want an empty namespace", objects)
		}
	})
}

func TestSubjectAlone(t *testing.T) {
	what := onlyAsSubject(t)
	if !ipctest.Alone(t) {
		t.Log("back")
		return
	}
	switch what {
	case "fail":
		t.Error("as asked")
	case "skip":
		t.Skip("needs the moon")
	case "leak":
		if _, err := ipctest.Make(ipctest.Msg, 0x5eed); err != nil {
			t.Fatal(err)
		}
	case "exit":
		os.Exit(0)
	case "panic":
		panic("as asked")
	}
}

func TestAlonePassesTheOutcomeOn(t *testing.T) {
	t.Parallel()
	ipctest.NeedNamespace(t)
	for _, test := range []struct {
		what     string
		code     int
		patterns []string
	}{
		{"pass", 0, []string{`--- PASS: TestSubjectAlone`, `\| --- PASS`, `back`}},
		{"fail", 1, []string{`--- FAIL: TestSubjectAlone`, `\|  +alone_linux_test.go:\d+: as asked`}},
		{"skip", 0, []string{`--- SKIP: TestSubjectAlone`, `: needs the moon`}},
		{"leak", 1, []string{`--- FAIL: TestSubjectAlone`, `left 1 kernel objects`, `msg id 0 key 0x5eed`}},
		{"exit", 1, []string{`--- FAIL: TestSubjectAlone`, `unexpected call to os.Exit\(0\)|did not run alone`}},
		{"panic", 1, []string{`--- FAIL: TestSubjectAlone`, `panic: as asked`}},
	} {
		t.Run(test.what, func(t *testing.T) {
			t.Parallel()
			output, code := play(t, "TestSubjectAlone", test.what, "-test.v", "-test.paniconexit0")
			wantOutput(t, output, code, test.code, test.patterns...)
		})
	}
}
