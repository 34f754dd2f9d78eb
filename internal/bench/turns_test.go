//go:build linux && (amd64 || arm64)

package bench

import (
	"math"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/sysvipc/sysvipc/internal/ipctest"
)

func TestMain(m *testing.M) { ipctest.Main(m) }

// A side is one of those that are compared.
type side struct {
	// name is the floor's: "syscall" for the bare call, "C" for a C program, "copy"
	// for a plain copy. It is empty for the call of this project.
	name string
	// run makes its call n times and returns how long that took.
	run func(n int) time.Duration
	// batch is how many calls a turn has, if another number than those of the others.
	batch int

	perOp []float64 // nanoseconds for each call, one number for each turn
}

// loop is the run of a side that makes its calls in this process.
func loop(call func()) func(n int) time.Duration {
	return func(n int) time.Duration {
		start := time.Now()
		for range n {
			call()
		}
		return time.Since(start)
	}
}

// compare lets ours and its floors take turns, n calls each, and reports:
//
//	ns/op        the median of ours
//	NAME-ns/op   that of the floor
//	x_NAME       the median of the ratios of all turns
//	quiet_NAME   the ratio of the fastest tenths: what is left where nobody disturbs
func compare(b *testing.B, n int, ours *side, floors ...*side) {
	b.Helper()
	sides := append([]*side{ours}, floors...)
	turns := 0
	for b.Loop() {
		// Nobody is always first, and nobody always follows the same one.
		for i := range sides {
			if turns/len(sides)%2 == 1 {
				i = -i
			}
			sides[(turns+i+len(sides))%len(sides)].turn(n)
		}
		turns++
	}
	b.ReportMetric(median(ours.perOp), "ns/op")
	for _, f := range floors {
		ratios := make([]float64, turns)
		for i := range ratios {
			ratios[i] = ours.perOp[i] / f.perOp[i]
		}
		b.ReportMetric(median(f.perOp), f.name+"-ns/op")
		b.ReportMetric(median(ratios), "x_"+f.name)
		b.ReportMetric(quantile(ours.perOp, 0.1)/quantile(f.perOp, 0.1), "quiet_"+f.name)
	}
}

// turn measures n calls, after a few that only warm what the others have cooled.
func (s *side) turn(n int) {
	if s.batch != 0 {
		n = s.batch
	}
	if warm := n / 5; warm > 0 {
		s.run(warm)
	}
	s.perOp = append(s.perOp, float64(s.run(n))/float64(n))
}

// allocs reports what one call allocates.
func allocs(b *testing.B, call func()) {
	b.Helper()
	const calls = 100
	call()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for range calls {
		call()
	}
	runtime.ReadMemStats(&after)
	b.ReportAllocs()
	b.ReportMetric(float64((after.Mallocs-before.Mallocs)/calls), "allocs/op")
	b.ReportMetric(float64((after.TotalAlloc-before.TotalAlloc)/calls), "B/op")
}

func median(values []float64) float64 { return quantile(values, 0.5) }

// quantile returns the value that the part q of all values does not pass.
func quantile(values []float64, q float64) float64 {
	if len(values) == 0 {
		return math.NaN()
	}
	sorted := slices.Sorted(slices.Values(values))
	return sorted[int(q*float64(len(sorted)-1))]
}

// must is for what does not fail in a benchmark.
func must[T any](v T, err error) T {
	check(err)
	return v
}

// check is must where there is only an error.
func check(err error) {
	if err != nil {
		panic(err)
	}
}
