package arg

import (
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/sysvipc/sysvipc/internal/cli"
)

// durationUnits are those of time.ParseDuration, and those that ages come in.
var durationUnits = []struct {
	name string
	d    time.Duration
}{
	{"ns", time.Nanosecond},
	{"us", time.Microsecond},
	{"ms", time.Millisecond},
	{"s", time.Second},
	{"m", time.Minute},
	{"h", time.Hour},
	{"d", 24 * time.Hour},
	{"w", 7 * 24 * time.Hour},
	{"y", 365 * 24 * time.Hour},
	{"", time.Second},
}

// ParseDuration reads 30, 1.5s, 200ms, 5m, 2h, 1d, 1d12h. A bare number is seconds, as
// for sleep(1) and timeout(1).
func ParseDuration(s string) (time.Duration, error) {
	bad := cli.Usage("%q is no duration: write 30 (seconds), 1.5s, 200ms, 5m, 2h, 1d or 1d12h", s)
	total := 0.0
	for rest := s; rest != "" || s == ""; {
		i := strings.IndexFunc(rest, func(r rune) bool { return r != '.' && (r < '0' || r > '9') })
		if i < 0 {
			i = len(rest)
		}
		f, err := strconv.ParseFloat(rest[:i], 64)
		if err != nil || rest != s && i == len(rest) {
			return 0, bad
		}
		rest = rest[i:]
		j := strings.IndexAny(rest, ".0123456789")
		if j < 0 {
			j = len(rest)
		}
		unit, ok := durationUnit(rest[:j])
		if total += f * float64(unit); !ok || total > math.MaxInt64/2 {
			return 0, bad
		}
		rest = rest[j:]
	}
	return time.Duration(total), nil
}

func durationUnit(name string) (time.Duration, bool) {
	for _, u := range durationUnits {
		if u.name == name {
			return u.d, true
		}
	}
	return 0, false
}

// FormatAge writes seconds for eyes, by the largest unit that counts at least two, so
// that 90 seconds are 90s and 10 days are 10d.
func FormatAge(sec int64) string {
	for _, u := range []struct {
		sec  int64
		name string
	}{{365 * 86400, "y"}, {86400, "d"}, {3600, "h"}, {60, "m"}} {
		if sec >= 2*u.sec {
			return strconv.FormatInt(sec/u.sec, 10) + u.name
		}
	}
	return strconv.FormatInt(sec, 10) + "s"
}

// Duration is the value of flags that take a duration.
type Duration struct {
	D     time.Duration
	Given bool
}

func (f *Duration) String() string {
	if !f.Given {
		return ""
	}
	return f.D.String()
}
func (f *Duration) Type() string { return "DURATION" }
func (f *Duration) Set(s string) (err error) {
	f.D, err = ParseDuration(s)
	f.Given = true
	return err
}
