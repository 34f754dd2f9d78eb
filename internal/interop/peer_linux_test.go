package interop

import (
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/sysvipc/sysvipc"
	"github.com/sysvipc/sysvipc/internal/ipctest"
)

// peer is a driver that runs.
type peer struct {
	*ipctest.Process
	language
	t      testing.TB
	killed bool
}

func start(t testing.TB, l language) *peer {
	t.Helper()
	if l.argv == nil {
		return &peer{Process: ipctest.Start(t, goDriver, nil), language: l, t: t}
	}
	argv, err := l.argv()
	var e errMissing
	if errors.As(err, &e) {
		missing(t, e.what, e.packages)
	}
	if err != nil {
		t.Fatal(err)
	}
	return &peer{Process: ipctest.Start(t, program, nil, argv...), language: l, t: t}
}

func (p *peer) kill() {
	p.t.Helper()
	p.killed = true
	p.Kill()
}

// alive is p, or, if it was killed, another one.
func (p *peer) alive(t testing.TB) *peer {
	if p.killed {
		return start(t, p.language)
	}
	return p
}

// begin tells the driver a command.
func (p *peer) begin(format string, args ...any) {
	p.t.Helper()
	p.Tell(fmt.Sprintf(format, args...))
}

// block begins a command that has to wait, and returns when it does.
func (p *peer) block(format string, args ...any) {
	p.t.Helper()
	p.begin(format, args...)
	ipctest.WaitBlocked(p.t, p.PID, 1)
}

// end returns the driver's answer to its command.
func (p *peer) end() string {
	p.t.Helper()
	answer, ok := strings.CutPrefix(p.Line(), "ok")
	if !ok {
		p.t.Fatalf("%s:%v", p.name, answer)
	}
	return strings.TrimPrefix(answer, " ")
}

// fails reads the answer, which has to be one of these errors.
func (p *peer) fails(want ...syscall.Errno) {
	p.t.Helper()
	line := p.Line()
	errno, err := strconv.Atoi(strings.TrimPrefix(line, "fail "))
	if err != nil || !slices.Contains(want, syscall.Errno(errno)) {
		p.t.Fatalf("%s: got %q (%v), want a failure with %v", p.name, line, syscall.Errno(errno), want)
	}
}

// do is begin and end.
func (p *peer) do(format string, args ...any) string {
	p.t.Helper()
	p.begin(format, args...)
	return p.end()
}

// text is bytes for the driver, or from it. It prints as the commands have it.
type text string

func (w text) String() string { return hexed(string(w)) }

func hexed(s string) string {
	if s == "" {
		return "-"
	}
	return hex.EncodeToString([]byte(s))
}

// padded is s with zeros up to n bytes, as Perl's shmwrite leaves it.
func padded(s string, n int) text { return text(s + strings.Repeat("\x00", n-len(s))) }

func equal[T comparable](t testing.TB, what string, got, want T) {
	t.Helper()
	if got != want {
		t.Fatalf("%s: got %v, want %v", what, got, want)
	}
}

// key returns a free key, which is removed with all that has it.
func key(t testing.TB) sysvipc.Key { return sysvipc.Key(ipctest.Key(t)) }

// A scenario is played by two processes.
type scenario struct {
	name  string
	needs []string // of both
	play  func(t *testing.T, k sysvipc.Key, maker, user *peer)
}

// play plays each scenario between Go and every other language, with the parts given out both ways.
func play(t *testing.T, scenarios []scenario) {
	t.Parallel()
	for _, other := range others {
		for _, pair := range [][2]language{{golang, other}, {other, golang}} {
			t.Run(pair[0].name+"-"+pair[1].name, func(t *testing.T) {
				t.Parallel()
				maker, user := start(t, pair[0]), start(t, pair[1])
				for _, s := range scenarios {
					if slices.ContainsFunc(s.needs, func(f string) bool { return !other.has(f) }) {
						continue
					}
					ok := t.Run(s.name, func(t *testing.T) {
						maker.t, user.t = t, t
						s.play(t, key(t), maker, user)
					})
					if !ok { // nobody knows what they are doing now
						maker.kill()
						user.kill()
					}
					maker, user = maker.alive(t), user.alive(t)
				}
			})
		}
	}
}
