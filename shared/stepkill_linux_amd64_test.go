//go:build !race

package shared

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/sysvipc/sysvipc"
	"github.com/sysvipc/sysvipc/internal/ipctest"
	"github.com/sysvipc/sysvipc/shared/internal/structure"
)

// Kill points, all of them. What a kill -9 can leave behind is the memory as it was after
// some instruction that changed it. So a victim is taken through one call, instruction by
// instruction (ptrace(2), PTRACE_SINGLESTEP), and killed after the k-th that changed the
// region, for each k; then the others check what the call's doc comment promises. No hook in
// the code says where, so none can be missing.

// flags are what the victim and the test tell each other, in a segment of their own.
type flags struct{ start, end uint32 }

func flagsIn(id int) (*flags, *sysvipc.Memory, error) {
	mem, err := sysvipc.SegmentByID(id).Attach(nil)
	if err != nil {
		return nil, nil, err
	}
	b, _ := mem.Hold()
	return (*flags)(unsafe.Pointer(unsafe.SliceData(b))), mem, nil
}

var stepVictim = ipctest.Register("step victim", func(c *ipctest.ChildEnv) {
	key, err := strconv.Atoi(c.Args[0])
	c.Check(err)
	id, err := strconv.Atoi(c.Args[1])
	c.Check(err)
	f, _, err := flagsIn(id)
	c.Check(err)
	role, err := strconv.Atoi(c.Args[2])
	c.Check(err)
	var try func()
	try = func() {
		runtime.LockOSThread()
		if unix.Gettid() == os.Getpid() {
			// The stops of a process's first thread would come to the one that waits for its end.
			go try()
			select {}
		}
		call, err := stepRoles[role].victim(sysvipc.Key(key))
		c.Check(err)
		runtime.GC()
		c.Say("%d", unix.Gettid())
		for atomic.LoadUint32(&f.start) == 0 {
		}
		err = call()
		atomic.StoreUint32(&f.end, 1)
		c.Check(err)
		select {}
	}
	go try()
	select {}
})

// killAtPoint kills a victim at its k-th point, or after its call if it has fewer. One whose
// thread waits for a lock of Go's runtime that a thread has which stands still is no use.
func killAtPoint(t *testing.T, role, k int) (points []string) {
	for range 10 {
		if points, ok := tryPoint(t, role, k); ok {
			return points
		}
	}
	t.Fatalf("the victim does not come to point %d", k)
	return nil
}

func tryPoint(t *testing.T, role, k int) (points []string, ok bool) {
	key := sysvipc.Key(ipctest.Key(t))
	seg, err := sysvipc.CreateSegment(sysvipc.Private, 4096, 0o600)
	mustNot(t, err)
	defer seg.Remove()
	check, region, err := stepRoles[role].before(t, key)
	mustNot(t, err)
	p := ipctest.Start(t, stepVictim, &ipctest.Options{Env: []string{"GODEBUG=asyncpreemptoff=1", "GOGC=off"}}, strconv.Itoa(int(key)), strconv.Itoa(seg.ID()), strconv.Itoa(role))
	tid, err := strconv.Atoi(p.Line())
	mustNot(t, err)
	f, mem, err := flagsIn(seg.ID())
	mustNot(t, err)
	defer mem.Close()
	s := &stepper{pid: p.PID, tid: tid, flags: f, region: region}
	done := make(chan error, 1)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		runtime.LockOSThread() // and never unlocked: this thread is the tracer, and bound to a processor
		err := s.attach()
		if err == nil {
			err = s.to(k)
		}
		s.kill()
		done <- err
	}()
	stuck := killWhenStuck(s, ended)
	err = <-done
	if stuck() {
		p.Kill()
		return nil, false
	}
	p.Kill()
	if err != nil && err != errCallEnded {
		t.Fatalf("point %d: %v", k, err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	if checkErr := check(ctx, kill{s.points, err == errCallEnded}); checkErr != nil {
		t.Errorf("killed at point %d, in %v: %v", k, s.points[max(0, len(s.points)-1):], checkErr)
	}
	return s.points, true
}

// killWhenStuck kills a victim that sleeps within one step: not one that waits for a processor, however long. The function
// that it returns reports whether it did, once ended is closed.
func killWhenStuck(s *stepper, ended <-chan struct{}) (did func() bool) {
	const look, enough = 250 * time.Millisecond, 6
	verdict := make(chan bool, 1)
	go func() {
		asleep, last := 0, uint64(0)
		for {
			select {
			case <-ended:
				verdict <- false
				return
			case <-time.After(look):
			}
			if steps := s.steps.Load(); steps != last || !sleeps(s.pid, s.tid) {
				asleep, last = 0, steps
			} else if asleep++; asleep == enough {
				unix.Kill(s.pid, unix.SIGKILL)
				verdict <- true
				return
			}
		}
	}()
	return func() bool { return <-verdict }
}

// sleeps reports whether a thread sleeps in the kernel, and does not run, wait for a processor or stand still.
func sleeps(pid, tid int) bool {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/stat", pid, tid))
	if err != nil {
		return false
	}
	_, state, _ := strings.Cut(string(text), ") ")
	return strings.HasPrefix(state, "S")
}

// Each role is killed at each of its points. The short form takes one of them. All, and
// docs/killpoints.md, the table:
//
//	SYSVIPC_KILLPOINTS=all go test -timeout 30m -run StepKill ./shared
func TestStepKill(t *testing.T) {
	t.Parallel()
	ipctest.Halts(t)
	all := os.Getenv("SYSVIPC_KILLPOINTS") != ""
	rows := make([]string, len(stepRoles))
	t.Run("roles", func(t *testing.T) {
		for i, role := range stepRoles {
			t.Run(role.name, func(t *testing.T) {
				if !all {
					if points := killAtPoint(t, i, 1+i%5); len(points) == 0 {
						t.Error("the call changes nothing in the region")
					}
					return
				}
				points := killAtPoint(t, i, -1)
				for k := range points {
					killAtPoint(t, i, k+1)
				}
				rows[i] = fmt.Sprintf("| %s | %d | %s |\n", strings.Replace(role.name, "/", " | ", 1), len(points), strings.ReplaceAll(strings.Join(inOrder(points), ", "), "github.com/sysvipc/sysvipc/shared/internal/", ""))
			})
		}
	})
	table := "docs/killpoints.md"
	if !all || t.Failed() {
		text, err := os.ReadFile(filepath.Join("..", table))
		mustNot(t, err)
		for _, role := range stepRoles {
			if row := "| " + strings.Replace(role.name, "/", " | ", 1) + " |"; !strings.Contains(string(text), row) {
				t.Errorf("%s has no row for %s: SYSVIPC_KILLPOINTS=all writes it", table, role.name)
			}
		}
		return
	}
	mustNot(t, os.WriteFile(filepath.Join("..", table), []byte(killPointsHead+strings.Join(rows, "")), 0o644))
}

const killPointsHead = `# Kill points

What a ` + "`kill -9`" + ` can leave behind is the shared memory as it was after some instruction that changed it. The test
` + "`TestStepKill`" + ` takes a process through a call instruction by instruction, kills it after the k-th that changed the region,
for each k, and then checks with another process what the call's documentation promises. This table is its output:

` + "```console" + `
$ SYSVIPC_KILLPOINTS=all go test -timeout 30m -run StepKill ./shared
` + "```" + `

The number of points depends on the compiler a little. Where a function copies, each word is a point.

| type | call | points | in |
|---|---|---|---|
`

// inOrder returns the names without those that came before.
func inOrder(names []string) (once []string) {
	for _, name := range names {
		if !slices.Contains(once, name) {
			once = append(once, name)
		}
	}
	return once
}

// What changes nothing in the region, goes the ways of other roles, or does nothing to what
// lies in it.
var noRole = map[string][]string{
	"Mutex":        nil,
	"RWMutex":      {"RDo"},
	"Var":          {"Load"},
	"Counter":      {"Load"},
	"Chan":         {"Cap", "Len"},
	"Topic":        {"Cap", "Latest", "Published"},
	"Subscription": {"Lost"},
	"Map":          {"All", "Cap", "Len", "Load", "WatchAll"},
	"Doc":          {"Cap", "Load"},
	"Records":      {"Len", "MaxLen"},
	"Region":       {"Info", "Participants", "Remove", "Segment", "Sync"},
}

// Every method has a role, but for those above.
func TestStepKillHasAllRoles(t *testing.T) {
	t.Parallel()
	have := map[string]bool{}
	for _, role := range stepRoles {
		typ, calls, _ := strings.Cut(role.name, "/")
		calls, _, _ = strings.Cut(calls, ":")
		for _, call := range strings.Split(calls, ", ") {
			have[typ+"."+call] = true
		}
	}
	types := []reflect.Type{
		reflect.TypeFor[*Mutex](), reflect.TypeFor[*RWMutex](), reflect.TypeFor[*Var[int64]](), reflect.TypeFor[*Counter](),
		reflect.TypeFor[*Chan[int64]](), reflect.TypeFor[*Topic[int64]](), reflect.TypeFor[*Subscription[int64]](),
		reflect.TypeFor[*Map[int32, int64]](), reflect.TypeFor[*Doc[[]int]](), reflect.TypeFor[*Records](), reflect.TypeFor[*Region](),
	}
	for _, typ := range types {
		name, _, _ := strings.Cut(typ.Elem().Name(), "[")
		for i := range typ.NumMethod() {
			if method := typ.Method(i).Name; !have[name+"."+method] && !slices.Contains(noRole[name], method) {
				t.Errorf("%s.%s has no role", name, method)
			}
		}
	}
	for _, kind := range structure.Kinds[1:] {
		if !slices.ContainsFunc(types, func(typ reflect.Type) bool {
			name, _, _ := strings.Cut(typ.Elem().Name(), "[")
			return strings.EqualFold(name, kind.Name)
		}) {
			t.Errorf("a %s has no type here", kind.Name)
		}
	}
}
