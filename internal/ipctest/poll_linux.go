package ipctest

import (
	"testing"
	"time"
)

// poll waits until f says true, asking ever less often. It is for facts that the kernel shows, but does not announce.
func poll(t testing.TB, what string, f func() (bool, error)) {
	t.Helper()
	deadline := time.Now().Add(patience)
	for pause := 20 * time.Microsecond; ; pause = min(2*pause, 5*time.Millisecond) {
		ok, err := f()
		switch {
		case err != nil:
			t.Fatalf("ipctest: wait for %s: %v", what, err)
		case ok:
			return
		case time.Now().After(deadline):
			t.Fatalf("ipctest: waited %v for %s", patience, what)
		}
		time.Sleep(pause)
	}
}
