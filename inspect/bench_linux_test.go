package inspect

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/sysvipc/sysvipc"
	"github.com/sysvipc/sysvipc/internal/ipctest"
)

// crowdSource is a process that attaches segments or waits on a set, and its many copies.
const crowdSource = `
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/prctl.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <signal.h>
#include <unistd.h>
int main(int argc, char **argv) { // how, copies, IDs…
	int parent = getpid();
	for (int i = 3; i < argc && !strcmp(argv[1], "attach"); i++)
		if (shmat(atoi(argv[i]), 0, 0) == (void *)-1) return 1;
	for (int i = 0; i < atoi(argv[2]); i++)
		if (fork() == 0) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			struct sembuf op = {i % 50, -1, 0};
			if (!strcmp(argv[1], "wait")) semop(atoi(argv[3]), &op, 1);
			for (;;) pause();
		}
	puts("ready");
	fflush(stdout);
	getchar();
}
`

// crowd starts copies of a process, which end with the benchmark. It returns their common parent.
func crowd(b *testing.B, how string, copies int, ids ...int) int {
	b.Helper()
	path := filepath.Join(b.TempDir(), "crowd")
	cc := exec.Command(ipctest.NeedCompiler(b, "cc"), "-O2", "-o", path, "-x", "c", "-")
	cc.Stdin = strings.NewReader(crowdSource)
	if out, err := cc.CombinedOutput(); err != nil {
		b.Fatalf("cc: %v\n%s", err, out)
	}
	cmd := exec.Command(path, how, strconv.Itoa(copies))
	for _, id := range ids {
		cmd.Args = append(cmd.Args, strconv.Itoa(id))
	}
	in, err := cmd.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		in.Close()
		cmd.Process.Kill()
		cmd.Wait()
		for i := 0; i < 1000 && children(cmd.Process.Pid, path) > 0; i++ {
			time.Sleep(10 * time.Millisecond)
		}
	})
	if _, err := bufio.NewReader(out).ReadString('\n'); err != nil {
		b.Fatal("the crowd has ended: ", err)
	}
	return cmd.Process.Pid
}

// children counts the processes of a program that are left.
func children(parent int, path string) (n int) {
	pids, _ := numbers("/proc")
	for _, pid := range pids {
		if exe, err := os.Readlink(fmt.Sprintf("/proc/%d/exe", pid)); err == nil && exe == path {
			n++
		}
	}
	return n
}

// merely reads files of each process, as simply as can be.
func merely(b *testing.B, files ...string) {
	names, err := os.ReadDir("/proc")
	if err != nil {
		b.Fatal(err)
	}
	for _, name := range names {
		if _, err := strconv.Atoi(name.Name()); err != nil {
			continue
		}
		for _, file := range files {
			os.ReadFile("/proc/" + name.Name() + "/" + file)
		}
		os.Readlink("/proc/" + name.Name() + "/ns/ipc")
	}
}

// beside takes turns between two sides and reports the median of their ratios.
func beside(b *testing.B, side, floor func()) {
	time1 := func(f func()) time.Duration {
		start := time.Now()
		f()
		return time.Since(start)
	}
	var ratios, times []float64
	for b.Loop() {
		x, y := time1(side), time1(floor)
		ratios, times = append(ratios, float64(x)/float64(y)), append(times, float64(x))
	}
	slices.Sort(ratios)
	slices.Sort(times)
	b.ReportMetric(ratios[len(ratios)/2], "times-merely-reading")
	b.ReportMetric(times[len(times)/2], "ns/op")
}

// A snapshot with every user, beside merely reading the same files. Each process has two segments
// attached: 2,000 processes make 4,000 attaches. The cost grows with the processes, no faster.
func BenchmarkSnapshot(b *testing.B) {
	for _, n := range []int{500, 1000, 2000, 4000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			var ids []int
			for range 2 {
				s, err := sysvipc.CreateSegment(sysvipc.Private, 1<<20, 0o600)
				if err != nil {
					b.Fatal(err)
				}
				ipctest.RemoveLater(b, ipctest.Shm, s.ID())
				ids = append(ids, s.ID())
			}
			crowd(b, "attach", n, ids...)
			beside(b, func() {
				if s := look(b); len(s.Object(sysvipc.KindSegment, ids[0]).Users) < n {
					b.Fatal("not all are seen")
				}
			}, func() { merely(b, "maps", "wchan", "stat", "cgroup") })
		})
	}
}

// 1,000 blocked threads, beside merely reading the same files.
func BenchmarkWaits(b *testing.B) {
	const n = 1000
	values := make([]int, 50)
	set, err := sysvipc.CreateSemaphores(sysvipc.Private, 0o600, values...)
	if err != nil {
		b.Fatal(err)
	}
	ipctest.RemoveLater(b, ipctest.Sem, set.ID())
	crowd(b, "wait", n, set.ID())
	for len(look(b).Waits) < n {
		time.Sleep(10 * time.Millisecond)
	}
	beside(b, func() {
		if s := look(b); len(s.Waits) < n {
			b.Fatal("not all are seen")
		}
	}, func() { merely(b, "wchan", "syscall", "sched", "stat", "cgroup") })
}
