package bench

import (
	"math"
	"slices"
)

// sorted returns the value of sorted ones that the part q does not pass, or 0 if there are none.
func sorted(values []float64, q float64) float64 {
	if len(values) == 0 {
		return 0
	}
	return values[int(math.Round(q*float64(len(values)-1)))]
}

func median(values []float64) float64 { return sorted(slices.Sorted(slices.Values(values)), 0.5) }

// spread returns the median and the quartiles of ratios.
func spread(ratios []float64) (middle, q1, q3 float64) {
	s := slices.Sorted(slices.Values(ratios))
	return hundredth(sorted(s, 0.5)), hundredth(sorted(s, 0.25)), hundredth(sorted(s, 0.75))
}

func tenth(x float64) float64     { return math.Round(x*10) / 10 }
func hundredth(x float64) float64 { return math.Round(x*100) / 100 }
