// Package arg reads the values of arguments and flags, and writes them for eyes: sizes, durations, modes, semaphores'
// values, and ftok(3)'s PATH:PROJ.
package arg

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/sysvipc/sysvipc/internal/cli"
)

// sizeUnits are those of util-linux: K and KiB are 1024, KB is 1000.
const sizeUnits = "KMGTPE"

// ParseSize reads a number of bytes such as 2000, 10M, 1.5GiB or 10MB.
func ParseSize(s string) (int64, error) {
	i := 0
	for i < len(s) && (s[i] >= '0' && s[i] <= '9' || s[i] == '.') {
		i++
	}
	digits, unit := s[:i], strings.ToUpper(s[i:])
	factor, ok := sizeFactor(unit)
	if !ok || digits == "" {
		return 0, cli.Usage("%q is no size: write 2000, 10K, 10M, 1.5G (1K is 1024 bytes, 1KB is 1000)", s)
	}
	if n, err := strconv.ParseInt(digits, 10, 64); err == nil && n <= math.MaxInt64/factor {
		return n * factor, nil
	}
	f, err := strconv.ParseFloat(digits, 64)
	if f *= float64(factor); err != nil || f >= math.MaxInt64 || f != math.Trunc(f) {
		return 0, cli.Usage("%q is no whole number of bytes below 2^63", s)
	}
	return int64(f), nil
}

func sizeFactor(unit string) (int64, bool) {
	if unit == "" || unit == "B" {
		return 1, true
	}
	power := strings.IndexByte(sizeUnits, unit[0]) + 1
	base := int64(1024)
	switch unit[1:] {
	case "", "IB":
	case "B":
		base = 1000
	default:
		return 0, false
	}
	factor := int64(1)
	for range power {
		factor *= base
	}
	return factor, power > 0
}

// FormatSize writes a number of bytes for eyes: exactly up to four digits, then with
// three digits or so and a unit.
func FormatSize(n int64) string {
	if n < 10000 {
		return strconv.FormatInt(n, 10)
	}
	f, unit := float64(n), 0
	for ; f >= 1023.95 && unit < len(sizeUnits); unit++ {
		f /= 1024
	}
	if unit == 0 {
		return strconv.FormatInt(n, 10)
	}
	s := fmt.Sprintf("%.1f", f)
	if f >= 99.95 {
		s = fmt.Sprintf("%.0f", f)
	}
	return strings.TrimSuffix(s, ".0") + sizeUnits[unit-1:unit]
}

// Size is the value of flags that take bytes.
type Size struct{ N int64 }

func (f *Size) String() string { return strconv.FormatInt(f.N, 10) }
func (f *Size) Type() string   { return "BYTES" }
func (f *Size) Set(s string) (err error) {
	f.N, err = ParseSize(s)
	return err
}
