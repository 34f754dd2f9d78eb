//go:build amd64 || arm64

package dashboard

import (
	"testing"

	"github.com/sysvipc/sysvipc"
	"github.com/sysvipc/sysvipc/internal/ipctest"
	"github.com/sysvipc/sysvipc/trace"
)

// Calls are counted by name, those that failed, too, and the series stay within their bound.
func TestCallMetrics(t *testing.T) {
	ipctest.NeedBPF(t)
	if !ipctest.Alone(t) {
		return
	}
	set, err := sysvipc.CreateSemaphores(sysvipc.Private, 0o600, 1)
	if err != nil {
		t.Fatal(err)
	}
	defer set.Remove()
	tr, err := trace.Start(&trace.Options{Together: true})
	if err != nil {
		t.Fatal(err)
	}
	defer tr.Close()
	for range 7 {
		if ok, err := set.TryDo(sysvipc.Add(0, -2)); ok || err != nil {
			t.Fatal(ok, err)
		}
	}
	h := NewHandler(Options{Collector: &Collector{Looks: &Looks{}, Calls: tr.Read}})
	plain := len(scrape(t, NewHandler(Options{Collector: &Collector{Looks: &Looks{}}})))
	got := scrape(t, h)
	failed, took := 0.0, 0.0
	for _, call := range []string{"semop", "semtimedop"} { // which one it is, is the library's choice
		failed += got[`sysvipc_call_errors_total{call="`+call+`"}`]
		took += got[`sysvipc_call_duration_seconds_bucket{call="`+call+`",le="+Inf"}`]
	}
	if failed != 7 || took != 7 {
		t.Errorf("%v calls failed of %v, want 7 of 7", failed, took)
	}
	for name, want := range map[string]float64{
		`sysvipc_calls_lost_total`:                     0,
		`sysvipc_collector_success{collector="calls"}`: 1,
		`sysvipc_call_errors_total{call="msgsnd"}`:     0,
	} {
		if value, ok := got[name]; !ok || value != want {
			t.Errorf("%s is %v (there: %v), want %v", name, value, ok, want)
		}
	}
	if more := len(got) - plain; more < 50 || more > 112 {
		t.Errorf("%d series more than without calls, want at most 112", more)
	}
}
