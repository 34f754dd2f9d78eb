package shape

import (
	"encoding/json"
	"testing"
)

// Texts that cannot be true.
func TestTypeOf(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		text string
		size uint64
	}{
		{"", 8},
		{":i64@0", 4},
		{":i64@8", 8},
		{"A:i64@0,B:i64@4", 16},
		{"A:i64@0,B:i64@8", 12},
		{"A:[2147483648]i64@0", 16},
		{"A:[3]{B:[2147483648]{C:u8@0}/0@0}/8@0", 24},
		{"A:{B:i64@0}/4@0", 8},
		{"A:[1000]u8@0,B:[1000]u8@0", 1000},
	} {
		s, _ := Parse(c.text)
		s.Size = int(c.size)
		if typ, err := TypeOf(c.text, c.size, s.Fingerprint()); err == nil {
			t.Errorf("%s in %d bytes: got %s", c.text, c.size, typ.GoString())
		}
	}
}

func FuzzTypeOf(f *testing.F) {
	f.Add("A:i64@0,B:[3]{C:u8@0,D:[2]f32@4}/12@8", uint64(48))
	f.Add(":[2]{:[3]i16@0}/6@0", uint64(12))
	f.Fuzz(func(t *testing.T, text string, size uint64) {
		s, err := Parse(text)
		if err != nil || size > 4096 {
			return
		}
		s.Size = int(size)
		typ, err := TypeOf(text, size, s.Fingerprint())
		if err != nil {
			return
		}
		out := typ.AppendJSON(nil, make([]byte, typ.Size()))
		if !json.Valid(out) {
			t.Fatalf("%s", out)
		}
		_ = typ.ParseJSON(make([]byte, typ.Size()), out)
	})
}
