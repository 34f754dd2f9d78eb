package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

// BenchmarkRun is what a lock costs: "sysvipc run" of the command as the README has it
// installed, beside flock(1), in turn. The ratio is the median of the ratios of the pairs.
// Where there is a C compiler, and no CGO_ENABLED=0, Go links the C library for the sake
// of packages net and os/user, which makes the start slower.
//
//	go test -run '^$' -bench Run -benchtime 300x ./cmd/sysvipc
func BenchmarkRun(b *testing.B) {
	flock, err := exec.LookPath("flock")
	if err != nil {
		b.Skip("flock is not installed (package util-linux)")
	}
	for _, build := range []struct{ name, env string }{{"as it ships", "CGO_ENABLED=0"}, {"with the C library", "CGO_ENABLED=1"}} {
		b.Run(build.name, func(b *testing.B) {
			dir := b.TempDir()
			exe := filepath.Join(dir, "sysvipc")
			compile := exec.Command("go", "build", "-buildvcs=false", "-o", exe, ".")
			compile.Env = append(os.Environ(), build.env)
			if out, err := compile.CombinedOutput(); err != nil {
				b.Fatalf("%v: %s", err, out)
			}
			lock := "BenchmarkRun " + dir
			b.Cleanup(func() { exec.Command(exe, "rm", "sem:name=run/"+lock).Run() })
			ours := []string{exe, "run", "--name", lock, "--", "true"}
			theirs := []string{flock, filepath.Join(dir, "lock"), "true"}
			for range 3 {
				once(b, ours)
				once(b, theirs)
			}
			var us, them, ratios []float64
			b.ResetTimer()
			for range b.N {
				u, t := once(b, ours), once(b, theirs)
				us, them = append(us, u), append(them, t)
				ratios = append(ratios, u/t)
			}
			b.StopTimer()
			b.ReportMetric(0, "ns/op")
			b.ReportMetric(median(us), "run-ms")
			b.ReportMetric(median(them), "flock-ms")
			b.ReportMetric(median(ratios), "run/flock")
		})
	}
}

// once runs a command and returns how long it took, in milliseconds.
func once(b *testing.B, args []string) float64 {
	cmd := exec.Command(args[0], args[1:]...)
	begin := time.Now()
	if err := cmd.Run(); err != nil {
		b.Fatal(err)
	}
	return float64(time.Since(begin)) / float64(time.Millisecond)
}

func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	return sorted[len(sorted)/2]
}
