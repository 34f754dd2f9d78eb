package shared_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/sysvipc/sysvipc"
	"github.com/sysvipc/sysvipc/shared"
)

type name = shared.String[[8]byte]

func TestString(t *testing.T) {
	t.Parallel()
	for _, s := range []string{"", "a", "grüße", "exactly8"} {
		x, err := shared.StringOf[[8]byte](s)
		if err != nil || x.String() != s {
			t.Errorf("got %q (%v), want %q", x, err, s)
		}
	}
	x, _ := shared.StringOf[[8]byte]("longer")
	if err := x.Set("ab"); err != nil {
		t.Fatal(err)
	}
	if again, _ := shared.StringOf[[8]byte]("ab"); x != again {
		t.Error("a string is not equal to itself where a longer one was before")
	}
	if err := x.Set("nine bytes"); !errors.Is(err, sysvipc.ErrTooBig) {
		t.Errorf("got %v", err)
	}
	if err := x.Set("a\x00b"); err == nil {
		t.Error("a NUL inside")
	}
	if x.String() != "ab" {
		t.Errorf("a Set that failed has left %q", x)
	}
	var no shared.String[int64]
	if err := no.Set("a"); err == nil || !strings.Contains(err.Error(), "array of bytes") {
		t.Errorf("got %v", err)
	}
}

func TestStringJSON(t *testing.T) {
	t.Parallel()
	type person struct {
		Name name
		Age  map[name]int
	}
	var p person
	const text = `{"Name":"Ada","Age":{"Bob":36}}`
	if err := json.Unmarshal([]byte(text), &p); err != nil {
		t.Fatal(err)
	}
	if b, err := json.Marshal(p); string(b) != text || err != nil {
		t.Errorf("got %s (%v)", b, err)
	}
	if err := json.Unmarshal([]byte(`{"Name":"much too long"}`), &p); !errors.Is(err, sysvipc.ErrTooBig) {
		t.Errorf("got %v", err)
	}
}
