//go:build !race

package shared

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/sysvipc/sysvipc"
	"github.com/sysvipc/sysvipc/internal/ipctest"
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
			// The stops of a process's first thread would come to whoever waits for its end.
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

// stepper takes a victim through its call. All its methods are for one thread, which
// ptrace wants.
type stepper struct {
	pid, tid int
	stopped  []int // its threads that stand still
	flags    *flags
	region   []byte
	last     []byte
	points   []string // where the region was changed
}

var errCallEnded = errors.New("the call has ended")

// attach stops the victim before its call. It shares a processor with this thread from then
// on, which makes a step ten times as quick.
func (s *stepper) attach() error {
	var may, one unix.CPUSet
	if err := unix.SchedGetaffinity(0, &may); err != nil {
		return err
	}
	for cpu := rand.IntN(may.Count()); ; cpu++ {
		if may.IsSet(cpu) {
			one.Set(cpu)
			break
		}
	}
	if err := errors.Join(unix.SchedSetaffinity(0, &one), unix.SchedSetaffinity(s.tid, &one)); err != nil {
		return err
	}
	// The process's other threads stand still, too: else Go's scheduler finds that the call takes
	// too long, and preempts it for ever. Its first thread is waited for by somebody else.
	tasks, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", s.pid))
	if err != nil {
		return err
	}
	for _, task := range tasks {
		tid, err := strconv.Atoi(task.Name())
		if err != nil || tid == s.pid {
			continue
		}
		if err := unix.PtraceAttach(tid); err != nil {
			return err
		}
		if _, err := s.wait(tid); err != nil {
			return err
		}
		s.stopped = append(s.stopped, tid)
	}
	s.last = bytes.Clone(s.region)
	atomic.StoreUint32(&s.flags.start, 1)
	return nil
}

// kill ends the victim where it is.
func (s *stepper) kill() {
	unix.Kill(s.pid, unix.SIGKILL)
	for _, tid := range s.stopped {
		s.wait(tid)
	}
}

func (s *stepper) wait(tid int) (unix.WaitStatus, error) {
	var status unix.WaitStatus
	for {
		_, err := unix.Wait4(tid, &status, unix.WALL, nil)
		if err != unix.EINTR {
			return status, err
		}
	}
}

// to takes the victim to its k-th point, or to the end of its call.
func (s *stepper) to(k int) error {
	signal := 0
	for range 20_000_000 {
		if _, _, errno := syscall.RawSyscall6(syscall.SYS_PTRACE, syscall.PTRACE_SINGLESTEP, uintptr(s.tid), 0, uintptr(signal), 0, 0); errno != 0 {
			return errno
		}
		status, err := s.wait(s.tid)
		switch {
		case err != nil:
			return err
		case !status.Stopped():
			return fmt.Errorf("the victim ended: %#x", status)
		}
		signal = 0
		if sig := status.StopSignal(); sig != unix.SIGTRAP {
			signal = int(sig)
			if sig == unix.SIGSTOP {
				signal = 0
			}
		}
		if !bytes.Equal(s.region, s.last) {
			copy(s.last, s.region)
			var regs unix.PtraceRegs
			if err := unix.PtraceGetRegs(s.tid, &regs); err != nil {
				return err
			}
			s.points = append(s.points, functionAt(uintptr(regs.Rip)))
			if len(s.points) == k {
				return nil
			}
		}
		if atomic.LoadUint32(&s.flags.end) != 0 {
			return errCallEnded
		}
	}
	return errors.New("the call does not end")
}

// functionAt names the function of this package in which an instruction lies: the victim is
// the same program, at the same addresses.
func functionAt(pc uintptr) string {
	frames := runtime.CallersFrames([]uintptr{pc})
	for {
		frame, more := frames.Next()
		if _, name, ok := strings.Cut(frame.Function, "sysvipc/shared."); ok {
			return name
		}
		if !more {
			return frame.Function
		}
	}
}

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
	check, r, err := stepRoles[role].before(t, key)
	mustNot(t, err)
	p := ipctest.Start(t, stepVictim, &ipctest.Options{Env: []string{"GODEBUG=asyncpreemptoff=1", "GOGC=off"}}, strconv.Itoa(int(key)), strconv.Itoa(seg.ID()), strconv.Itoa(role))
	tid, err := strconv.Atoi(p.Line())
	mustNot(t, err)
	f, mem, err := flagsIn(seg.ID())
	mustNot(t, err)
	defer mem.Close()
	s := &stepper{pid: p.PID, tid: tid, flags: f}
	if r != nil {
		s.region = r.view.Load().bytes
	}
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // and never unlocked: this thread is the tracer, and bound to a processor
		err := s.attach()
		if err == nil {
			err = s.to(k)
		}
		s.kill()
		done <- err
	}()
	late := time.AfterFunc(3*time.Second, func() { unix.Kill(p.PID, unix.SIGKILL) })
	err = <-done
	if !late.Stop() {
		p.Kill()
		return nil, false
	}
	p.Kill()
	if err != nil && err != errCallEnded {
		t.Fatalf("point %d: %v", k, err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	if checkErr := check(ctx, err == errCallEnded); checkErr != nil {
		t.Errorf("killed at point %d, in %v: %v", k, s.points[max(0, len(s.points)-1):], checkErr)
	}
	return s.points, true
}

// Each role is killed at each of its points. The short form takes only two of them, one of
// which is the last. All of them, and docs/killpoints.md, the table:
//
//	SYSVIPC_KILLPOINTS=all go test -timeout 30m -run StepKill ./shared
func TestStepKill(t *testing.T) {
	t.Parallel()
	all := os.Getenv("SYSVIPC_KILLPOINTS") != ""
	rows := make([]string, len(stepRoles))
	t.Run("roles", func(t *testing.T) {
		for i, role := range stepRoles {
			t.Run(role.name, func(t *testing.T) {
				points := killAtPoint(t, i, -1)
				if len(points) == 0 {
					t.Fatal("the call changes nothing in the region")
				}
				step := 1
				if !all {
					step = (len(points) + 1) / 2
				}
				for k := len(points); k > 0; k -= step {
					killAtPoint(t, i, k)
				}
				rows[i] = fmt.Sprintf("| %s | %d | %s |\n", strings.Replace(role.name, "/", " | ", 1), len(points), strings.Join(inOrder(points), ", "))
			})
		}
	})
	table := "docs/killpoints.md"
	if !all || t.Failed() {
		text, err := os.ReadFile(filepath.Join("..", table))
		mustNot(t, err)
		for _, role := range stepRoles {
			if row := "| " + strings.Replace(role.name, "/", " | ", 1) + " |"; !strings.Contains(string(text), row) {
				t.Errorf("%s has no row for %s: SYSVIPC_KILLPOINTS=all makes it anew", table, role.name)
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

// Every kind of thing has a role, and so has every method that changes the region.
func TestStepKillHasAllRoles(t *testing.T) {
	t.Parallel()
	for kind, name := range kindNames {
		if name != "" && !slices.ContainsFunc(stepRoles, func(r stepRole) bool { return strings.EqualFold(strings.Split(r.name, "/")[0], name) }) {
			t.Errorf("kind %v, %s, has no role", kind, name)
		}
	}
}
