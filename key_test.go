package sysvipc_test

import (
	"errors"
	"fmt"
	"io/fs"
	"math"
	"math/big"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/sysvipc/sysvipc"
)

// Programs of different releases meet under these keys: a changed value here is a broken promise.
func TestKeyOfIsPinned(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]sysvipc.Key{
		"":                 -0x7ee3623b,
		"a":                -0x1bf3d6d4,
		"foobar":           -0x40630698,
		"orders":           0x325e96ec,
		"/srv/app":         0x3fcea44f,
		"größe":            -0x32c70b66,
		"a\x00b":           0x10f3abd2,
		"\xcc\x24\x31\xc4": 1, // its hash is 0, which would be Private
	} {
		if got := sysvipc.KeyOf(name); got != want {
			t.Errorf("KeyOf(%q) = %#x, want %#x", name, got, want)
		}
	}
}

func TestKeyString(t *testing.T) {
	t.Parallel()
	for key, want := range map[sysvipc.Key]string{
		0: "0x00000000", 1234: "0x000004d2", -1: "0xffffffff", math.MinInt32: "0x80000000", math.MaxInt32: "0x7fffffff",
	} {
		if got := key.String(); got != want {
			t.Errorf("%d: %s, want %s", int32(key), got, want)
		}
	}
}

func TestParseKey(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]sysvipc.Key{
		"0": 0, "-0": 0, "0x0": 0, "1234": 1234, "-1234": -1234,
		"0x4d2": 1234, "0X4D2": 1234, "0x000004d2": 1234, "0x00000000004d2": 1234,
		"2147483647": math.MaxInt32, "2147483648": math.MinInt32, "-2147483648": math.MinInt32,
		"4294967295": -1, "0xffffffff": -1, "0xFFFFFFFE": -2,
	} {
		if got, err := sysvipc.ParseKey(text); got != want || err != nil {
			t.Errorf("ParseKey(%q) = %d, %v; want %d", text, got, err, want)
		}
	}
	for text, why := range map[string]string{
		"": "not a number", "-": "not a number", "0x": "not a number", "0x-1": "not a number", "-0x4d2": "not a number",
		"+1": "not a number", " 1": "not a number", "1 ": "not a number", "1_000": "not a number", "0b1": "not a number",
		"1e3": "not a number", "12.5": "not a number", "orders": "not a number", "1\x00": "not a number", "٣": "not a number",
		"4294967296": "a key has 32 bits", "-2147483649": "a key has 32 bits", "0x100000000": "a key has 32 bits",
		"99999999999999999999999": "a key has 32 bits",
		"010":                     "a leading zero could mean octal", "00": "a leading zero could mean octal",
		"-010": "a leading zero could mean octal",
	} {
		want := fmt.Sprintf("sysvipc: key %q: %s (write it as 0x4d2, 1234 or -1234)", text, why)
		if got, err := sysvipc.ParseKey(text); got != 0 || err == nil || err.Error() != want {
			t.Errorf("ParseKey(%q) = %d, %v; want %s", text, got, err, want)
		}
	}
}

// Every key comes back from what is printed of it: by this package, by ipcs(1) and by /proc/sysvipc.
func FuzzKeyRoundTrip(f *testing.F) {
	for _, n := range []int32{0, 1, -1, 1234, math.MinInt32, math.MaxInt32} {
		f.Add(n)
	}
	f.Fuzz(func(t *testing.T, n int32) {
		key := sysvipc.Key(n)
		for _, text := range []string{
			key.String(), strings.ToUpper(key.String()), fmt.Sprintf("%#x", uint32(n)), strconv.Itoa(int(n)),
			strconv.FormatUint(uint64(uint32(n)), 10),
		} {
			if got, err := sysvipc.ParseKey(text); got != key || err != nil {
				t.Errorf("ParseKey(%q) = %v, %v; want %v", text, got, err, key)
			}
		}
	})
}

// What is read is a number of 32 bits, in decimal or with 0x, and nothing else is read.
func FuzzParseKey(f *testing.F) {
	for _, s := range []string{"", "0", "0x", "0x4d2", "-1", "007", "4294967296", "-0x1", "0X_1", "1e9", "0xfffffffff"} {
		f.Add(s)
	}
	written := regexp.MustCompile(`^(-?(0|[1-9][0-9]*)|0[xX][0-9a-fA-F]+)$`)
	f.Fuzz(func(t *testing.T, s string) {
		key, err := sysvipc.ParseKey(s)
		n, ok := new(big.Int), written.MatchString(s)
		if hex := strings.TrimLeft(s, "0"); ok && len(hex) < len(s) && hex != "" && strings.ContainsAny(hex[:1], "xX") {
			n.SetString(hex[1:], 16)
		} else if ok {
			n.SetString(s, 10)
		}
		ok = ok && n.Cmp(big.NewInt(math.MinInt32)) >= 0 && n.Cmp(big.NewInt(math.MaxUint32)) <= 0
		if (err == nil) != ok {
			t.Fatalf("ParseKey(%q) = %v, %v; want an error: %v", s, key, err, !ok)
		}
		if want := sysvipc.Key(int32(uint32(n.Int64()))); ok && key != want || !ok && key != 0 {
			t.Errorf("ParseKey(%q) = %v, %v; want %v", s, key, err, want)
		}
	})
}

// Ftok against the C library is tested elsewhere; this is what it says of what it cannot do.
func TestFtok(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(dir, "link")
	if err := os.Symlink("file", link); err != nil {
		t.Fatal(err)
	}
	a, err := sysvipc.Ftok(file, 'a')
	if err != nil {
		t.Fatal(err)
	}
	b, err := sysvipc.Ftok(file, 'b')
	if err != nil || b != a+1<<24 {
		t.Errorf("project b gives %v, %v; project a gave %v", b, err, a)
	}
	if got, err := sysvipc.Ftok(link, 'a'); got != a || err != nil {
		t.Errorf("a link gives %v, %v; its file %v", got, err, a)
	}
	high, err := sysvipc.Ftok(file, 0xff)
	if err != nil || uint32(high)>>24 != 0xff {
		t.Errorf("project 0xff gives %v, %v", high, err)
	}

	missing := filepath.Join(dir, "missing")
	_, err = sysvipc.Ftok(missing, 'a')
	if want := "sysvipc: ftok: stat " + missing + ": no such file or directory"; err == nil || err.Error() != want || !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a missing file gives %v, want %s", err, want)
	}
	_, err = sysvipc.Ftok(filepath.Join(file, "below"), 'a')
	if !errors.Is(err, syscall.ENOTDIR) {
		t.Errorf("a file for a directory gives %v, want ENOTDIR", err)
	}
}
