package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/sysvipc/sysvipc/internal/ipctest"
	"github.com/sysvipc/sysvipc/shared"
)

type regionLeg struct {
	Qty  int32
	Open bool
}

type regionQuote struct {
	Bid, Ask float64
	Symbol   shared.String[[8]byte]
	Legs     [2]regionLeg
}

// makeRegion makes a region with every kind of structure.
func makeRegion(name string) (r *shared.Region, err error) {
	ctx := context.Background()
	ensure := shared.Ensure
	if strings.Contains(name, "/") && !strings.Contains(name, "*") {
		ensure = shared.EnsureFile
	}
	r, err = ensure(ctx, name, &shared.Options{Size: 4 << 20, Participants: 8, Entries: 64})
	if err != nil {
		return nil, err
	}
	best, err1 := shared.VarOf[regionQuote](r, "best")
	_, err2 := shared.VarOf[float64](r, "price")
	_, err3 := shared.CounterOf(r, "count")
	_, err4 := shared.MutexOf(r, "book")
	_, err5 := shared.ChanOf[regionLeg](r, "in", 4)
	pos, err6 := shared.MapOf[int32, regionLeg](r, "pos", 3)
	_, err7 := shared.VarOf[shared.String[[16]byte]](r, "motd")
	_, err8 := shared.MutexOf(r, "evil\x1b[2J")
	_, err9 := shared.TopicOf[regionLeg](r, "ticks", 4)
	config, err10 := shared.DocOf[map[string]string](r, "config", 100)
	_, err11 := shared.RecordsOf(r, "log", 1000)
	if err := errors.Join(err1, err2, err3, err4, err5, err6, err7, err8, err9, err10, err11); err != nil {
		return nil, err
	}
	quote := regionQuote{Bid: 1.5, Ask: 2, Legs: [2]regionLeg{{7, true}}}
	return r, errors.Join(quote.Symbol.Set("ACME"), best.Store(ctx, quote), pos.Store(ctx, 1, regionLeg{Qty: 10}), config.Store(ctx, map[string]string{"user": "a\u009bb"}))
}

// The scripts about regions have one more command:
//
//	region NAME    make a region of that name, or in that file, with something of every kind in it
//	here N ARG…    sysvipc in this process, which is quicker; the exit code must be N
func TestRegionScripts(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/region/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("no scripts: %v", err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			t.Parallel()
			if !ipctest.Alone(t) {
				return
			}
			openPath(t)
			p := scriptParams(t, file)
			p.Cmds["region"] = func(ts *testscript.TestScript, _ bool, args []string) {
				r, err := makeRegion(args[0])
				ts.Check(err)
				ts.Check(r.Close())
				ts.Defer(func() { _ = r.Remove() })
			}
			p.Cmds["here"] = func(ts *testscript.TestScript, _ bool, args []string) {
				if got := execute(args[1:], strings.NewReader(""), ts.Stdout(), ts.Stderr()); strconv.Itoa(got) != args[0] {
					ts.Fatalf("got exit code %d, want %s", got, args[0])
				}
			}
			testscript.Run(t, p)
		})
	}
}

// What the header says compiles without a warning, whatever the names are.
func TestRegionHeaderCompiles(t *testing.T) {
	t.Parallel()
	cc := ipctest.NeedCompiler(t, "gcc")
	if !ipctest.Alone(t) {
		return
	}
	r, err := makeRegion("9 */ odd\\\"name?")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Remove()
	defer r.Close()
	type deep struct {
		Int, Register int8
		int           int64 // a keyword there
		_Bool, __LINE int8  // reserved there
		class, this   int8  // keywords of C++
		INT_MAX       int8  // a macro
		Größe         uint16
		_             [3]uint8
		Z             complex128
		Grid          [2][3]struct{ A, B [2][2]shared.String[[3]byte] }
		Last          struct {
			X uint8
			Y [2]struct{ Z float32 }
		}
	}
	var d deep
	_, _, _, _, _, _ = d.int, d._Bool, d.__LINE, d.class, d.this, d.INT_MAX
	_, err1 := shared.VarOf[deep](r, "a-b")
	_, err2 := shared.VarOf[[2][3]deep](r, "a.b")
	_, err3 := shared.VarOf[[3]bool](r, "a.b_find")
	_, err4 := shared.ChanOf[[2]complex64](r, "*/ #error", 4)
	_, err5 := shared.MapOf[int64, deep](r, "int", 4)
	_, err6 := shared.MapOf[struct {
		A int8
		B int64
		_ [3]int32
	}, int8](r, "with blanks", 1<<14)
	_, err7 := shared.TopicOf[deep](r, "a.b_next", 4)
	if err := errors.Join(err1, err2, err3, err4, err5, err6, err7); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	header, err := exec.Command("sysvipc", "region", "header", "--prefix", "odd one", fmt.Sprintf("shm:%d", r.Segment().ID())).Output()
	if err != nil {
		t.Fatal(err)
	}
	source := append(append([]byte{}, header...), header...) // twice: it is guarded
	source = append(source, "\nint main(int argc, char **argv) { struct sysvipc_region r; (void)argv; return odd_one_attach(&r, argc > 1 ? 0 : SHM_RDONLY); }\n"...)
	if err := os.WriteFile(filepath.Join(dir, "test.c"), source, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"-std=c11", "-O2"}, {"-std=gnu17", "-Wshadow", "-Wconversion", "-Wno-sign-conversion"}, {"-x", "c++", "-std=c++11"}} {
		if args[0] == "-x" && exec.Command(cc, "-x", "c++", "-fsyntax-only", os.DevNull).Run() != nil {
			continue // a gcc without its C++
		}
		args = append(args, "-Wall", "-Wextra", "-Wpedantic", "-Werror", "-o", filepath.Join(dir, "test"), filepath.Join(dir, "test.c"))
		if out, err := exec.Command(cc, args...).CombinedOutput(); err != nil {
			t.Fatalf("gcc %v: %v\n%s", args, err, out)
		}
	}
	if out, err := exec.Command(filepath.Join(dir, "test")).CombinedOutput(); err != nil {
		t.Errorf("the program does not attach the region: %v %s", err, out)
	}
	elsewhere := exec.Command(filepath.Join(dir, "test"), "to write")
	elsewhere.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWPID}
	if out, err := elsewhere.CombinedOutput(); elsewhere.ProcessState == nil || elsewhere.ProcessState.ExitCode() != int(syscall.EXDEV) {
		t.Errorf("in another PID namespace: %v %s", err, out)
	}
	header, err = exec.Command("sysvipc", "region", "header", "--prefix", "sysvipc", fmt.Sprintf("shm:%d", r.Segment().ID())).Output()
	if err != nil || !strings.Contains(string(header), "int region_sysvipc_attach(") {
		t.Errorf("a region that is called like what headers have in common: %v", err)
	}
}

// region show names those for whom others wait.
func TestRegionShowHolds(t *testing.T) {
	t.Parallel()
	if !ipctest.Alone(t) {
		return
	}
	r, err := makeRegion("held")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Remove()
	defer r.Close()
	m, err1 := shared.MutexOf(r, "mine")
	rw, err2 := shared.RWMutexOf(r, "read")
	tp, err3 := shared.TopicOf[int64](r, "slow", 4)
	if err := errors.Join(err1, err2, err3); err != nil {
		t.Fatal(err)
	}
	s, err := tp.Subscribe(shared.Gated)
	if err := errors.Join(err, m.Lock(t.Context()), rw.RLock(t.Context())); err != nil {
		t.Fatal(err)
	}
	for range 4 {
		if err := tp.Publish(t.Context(), 1); err != nil {
			t.Fatal(err)
		}
	}
	var out, stderr strings.Builder
	if code := execute([]string{"region", "show", "held"}, strings.NewReader(""), &out, &stderr); code != 0 {
		t.Fatal(code, stderr.String())
	}
	for _, want := range []string{`mine +mutex +\d+ +\S+ +has locked it\n`, `read +rwmutex +\d+ +\S+ +reads\n`, `slow +topic +\d+ +\S+ +holds up publishers, 4 messages behind\n`} {
		if !regexp.MustCompile(want).MatchString(out.String()) {
			t.Errorf("no %q in\n%s", want, out.String())
		}
	}
	out.Reset()
	if code := execute([]string{"region", "show", "held", "-o", "json"}, strings.NewReader(""), &out, &stderr); code != 0 || !strings.Contains(out.String(), `"behind":4`) && !strings.Contains(out.String(), `"behind": 4`) {
		t.Errorf("%d, %s%s", code, out.String(), stderr.String())
	}
	if err := errors.Join(m.Unlock(), rw.RUnlock(), s.Close()); err != nil {
		t.Error(err)
	}
}
