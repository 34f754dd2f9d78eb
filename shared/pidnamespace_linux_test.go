package shared

import (
	"context"
	"errors"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/sysvipc/sysvipc"
	"github.com/sysvipc/sysvipc/internal/ipctest"
	"github.com/sysvipc/sysvipc/shared/internal/core"
)

// startInPIDNamespace starts a child in a PID namespace of its own.
func startInPIDNamespace(t *testing.T, name string, args ...string) *ipctest.Process {
	t.Helper()
	if !ipctest.Capable("pid", unix.CAP_SYS_ADMIN) {
		t.Skip("needs CAP_SYS_ADMIN to make a PID namespace")
	}
	return ipctest.Start(t, name, &ipctest.Options{OwnPIDs: true}, args...)
}

var foreigner = ipctest.Register("foreigner", func(c *ipctest.ChildEnv) {
	key, err := strconv.Atoi(c.Args[0])
	c.Check(err)
	var r *Region
	for refused := false; r == nil; runtime.Gosched() {
		r, err = OpenKey(context.Background(), sysvipc.Key(key))
		if err != nil && !strings.Contains(err.Error(), "shareProcessNamespace: true") {
			c.Fatal(err)
		}
		if err != nil && !refused {
			c.Say("refused")
			refused = true
		}
	}
	m, err := MutexOf(r, "m")
	c.Check(err)
	c.Check(m.Lock(context.Background()))
	c.Say("joined")
	select {}
})

// Who is of another PID namespace is refused as long as others live, and only so long.
func TestPIDNamespaceRefused(t *testing.T) {
	t.Parallel()
	key := ipctest.Key(t)
	r, err := EnsureKey(t.Context(), sysvipc.Key(key), smallFile)
	mustNot(t, err)
	t.Cleanup(func() { _ = r.Close() }) // also where there can be no PID namespace
	p := startInPIDNamespace(t, foreigner, strconv.Itoa(int(key)))
	p.Expect("refused")
	mustNot(t, r.Close())
	p.Expect("joined")
	if _, err := OpenKey(t.Context(), sysvipc.Key(key)); err == nil || !strings.Contains(err.Error(), "it is open in another PID namespace") {
		t.Errorf("got %v", err)
	}
	p.Kill()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for r, err = OpenKey(ctx, sysvipc.Key(key)); err != nil && ctx.Err() == nil; r, err = OpenKey(ctx, sysvipc.Key(key)) {
		runtime.Gosched() // until it is dead
	}
	mustNot(t, err)
	m, err := MutexOf(r, "m")
	mustNot(t, err)
	if err := m.Lock(ctx); !errors.Is(err, ErrOwnerDied) {
		t.Errorf("got %v", err)
	}
	mustNot(t, m.MarkConsistent(), m.Unlock(), r.Close())
}

var visitor = ipctest.Register("visitor", func(c *ipctest.ChildEnv) {
	key, err := strconv.Atoi(c.Args[0])
	c.Check(err)
	n, err := visit(sysvipc.Key(key), c.Args[1], c.Args[2], 500*time.Millisecond)
	c.Check(err)
	c.Say("%d", n)
	select {}
})

// visit opens and closes a region as often as it can, and fails if it is there beside others.
func visit(key sysvipc.Key, mine, others string, during time.Duration) (visits int, err error) {
	for end := time.Now().Add(during); time.Now().Before(end); {
		r, err := EnsureKey(context.Background(), key, smallFile)
		if err != nil && strings.Contains(err.Error(), "PID namespace") {
			continue
		}
		if err != nil {
			return 0, err
		}
		us, err1 := CounterOf(r, mine)
		them, err2 := CounterOf(r, others)
		if err := errors.Join(err1, err2); err != nil {
			return 0, err
		}
		_, err1 = us.Add(1)
		n, err2 := them.Load()
		for range 20 {
			core.Rest(10)
			more, err := them.Load()
			n, err2 = n+more, errors.Join(err2, err)
		}
		_, err3 := us.Add(-1)
		if err := errors.Join(err1, err2, err3, r.Close()); err != nil {
			return 0, err
		}
		if n != 0 {
			return 0, errors.New("both are there at once")
		}
		visits++
	}
	return visits, nil
}

// Of two PID namespaces whose processes come at once, one is there at a time.
func TestPIDNamespacesAtOnce(t *testing.T) {
	t.Parallel()
	key := ipctest.Key(t)
	mustNot(t, func() error {
		r, err := EnsureKey(t.Context(), sysvipc.Key(key), smallFile)
		mustNot(t, err)
		return r.Close()
	}())
	p := startInPIDNamespace(t, visitor, strconv.Itoa(int(key)), "theirs", "ours")
	n, err := visit(sysvipc.Key(key), "ours", "theirs", 700*time.Millisecond)
	mustNot(t, err)
	theirs := p.Line()
	t.Logf("%d and %s visits", n, theirs)
	if n == 0 || theirs == "0" {
		t.Errorf("%d and %s visits", n, theirs)
	}
	p.Kill()
}
