package inspect

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/sysvipc/sysvipc"
	"github.com/sysvipc/sysvipc/internal/ipctest"
)

// A thread that waits and is stopped or frozen meanwhile is a waiter: it goes on with its wait.
func TestHaltedWaiters(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		halt func(*testing.T, int)
	}{
		{"stopped", func(t *testing.T, pid int) { check(t, unix.Kill(pid, unix.SIGSTOP)) }},
		{"frozen", func(t *testing.T, pid int) {
			root := "/sys/fs/cgroup"
			if _, err := os.Stat(root + "/cgroup.procs"); err != nil {
				root += "/unified"
			}
			dir, err := os.MkdirTemp(root, "sysvipc-test-")
			if err == nil {
				t.Cleanup(func() {
					os.WriteFile(filepath.Join(dir, "cgroup.freeze"), []byte("0"), 0)
					unix.Kill(pid, unix.SIGKILL)
					eventually(t, "the group is empty", func(*Snapshot) bool { return os.Remove(dir) == nil })
				})
				err = os.WriteFile(filepath.Join(dir, "cgroup.procs"), []byte(fmt.Sprint(pid)), 0)
			}
			if err == nil {
				err = os.WriteFile(filepath.Join(dir, "cgroup.freeze"), []byte("1"), 0)
			}
			if err != nil {
				t.Skipf("needs a cgroup that this user may freeze: %v", err)
			}
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			set, queue := newSet(t, 0), newQueue(t)
			for kind, id := range map[sysvipc.Kind]int{sysvipc.KindSemaphores: set, sysvipc.KindQueue: queue} {
				p := play(t, nil)
				if kind == sysvipc.KindQueue {
					p.do("block recv %d of 5", id)
					ipctest.WaitBlockedOn(t, p.PID, ipctest.Msg, id, 1)
				} else {
					p.do("block op %d 0 -1", id)
					ipctest.WaitBlockedOn(t, p.PID, ipctest.Sem, id, 1)
				}
				c.halt(t, p.PID)
				waitHalted(t, p.PID)
				o := object(t, look(t), kind, id)
				waiting := o.users(Waiting)
				if len(waiting) != 1 || waiting[0].PID != p.PID || o.Verdict.Class != InUse {
					t.Errorf("%s: got %+v, %+v, want in use by process %d, which waits", o.Ref(), waiting, o.Verdict, p.PID)
				}
			}
		})
	}
}

// waitHalted waits until all threads of a process are halted.
func waitHalted(t *testing.T, pid int) {
	t.Helper()
	eventually(t, "the threads are halted", func(*Snapshot) bool {
		threads, err := numbers(fmt.Sprintf("/proc/%d/task", pid))
		check(t, err)
		for _, tid := range threads {
			where, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/wchan", pid, tid))
			check(t, err)
			if !halted(bytes.TrimSpace(where)) {
				return false
			}
		}
		return true
	})
}
