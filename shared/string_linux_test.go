package shared_test

import (
	"strings"
	"testing"

	"github.com/sysvipc/sysvipc/internal/ipctest"
	"github.com/sysvipc/sysvipc/shared"
)

// Strings are values of a Var and a Chan, and keys of a Map.
func TestStringsAreShared(t *testing.T) {
	t.Parallel()
	ctx, r := t.Context(), ensure(t, ipctest.Key(t))
	type person struct {
		Age  uint8
		Name name
	}
	ada, err := shared.StringOf[[8]byte]("Ada")
	if err != nil {
		t.Fatal(err)
	}
	x, err := shared.VarOf[person](r, "x")
	if err != nil {
		t.Fatal(err)
	}
	mustDo(t, x.Store(ctx, person{36, ada}))
	if p, err := x.Load(); p.Name.String() != "Ada" || err != nil {
		t.Errorf("got %v (%v)", p, err)
	}
	c, err := shared.ChanOf[name](r, "c", 4)
	if err != nil {
		t.Fatal(err)
	}
	mustDo(t, c.Send(ctx, ada))
	if s, err := c.Receive(ctx); s != ada || err != nil {
		t.Errorf("got %v (%v)", s, err)
	}
	m, err := shared.MapOf[name, int32](r, "m", 8)
	if err != nil {
		t.Fatal(err)
	}
	mustDo(t, m.Store(ctx, ada, 1))
	var key name
	mustDo(t, key.Set("Adalbert"), key.Set("Ada"))
	if n, ok, err := m.Load(key); n != 1 || !ok || err != nil {
		t.Errorf("got %d, %v (%v)", n, ok, err)
	}
	// Another program declares it longer.
	_, err = shared.VarOf[struct {
		Age  uint8
		Name shared.String[[16]byte]
	}](r, "x")
	if err == nil || !strings.Contains(err.Error(), "Name [16]str at 1 here, Name [8]str at 1 there") {
		t.Errorf("got %v", err)
	}
}
