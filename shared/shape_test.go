package shared

import (
	"reflect"
	"strings"
	"testing"
	"time"
	"unsafe"

	"github.com/sysvipc/sysvipc/shared/shape"
)

type leg struct {
	Qty  int32
	Open bool
}

type order struct {
	ID   uint64
	Px   [2]float64
	Legs [3]leg
	Tag  [2][4]uint8
	_    struct{}
}

func TestShapeText(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		typ  reflect.Type
		want string
	}{
		{reflect.TypeFor[int64](), ":i64@0"},
		{reflect.TypeFor[[3]bool](), ":[3]bool@0"},
		{reflect.TypeFor[order](), "ID:u64@0,Px:[2]f64@8,Legs:[3]{Qty:i32@0,Open:bool@4}/8@24,Tag:[2]{:[4]u8@0}/4@48"},
		{reflect.TypeFor[String[[32]byte]](), ":[32]str@0"},
		{reflect.TypeFor[struct {
			ID    uint16
			Names [2]String[[6]uint8]
		}](), "ID:u16@0,Names:[2]{:[6]str@0}/6@2"},
	} {
		s, err := shape.Of(c.typ)
		if err != nil {
			t.Fatal(err)
		}
		if got := s.String(); got != c.want {
			t.Errorf("%s: got %s, want %s", c.typ, got, c.want)
		}
		back, err := shape.Parse(s.String())
		if err != nil || back.String() != c.want {
			t.Errorf("%s: read back as %s (%v)", c.typ, back, err)
		}
	}
}

func TestShapeRefuses(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		typ  reflect.Type
		want string
	}{
		{reflect.TypeFor[struct{ A struct{ B []int } }](), ".A.B is a slice"},
		{reflect.TypeFor[struct{ A [2]*int }](), ".A[0] is a ptr"},
		{reflect.TypeFor[struct{ N int }](), "use int64"},
		{reflect.TypeFor[map[int]int](), "Map"},
		{reflect.TypeFor[struct{}](), "no bytes"},
		{reflect.TypeFor[[2]uint](), "[2]uint[0] is a uint,"},
		{reflect.TypeFor[struct{ P unsafe.Pointer }](), "is an unsafe.Pointer"},
		{reflect.TypeFor[struct{ At time.Time }](), ".At is a time.Time, which has a pointer in it: use the int64"},
		{reflect.TypeFor[struct{ Name String[int64] }](), ".Name is a shared.String[int64], whose type parameter must be an array of bytes"},
		{reflect.TypeFor[String[[0]byte]](), "must be an array of bytes"},
		{reflect.TypeFor[[0]int8](), "without elements"},
		{reflect.TypeFor[error](), "interface"},
		{reflect.TypeFor[struct{ S string }](), ".S is a string, which means nothing in another process: use shared.String[[32]byte]"},
	} {
		if _, err := shape.Of(c.typ); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q in it", c.typ, err, c.want)
		}
	}
}

func TestShapeDiffers(t *testing.T) {
	t.Parallel()
	type other struct {
		ID   uint64
		Px   [2]float64
		Legs [3]struct{ Qty, Open int32 }
	}
	a, _ := shape.Of(reflect.TypeFor[order]())
	b, _ := shape.Of(reflect.TypeFor[other]())
	if got, want := a.Differs(b), "Legs[0].Open bool at 28 here, Legs[0].Open i32 at 28 there"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	renamed, _ := shape.Of(reflect.TypeFor[struct{ A, B int64 }]())
	again, _ := shape.Of(reflect.TypeFor[struct{ C, D int64 }]())
	if renamed.Fingerprint() != again.Fingerprint() || renamed.Fingerprint() == a.Fingerprint() {
		t.Error("a fingerprint goes by offsets and kinds, and by nothing else")
	}
}

// Fields of one name at different places make two types, at whatever depth; a new name makes none.
func TestShapeMoved(t *testing.T) {
	t.Parallel()
	type xy struct{ X, Y int32 }
	type yx struct{ Y, X int32 }
	for _, c := range []struct {
		a, b reflect.Type
		want string
	}{
		{reflect.TypeFor[struct{ Bid, Ask float64 }](), reflect.TypeFor[struct{ Bid, Ask float64 }](), ""},
		{reflect.TypeFor[struct{ Ask, Bid float64 }](), reflect.TypeFor[struct{ Bid, Ask float64 }](), "Ask"},
		{reflect.TypeFor[struct{ Bid, Offer float64 }](), reflect.TypeFor[struct{ Bid, Ask float64 }](), ""},
		{reflect.TypeFor[struct{ Ask, Offer float64 }](), reflect.TypeFor[struct{ Bid, Ask float64 }](), "Ask"},
		{reflect.TypeFor[struct{ Mid, Bid float64 }](), reflect.TypeFor[struct{ Bid, Ask float64 }](), "Bid"},
		{reflect.TypeFor[struct{ ask, bid float64 }](), reflect.TypeFor[struct{ Bid, Ask float64 }](), "ask"},
		{reflect.TypeFor[struct{ bid, ask float64 }](), reflect.TypeFor[struct{ Bid, Ask float64 }](), ""},
		{reflect.TypeFor[struct{ a, A int32 }](), reflect.TypeFor[struct{ A, a int32 }](), "a"},
		{reflect.TypeFor[struct{ _, A, _ int32 }](), reflect.TypeFor[struct{ B, _, _ int32 }](), ""},
		{reflect.TypeFor[struct{ P, Q xy }](), reflect.TypeFor[struct{ Q, P xy }](), "P"},
		{reflect.TypeFor[[3]xy](), reflect.TypeFor[[3]yx](), "X"},
		{reflect.TypeFor[struct{ P, Q xy }](), reflect.TypeFor[struct {
			P xy
			Q yx
		}](), "X"},
		{reflect.TypeFor[struct{ P, Q xy }](), reflect.TypeFor[struct {
			P xy
			Q struct{ X, Z int32 }
		}](), ""},
		{reflect.TypeFor[struct { // from one struct into another
			In  struct{ Bid float64 }
			Ask float64
		}](), reflect.TypeFor[struct {
			In  struct{ Ask float64 }
			Bid float64
		}](), "Bid"},
	} {
		a, err1 := shape.Of(c.a)
		b, err2 := shape.Of(c.b)
		if err1 != nil || err2 != nil || a.Fingerprint() != b.Fingerprint() {
			t.Fatal(err1, err2, a, b)
		}
		if got := shape.MovedField(a.String(), b.String()); got != c.want {
			t.Errorf("%s and %s: got %q, want %q", a, b, got, c.want)
		}
		if got := shape.MovedField(b.String(), a.String()); (got == "") != (c.want == "") {
			t.Errorf("%s and %s: got %q", b, a, got)
		}
	}
}

func FuzzParseShape(f *testing.F) {
	f.Add("ID:u64@0,Legs:[3]{Qty:i32@0,Open:bool@4}/8@24")
	f.Fuzz(func(t *testing.T, text string) {
		s, err := shape.Parse(text)
		if err != nil {
			return
		}
		s.Differs(shape.Shape{})
		again, err := shape.Parse(s.String())
		if err != nil || again.String() != s.String() {
			t.Errorf("%q is read as %q, and that as %q (%v)", text, s, again, err)
		}
	})
}
