package foreign

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sysvipc/sysvipc"
	"github.com/sysvipc/sysvipc/internal/output"
)

// layout writes numbers of 4 and 8 bytes one behind the other, as a compiler places them.
func layout(numbers ...any) []byte {
	var b bytes.Buffer
	for _, n := range numbers {
		if err := binary.Write(&b, binary.NativeEndian, n); err != nil {
			panic(err)
		}
	}
	return b.Bytes()
}

func segment(p []byte) *Object {
	return &Object{Kind: sysvipc.KindSegment, Size: int64(len(p)), Bytes: p}
}

func TestNTP(t *testing.T) {
	t.Parallel()
	now := time.Unix(2000, 0)
	for name, p := range map[string][]byte{
		"64":  layout(int32(1), int32(6), int64(1000), int32(250123), int32(0), int64(999), int32(750000), int32(0), int32(-20), int32(3), int32(1), uint32(250123456), uint32(750000789), [9]int32{}),
		"32":  layout(int32(1), int32(6), int32(1000), int32(250123), int32(999), int32(750000), int32(0), int32(-20), int32(3), int32(1), uint32(250123456), uint32(750000789), [8]int32{}),
		"386": layout(int32(1), int32(6), int64(1000), int32(250123), int64(999), int32(750000), int32(0), int32(-20), int32(3), int32(1), uint32(250123456), uint32(750000789), [8]int32{}),
	} {
		o := segment(p)
		o.Key = ntpUnit0 + 2
		c, err := ntp(o, now)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if *c.Unit != 2 || c.Count != 6 || !c.Valid || c.Precision != -20 || c.Samples != 3 || len(c.Unknown) > 0 {
			t.Errorf("%s: got %+v", name, c)
		}
		if got := *c.Offset; got < 0.500122666 || got > 0.500122668 {
			t.Errorf("%s: got offset %.9f, want 0.500122667", name, got)
		}
		if got := *c.SampleAge; got < 1000.24999 || got > 1000.25 {
			t.Errorf("%s: got age %v, want 1000.25", name, got)
		}
		if Guess(o) != "ntp" {
			t.Errorf("%s: it is not recognised", name)
		}
	}
	// Without nanoseconds the microseconds are taken; a time that no clock shows is unknown.
	p := layout(int32(0), int32(6), int64(-1), int32(250123), int32(0), int64(999), int32(750000), int32(0), int32(0), int32(0), int32(0), uint32(7), uint32(8), [9]int32{})
	c, err := ntp(segment(p), now)
	if err != nil || c.Received.Nanosecond() != 750000000 {
		t.Fatalf("got %+v, %v, want 750 ms", c, err)
	}
	if diff := cmp.Diff([]string{"clock", "offset"}, c.Unknown); diff != "" || c.Valid || c.Clock != nil {
		t.Errorf("unknown (-want +got):\n%s", diff)
	}
	if _, err := ntp(segment(make([]byte, 100)), now); err == nil || !strings.Contains(err.Error(), "100 bytes") {
		t.Errorf("of 100 bytes: got %v", err)
	}
}

// phpSegment is what shm_put_var leaves of serialized values.
func phpSegment(size int, word int, values ...string) *Object {
	number := func(n int) any {
		if word == 4 {
			return int32(n)
		}
		return int64(n)
	}
	start := 8 + 4*word
	var chunks bytes.Buffer
	for i, v := range values {
		total := (len(v)+3*word+word-1)/word*word + word
		chunk := append(layout(number(i+1), number(len(v)), number(total)), v...)
		chunks.Write(append(chunk, make([]byte, total-len(chunk))...))
	}
	end := start + chunks.Len()
	p := append([]byte("PHP_SM\x00\x7f"), layout(number(start), number(end), number(size-end), number(size))...)
	p = append(p, chunks.Bytes()...)
	return segment(append(p, make([]byte, size-len(p))...))
}

func TestPHP(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ text, typ, json string }{
		{`i:42;`, "integer", `42`},
		{`b:1;`, "boolean", `true`},
		{`N;`, "null", `null`},
		{`d:0.1;`, "double", `0.1`},
		{`d:-INF;`, "double", `"-INF"`},
		{"s:6:\"a\"b\x1bcd\";", "string", `"a\"b\u001bcd"`},
		{`a:2:{i:0;s:1:"x";i:1;a:0:{}}`, "array", `["x",[]]`},
		{`a:2:{i:0;i:7;i:5;i:8;}`, "array", `{"0":7,"5":8}`},
		{`a:1:{s:1:"k";b:0;}`, "array", `{"k":false}`},
		{"O:8:\"Position\":2:{s:1:\"x\";i:1;s:4:\"\x00*\x00y\";i:2;}", "object", `{"class":"Position","x":1,"y":2}`},
		{`E:11:"Suit:Hearts";`, "enum", `"Suit:Hearts"`},
		{`a:2:{i:0;i:1;i:1;R:2;}`, "array", `[1,{"reference":2}]`},
		{`C:3:"Foo":2:{xy}`, "damaged", ``},
		{`s:60:"short";`, "damaged", ``},
		{`i:42;i:43;`, "damaged", ``},
		{`a:99999999999:{`, "damaged", ``},
		{strings.Repeat("a:1:{i:0;", 200) + "N;" + strings.Repeat("}", 200), "damaged", ``},
		{`s:70000:"` + strings.Repeat("x", 70000) + `";`, "string", ``},
	} {
		typ, value := unserialize([]byte(c.text))
		if typ != c.typ || string(value) != c.json {
			t.Errorf("%.60q: got %s %.80s, want %s %s", c.text, typ, value, c.typ, c.json)
		}
	}
	for _, word := range []int{8, 4} {
		o := phpSegment(1000, word, `s:5:"hello";`, `a:1:{i:0;i:3;}`)
		if Guess(o) != "php" {
			t.Errorf("%d bits: it is not recognised", 8*word)
		}
		d, err := Decode("php", o)
		if err != nil {
			t.Fatal(err)
		}
		want := []output.PHPVariable{{Key: 1, Length: 12, Type: "string", Value: json.RawMessage(`"hello"`)}, {Key: 2, Length: 14, Type: "array", Value: json.RawMessage(`[3]`)}}
		if diff := cmp.Diff(want, d.PHP.Variables); diff != "" || !d.PHP.Whole || d.PHP.Bits != 8*word {
			t.Errorf("%d bits: whole %v (-want +got):\n%s", 8*word, d.PHP.Whole, diff)
		}
	}
	// A length that is a lie ends the list there.
	o := phpSegment(1000, 8, `i:1;`, `i:2;`)
	binary.NativeEndian.PutUint64(o.Bytes[40+8:], 1<<62)
	if d, err := Decode("php", o); err != nil || d.PHP.Whole || len(d.PHP.Variables) != 0 || *d.PHP.Why != "the one at 40 is damaged" {
		t.Errorf("with a wrong length: got %+v, %v", d, err)
	}
	// PHP that was killed between the header's words has left one that cannot be.
	binary.NativeEndian.PutUint64(o.Bytes[24:], 7)
	if Guess(o) != "" {
		t.Error("a header whose sizes cannot be is recognised")
	}
}

func TestSemian(t *testing.T) {
	t.Parallel()
	set := func(values ...int) *Object { return &Object{Kind: sysvipc.KindSemaphores, Values: values} }
	d, err := Decode("semian", set(1, 3, 5, 12))
	want := &output.SemianResource{Lock: 1, Tickets: 3, Configured: 5, Taken: 2, Workers: 12}
	if err != nil || !cmp.Equal(d.Semian, want) {
		t.Errorf("got %+v, %v, want %+v", d, err, want)
	}
	for _, o := range []*Object{set(1, 3, 5), set(2, 3, 5, 12), set(1, 6, 5, 12), segment(make([]byte, 16))} {
		if d, err := Decode("semian", o); err == nil {
			t.Errorf("%v: got %+v", o.Values, d.Semian)
		}
	}
	if got := Guess(set(1, 3, 5, 12)); got != "" {
		t.Errorf("four semaphores are taken for %s", got)
	}
}

func TestPostgres(t *testing.T) {
	t.Parallel()
	want := output.PostgresHeader{Bits: 64, Creator: 77, Total: 56, Free: 56, Control: 9, Device: 2049, Inode: 123456}
	with := func(bits int, size, free uint64, control uint32) output.PostgresHeader {
		h := want
		h.Bits, h.Total, h.Free, h.Control = bits, size, free, control
		return h
	}
	for name, c := range map[string]struct {
		p    []byte
		want output.PostgresHeader
	}{
		"64":  {layout(uint32(postgresMagic), int32(77), uint64(56), uint64(56), uint32(9), uint32(0), uint64(1<<40), uint64(2049), uint64(123456)), want},
		"old": {layout(uint32(postgresMagic), int32(77), uint64(48), uint64(48), uint64(1<<40), uint64(2049), uint64(123456)), with(64, 48, 48, 0)},
		"32":  {layout(uint32(postgresMagic), int32(77), uint32(36), uint32(36), uint32(9), uint32(1<<30), uint64(2049), uint32(123456)), with(32, 36, 36, 9)},
	} {
		o := segment(c.p)
		d, err := Decode("postgres", o)
		if err != nil || !cmp.Equal(d.Postgres, &c.want) {
			t.Errorf("%s: got %+v, %v, want %+v", name, d, err, c.want)
		}
		if Guess(o) != "postgres" {
			t.Errorf("%s: it is not recognised", name)
		}
		o.Bytes[0]++
		if _, err := Decode("postgres", o); err == nil {
			t.Errorf("%s: another magic number is taken for PostgreSQL's", name)
		}
	}
}

// Whatever the bytes are, decoders end, and what they say is JSON.
func FuzzDecode(f *testing.F) {
	f.Add(uint32(ntpUnit0), make([]byte, ntpSize))
	f.Add(uint32(1), phpSegment(300, 8, `a:2:{i:0;s:1:"x";i:1;O:1:"A":1:{s:1:"y";d:1.5;}}`, `E:3:"A:B";`).Bytes)
	f.Add(uint32(1), phpSegment(300, 4, `i:1;`).Bytes)
	f.Add(uint32(2), layout(uint32(postgresMagic), int32(77), uint64(56), uint64(56), uint32(9), uint32(0), uint64(1<<40), uint64(2049), uint64(123456)))
	f.Fuzz(func(t *testing.T, key uint32, p []byte) {
		o := segment(p)
		o.Key = sysvipc.Key(int32(key))
		guess := Guess(o)
		for _, as := range Names {
			d, err := Decode(as, o)
			if err != nil {
				if guess == as {
					t.Errorf("it is taken for %s, and then: %v", as, err)
				}
				continue
			}
			if text := output.Append(nil, d); !json.Valid(text) {
				t.Errorf("%s: no JSON: %s", as, text)
			}
		}
	})
}
