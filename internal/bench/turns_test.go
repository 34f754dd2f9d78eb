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

// compare lets ours and its floors take turns, n calls each, and reports the medians:
// ns/op of ours, NAME-ns/op of each floor, and x_NAME, the ratio of both.
func compare(b *testing.B, n int, ours *side, floors ...*side) {
	b.Helper()
	sides := append([]*side{ours}, floors...)
	for _, s := range sides {
		if s.batch == 0 {
			s.batch = n
		}
		s.run(s.batch) // warm
	}
	turns := 0
	for b.Loop() {
		// Nobody is always first, and nobody always follows the same one.
		for i := range sides {
			if turns/len(sides)%2 == 1 {
				i = -i
			}
			s := sides[(turns+i+len(sides))%len(sides)]
			s.perOp = append(s.perOp, float64(s.run(s.batch))/float64(s.batch))
		}
		turns++
	}
	b.ReportMetric(median(ours.perOp), "ns/op")
	for _, f := range floors {
		b.ReportMetric(median(f.perOp), f.name+"-ns/op")
		b.ReportMetric(medianRatio(ours.perOp, f.perOp), "x_"+f.name)
	}
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

// medianRatio is the median of the ratios of each turn: a neighbour that takes the
// processor away in one turn spoils that turn only.
func medianRatio(ours, floor []float64) float64 {
	ratios := make([]float64, len(ours))
	for i := range ours {
		ratios[i] = ours[i] / floor[i]
	}
	return median(ratios)
}

func median(values []float64) float64 {
	if len(values) == 0 {
		return math.NaN()
	}
	sorted := slices.Sorted(slices.Values(values))
	return (sorted[(len(sorted)-1)/2] + sorted[len(sorted)/2]) / 2
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
