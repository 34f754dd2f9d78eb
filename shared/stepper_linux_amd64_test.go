//go:build !race

package shared

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"

	"golang.org/x/sys/unix"
)

// stepper takes a victim through its call. All its methods are for one thread, which
// ptrace wants.
type stepper struct {
	pid, tid int
	stopped  []int // its threads that stand still
	flags    *flags
	region   []byte
	last     []byte
	points   []string // where the region was changed
	steps    atomic.Uint64
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
	// too long, and preempts it for ever. Its first thread is waited for by another goroutine.
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
		s.steps.Add(1)
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

// functionAt names the function of package shared, or of what that is made of, in which an instruction lies: the victim is
// the same program, at the same addresses.
func functionAt(pc uintptr) string {
	frames := runtime.CallersFrames([]uintptr{pc})
	for {
		frame, more := frames.Next()
		if strings.Contains(frame.Function, "/sysvipc/shared") {
			_, name, _ := strings.Cut(frame.Function[strings.LastIndexByte(frame.Function, '/'):], ".")
			return name
		}
		if !more {
			return frame.Function
		}
	}
}
