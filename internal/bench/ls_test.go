//go:build linux && (amd64 || arm64)

package bench

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/sysvipc/sysvipc"
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
	text := &series{name: "sysvipc ls"}
	users := &series{name: "sysvipc ls --users -o json"}
	three := &series{name: "lsipc -m; lsipc -s; lsipc -q"}
	for _, size := range listSizes {
		b.Run(strconv.Itoa(size.all), func(b *testing.B) {
			listBeside(b, command, peer, size.all, size.segments, size.queues, text, users, three)
		})
	}
	if file := os.Getenv("SYSVIPC_PLOT"); file != "" {
		check(os.WriteFile(file, []byte(plot("Milliseconds to list so many objects", text, users, three)), 0o644))
	}
}

func listBeside(b *testing.B, command, peer string, all, segments, queues int, text, users, three *series) {
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
	text.add(all, median(ours)*1e3)
	users.add(all, median(json)*1e3)
	if peer != "" {
		b.ReportMetric(median(ratios), "times-lsipc")
		three.add(all, median(theirs)*1e3)
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

// series is a line of a plot.
type series struct {
	name string
	x    []int
	y    []float64
}

func (s *series) add(x int, y float64) {
	if n := len(s.x); n > 0 && s.x[n-1] == x { // the benchmark was run again, for longer
		s.y[n-1] = y
		return
	}
	s.x, s.y = append(s.x, x), append(s.y, y)
}

// plot draws lines from nothing to the largest values, as SVG. What grows in proportion is straight.
func plot(title string, lines ...*series) string {
	const width, height, left, bottom = 640, 360, 60, 40
	right, top := 1, 1.0
	for _, s := range lines {
		for i := range s.x {
			right, top = max(right, s.x[i]), max(top, s.y[i])
		}
	}
	px := func(x int) float64 { return left + float64(x)/float64(right)*(width-left-30) }
	py := func(y float64) float64 { return height - bottom - y/top*(height-bottom-50) }
	svg := fmt.Sprintf("<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" font-family=\"sans-serif\" font-size=\"12\">\n"+
		"<rect width=\"100%%\" height=\"100%%\" fill=\"#fff\"/>\n<text x=\"%d\" y=\"22\" font-size=\"14\">%s</text>\n", width, height, left, title)
	for i := range 5 {
		x, y := right*i/4, top*float64(i)/4
		svg += fmt.Sprintf("<path d=\"M%d %.1fH%d\" stroke=\"#ddd\"/><text x=\"%d\" y=\"%.1f\" text-anchor=\"end\">%.0f</text><text x=\"%.1f\" y=\"%d\" text-anchor=\"middle\">%d</text>\n",
			left, py(y), width-30, left-6, py(y)+4, y, px(x), height-bottom+18, x)
	}
	for i, s := range lines {
		color := []string{"#0b62a4", "#c2410c", "#6b7280"}[i%3]
		path := fmt.Sprintf("M%.1f %.1f", px(0), py(0))
		for j := range s.x {
			path += fmt.Sprintf("L%.1f %.1f", px(s.x[j]), py(s.y[j]))
			svg += fmt.Sprintf("<circle cx=\"%.1f\" cy=\"%.1f\" r=\"3\" fill=\"%s\"/>\n", px(s.x[j]), py(s.y[j]), color)
		}
		svg += fmt.Sprintf("<path d=\"%s\" fill=\"none\" stroke=\"%s\" stroke-width=\"2\"/>\n<text x=\"%d\" y=\"%d\" fill=\"%s\">%s</text>\n", path, color, left+12, 46+16*i, color, s.name)
	}
	return svg + "</svg>\n"
}
