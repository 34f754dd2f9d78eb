package main

import (
	"context"
	"net"
	"os"
	"testing"

	"github.com/sysvipc/sysvipc"
	"github.com/sysvipc/sysvipc/inspect"
	"github.com/sysvipc/sysvipc/internal/holders"
	"github.com/sysvipc/sysvipc/internal/ipctest"
)

// While "serve --trace" runs, who waits for a semaphore is said to wait for the process that took it, and not for the one
// that operated on it last. Killed, it leaves a socket where nobody answers, which the next one replaces.
func TestServeHolders(t *testing.T) {
	ipctest.NeedBPF(t)
	if !holders.SamePIDs() || os.Getuid() != 0 {
		t.Skip("needs root in the first PID namespace")
	}
	namespace := inspect.CurrentNamespace()
	path := holders.Path(namespace)
	ask := func() []inspect.Taken {
		t.Helper()
		taken, err := holders.Ask(context.Background(), path, namespace)
		if err != nil {
			t.Fatal(err)
		}
		return taken
	}
	if taken := ask(); taken != nil {
		t.Fatalf("there is a server: %+v", taken)
	}
	t.Cleanup(func() { os.Remove(path) })
	first, _ := serve(t, "--trace", "--listen", "127.0.0.1:0")
	set, err := sysvipc.CreateSemaphores(ipctestKey(t), 0o600, 2)
	if err != nil {
		t.Fatal(err)
	}
	if ok, err := set.TryDo(sysvipc.Add(0, -2)); !ok || err != nil {
		t.Fatal(ok, err)
	}
	of := func(taken []inspect.Taken) (found []inspect.Taken) {
		for _, h := range taken {
			if h.ID == set.ID() {
				found = append(found, h)
			}
		}
		return found
	}
	if got := of(ask()); len(got) != 1 || got[0].PID != os.Getpid() || got[0].Taken != 2 || !got[0].Certain || got[0].Ended {
		t.Errorf("%+v, want this process with 2, for certain", got)
	}
	first.Process.Kill()
	first.Wait()
	if got := ask(); got != nil {
		t.Errorf("the dead answer: %+v", got)
	}
	second, _ := serve(t, "--trace", "--listen", "127.0.0.1:0")
	if got := of(ask()); len(got) != 0 {
		t.Errorf("%+v, and it has seen nothing yet", got)
	}
	for _, delta := range []int{1, -1, -1} {
		set.TryDo(sysvipc.Add(0, delta))
	}
	set.TryDo(sysvipc.Add(0, 1))
	if conn, err := net.Dial("unix", path); err != nil {
		t.Error(err)
	} else {
		conn.Close() // a client that does not listen harms nobody
	}
	if got := of(ask()); len(got) != 0 {
		t.Errorf("%+v, and it gave more than it took", got)
	}
	second.Process.Signal(os.Interrupt)
	second.Wait()
	if _, err := os.Lstat(path); !os.IsNotExist(err) {
		t.Errorf("the socket is still there: %v", err)
	}
}

func ipctestKey(t *testing.T) sysvipc.Key { return sysvipc.Key(ipctest.Key(t)) }
