package ipctest_test

import (
	"os"
	"testing"

	"github.com/sysvipc/sysvipc/internal/ipctest"
)

func TestMain(m *testing.M) { ipctest.Main(m) }

var echo = ipctest.Register("echo", func(c *ipctest.ChildEnv) {
	c.Say("args %q", c.Args)
	for {
		c.Say("heard %s", c.Listen())
	}
})

func TestEcho(t *testing.T) {
	t.Parallel()
	p := ipctest.Start(t, echo, nil, "a", "b c")
	p.Expect(`args ["a" "b c"]`)
	p.Tell("x")
	p.Expect("heard x")
	p.Finish()
}

func TestAloneSimple(t *testing.T) {
	t.Parallel()
	if !ipctest.Alone(t) {
		return
	}
	ipctest.SetLimit(t, "shmmni", "7")
	got, err := os.ReadFile("/proc/sys/kernel/shmmni")
	if err != nil || string(got) != "7\n" {
		t.Errorf("got %q, %v, want 7", got, err)
	}
}
