package interop

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/sysvipc/sysvipc/internal/ipctest"
	"github.com/sysvipc/sysvipc/shared"
)

const otherLanguages = "../../examples/otherlanguages/programs/"

// quotesRegion makes the region of examples/otherlanguages.
func quotesRegion(t *testing.T) (*shared.Region, *shared.Var[exampleQuote]) {
	t.Helper()
	r, err := shared.Ensure(t.Context(), "quotes", nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = r.Close()
		_ = r.Remove()
	})
	best, err := shared.VarOf[exampleQuote](r, "best")
	good(t, err)
	return r, best
}

type exampleQuote struct {
	Bid, Ask float64
	Size     int32
	Symbol   shared.String[[8]byte]
}

// The scripts read what Go stores, in any of its four cells.
func TestSharedScripts(t *testing.T) {
	t.Parallel()
	if !ipctest.Alone(t) {
		return
	}
	_, best := quotesRegion(t)
	q := exampleQuote{Bid: 99.5, Ask: 100, Size: -3}
	good(t, q.Symbol.Set("ACME"))
	for range 3 {
		q.Bid++
		good(t, best.Store(t.Context(), q))
		for _, script := range []struct{ program, path, missing string }{
			{perl(), "best.pl", "perl"},
			{python(), "best.py", "python3-sysv-ipc"},
		} {
			if script.program == "" {
				if os.Getenv("CI") == "true" {
					t.Errorf("needs %s", script.missing)
				}
				t.Logf("without %s: needs %s", script.path, script.missing)
				continue
			}
			out, err := exec.Command(script.program, otherLanguages+script.path).CombinedOutput()
			if want := "ACME " + fmt.Sprintf("%.2f", q.Bid) + " 100.00 -3\n"; string(out) != want || err != nil {
				t.Errorf("%s: got %q (%v), want %q", script.path, out, err, want)
			}
		}
	}
}

// The C program reads the quote, and its order arrives.
func TestSharedExampleInC(t *testing.T) {
	t.Parallel()
	if !ipctest.Alone(t) {
		return
	}
	r, best := quotesRegion(t)
	_, err := shared.MutexOf(r, "book")
	good(t, err)
	orders, err := shared.ChanOf[struct {
		Quantity int64
		Price    float64
	}](r, "orders", 64)
	good(t, err, best.Store(t.Context(), exampleQuote{Bid: 1, Ask: 2.5, Size: 4}))
	command, err := sysvipcCommand()
	good(t, err)
	dir := t.TempDir()
	header, err := exec.Command(command, "region", "header", "quotes").Output()
	program := filepath.Join(dir, "order")
	good(t, err, os.WriteFile(dir+"/quotes.h", header, 0o600))
	ipctest.NeedCompiler(t, "gcc")
	good(t, said(exec.Command("gcc", "-std=c11", "-Wall", "-Wextra", "-Werror", "-I", dir, "-o", program, otherLanguages+"order.c")))
	out, err := exec.Command(program, "10").CombinedOutput()
	if string(out) != " 1.00 2.50 4\n" || err != nil {
		t.Errorf("got %q (%v)", out, err)
	}
	order, ok, err := orders.TryReceive()
	if !ok || order.Quantity != 10 || order.Price != 2.5 || err != nil {
		t.Errorf("got %+v, %v (%v)", order, ok, err)
	}
}
