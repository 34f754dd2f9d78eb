//go:build linux && (amd64 || arm64)

package bench

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/sysvipc/sysvipc"
	"github.com/sysvipc/sysvipc/internal/plot"
)

// listSizes are how many objects there are, and how many of them are segments and queues; the others are semaphore sets. The
// last is 32,000 sets but for what others may have, 4,000 segments and 8,000 queues.
var listSizes = []struct{ all, segments, queues int }{
	{1000, 90, 180},
	{4000, 360, 720},
	{16000, 1450, 2900},
	{43900, 4000, 8000},
}

// BenchmarkList is the command listing objects of all kinds, beside the three calls of lsipc(1) of util-linux that do so, in
// turn; and what memory it takes, also for JSON with all users:
//
//	go test -run '^$' -bench List ./internal/bench
//
// With SYSVIPC_PLOT=FILE it draws how the cost grows.
func BenchmarkList(b *testing.B) {
	command := filepath.Join(b.TempDir(), "sysvipc")
	if out, err := exec.Command("go", "build", "-buildvcs=false", "-o", command, "../../cmd/sysvipc").CombinedOutput(); err != nil {
		b.Fatalf("go build: %v\n%s", err, out)
	}
	peer := ""
	if path, err := exec.LookPath("lsipc"); err != nil {
		b.Log("no comparison with lsipc:", err)
	} else {
		peer = path
	}
	text := &plot.Line{Name: "sysvipc ls"}
	users := &plot.Line{Name: "sysvipc ls --users -o json"}
	three := &plot.Line{Name: "lsipc -m; lsipc -s; lsipc -q"}
	for _, size := range listSizes {
		b.Run(strconv.Itoa(size.all), func(b *testing.B) {
			listBeside(b, command, peer, size.all, size.segments, size.queues, text, users, three)
		})
	}
	if file := os.Getenv("SYSVIPC_PLOT"); file != "" {
		check(os.WriteFile(file, must(plot.Lines("Milliseconds to list so many objects", text, users, three)), 0o644))
	}
}

func listBeside(b *testing.B, command, peer string, all, segments, queues int, text, users, three *plot.Line) {
	b.Cleanup(removeMany(all-segments-queues, segments, queues))
	run := func(name string, args ...string) (seconds, mib float64) {
		cmd := exec.Command(name, args...)
		begin := time.Now()
		check(cmd.Run())
		seconds = time.Since(begin).Seconds()
		return seconds, float64(cmd.ProcessState.SysUsage().(*syscall.Rusage).Maxrss) / 1024
	}
	var ours, theirs, ratios, json []float64
	peak, peakJSON := 0.0, 0.0
	for b.Loop() {
		t, mib := run(command, "ls")
		ours, peak = append(ours, t), max(peak, mib)
		if peer != "" {
			sum := 0.0
			for _, kind := range []string{"-m", "-s", "-q"} {
				t, _ := run(peer, kind)
				sum += t
			}
			theirs, ratios = append(theirs, sum), append(ratios, t/sum)
		}
		t, mib = run(command, "ls", "--users", "-o", "json")
		json, peakJSON = append(json, t), max(peakJSON, mib)
	}
	b.ReportMetric(median(ours)*1e9, "ns/op")
	b.ReportMetric(median(json)*1e3, "json-ms")
	b.ReportMetric(peak, "MiB")
	b.ReportMetric(peakJSON, "json-MiB")
	text.Set(all, median(ours)*1e3)
	users.Set(all, median(json)*1e3)
	if peer != "" {
		b.ReportMetric(median(ratios), "times-lsipc")
		three.Set(all, median(theirs)*1e3)
	}
}

// removeMany makes so many objects, and returns what removes them.
func removeMany(sets, segments, queues int) func() {
	var remove []func() error
	for range sets {
		remove = append(remove, must(sysvipc.CreateSemaphores(sysvipc.Private, 0o600, 0)).Remove)
	}
	for range segments {
		remove = append(remove, must(sysvipc.CreateSegment(sysvipc.Private, 4096, 0o600)).Remove)
	}
	for range queues {
		remove = append(remove, must(sysvipc.CreateQueue(sysvipc.Private, 0o600)).Remove)
	}
	return func() {
		for _, f := range remove {
			check(f())
		}
	}
}
