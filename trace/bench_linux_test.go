//go:build amd64 || arm64

package trace

import (
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// BenchmarkPair compares an uncontended pair of semop(2), and a system call that is no System V call, traced and not. Both
// sides run in turns; what is reported is the median of each turn's ratio, and the range.
func BenchmarkPair(b *testing.B) {
	const calls = 20_000
	set := newSet(b, 1)
	take, give := []sembuf{{op: 1}}, []sembuf{{op: -1}}
	for _, side := range []struct {
		name string
		call func()
	}{
		{"semop", func() { semop(set, take); semop(set, give) }},
		{"other", func() { unix.RawSyscall(unix.SYS_GETPPID, 0, 0, 0) }},
	} {
		b.Run(side.name, func(b *testing.B) {
			run := func() time.Duration {
				start := time.Now()
				for range calls {
					side.call()
				}
				return time.Since(start) / calls
			}
			var ratios, bare, attach []float64
			for range b.N {
				without := run()
				start := time.Now()
				t := start0(b, nil)
				attach = append(attach, float64(time.Since(start))/1e6)
				with := run()
				if err := t.Close(); err != nil {
					b.Fatal(err)
				}
				ratios, bare = append(ratios, float64(with)/float64(without)), append(bare, float64(without))
			}
			slices.Sort(ratios)
			slices.Sort(bare)
			slices.Sort(attach)
			b.ReportMetric(0, "ns/op")
			b.ReportMetric(ratios[len(ratios)/2], "times")
			b.ReportMetric(ratios[0], "times-least")
			b.ReportMetric(ratios[len(ratios)-1], "times-most")
			b.ReportMetric(bare[len(bare)/2], "ns/untraced")
			b.ReportMetric(attach[len(attach)/2], "ms/attach")
		})
	}
}
