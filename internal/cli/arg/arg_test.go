package arg

import (
	"math"
	"testing"
	"time"

	"github.com/sysvipc/sysvipc/internal/cli"
)

func TestParseSize(t *testing.T) {
	t.Parallel()
	for s, want := range map[string]int64{
		"0": 0, "1": 1, "2000": 2000, "2000B": 2000, "1K": 1024, "1k": 1024, "1KiB": 1024, "1KB": 1000,
		"10M": 10 << 20, "1.5G": 3 << 29, "0.5K": 512, "1E": 1 << 60, "2MB": 2e6,
		"9223372036854775807": math.MaxInt64, "7E": 7 << 60,
	} {
		if got, err := ParseSize(s); err != nil || got != want {
			t.Errorf("%q: got %d, %v, want %d", s, got, err, want)
		}
	}
	for _, s := range []string{"", "K", "-1", "1Q", "1 K", "1KK", "1iB", "0.3", "1.2.3", "8E", "9223372036854775808", "1e3", "0x10", "1Kib!"} {
		if got, err := ParseSize(s); cli.ExitCode(err) != cli.ExitUsage {
			t.Errorf("%q: got %d, %v, want a usage error", s, got, err)
		}
	}
}

// What is shown is never wider than five characters up to exbibytes, and exact below 10,000.
func TestFormatSize(t *testing.T) {
	t.Parallel()
	for n, want := range map[int64]string{
		0: "0", 1: "1", 2000: "2000", 9999: "9999", 10000: "9.8K", 10240: "10K", 1 << 20: "1M", 10 << 20: "10M",
		1<<20 - 1: "1M", 999 << 10: "999K", 1023 << 10: "1023K", 1536 << 20: "1.5G", 5 << 30: "5G",
		math.MaxInt64: "8E",
	} {
		if got := FormatSize(n); got != want {
			t.Errorf("%d: got %s, want %s", n, got, want)
		}
	}
}

func TestParseDuration(t *testing.T) {
	t.Parallel()
	for s, want := range map[string]time.Duration{
		"0": 0, "30": 30 * time.Second, "1.5": 1500 * time.Millisecond, "200ms": 200 * time.Millisecond,
		"2m": 2 * time.Minute, "1h30m": 90 * time.Minute, "1d": 24 * time.Hour, "1d12h": 36 * time.Hour,
		"1w": 168 * time.Hour, "1y": 365 * 24 * time.Hour, "5us": 5 * time.Microsecond,
	} {
		if got, err := ParseDuration(s); err != nil || got != want {
			t.Errorf("%q: got %v, %v, want %v", s, got, err, want)
		}
	}
	for _, s := range []string{"", "-1", "s", "1x", "1 s", "1d5", "1.s.", "..", "1000000y", "inf", "1e9"} {
		if got, err := ParseDuration(s); cli.ExitCode(err) != cli.ExitUsage {
			t.Errorf("%q: got %v, %v, want a usage error", s, got, err)
		}
	}
}

func TestFormatAge(t *testing.T) {
	t.Parallel()
	for sec, want := range map[int64]string{0: "0s", 119: "119s", 120: "2m", 7199: "119m", 7200: "2h", 172800: "2d", 63072000: "2y"} {
		if got := FormatAge(sec); got != want {
			t.Errorf("%d: got %s, want %s", sec, got, want)
		}
	}
}

func TestParseProj(t *testing.T) {
	t.Parallel()
	for s, want := range map[string]byte{"R": 'R', "1": 1, "0": 0, "0x52": 0x52, "82": 82, "255": 255, "0x31": '1', "-": '-'} {
		if got, err := ParseProj(s); err != nil || got != want {
			t.Errorf("%q: got %d, %v, want %d", s, got, err, want)
		}
	}
	for _, s := range []string{"", "RR", "256", "-1", "010", "0b1", "0o7", "0x100", "ü"} {
		if got, err := ParseProj(s); cli.ExitCode(err) != cli.ExitUsage {
			t.Errorf("%q: got %d, %v, want a usage error", s, got, err)
		}
	}
}
