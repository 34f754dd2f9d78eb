// Tour shows what System V IPC is and what this module makes of it, with real processes, and checks itself: the tour of
// "sysvipc demo" by a program that is quickly compiled, since it has nothing but the library. Its processes are copies of
// this program, which stands in for the command sysvipc.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/sysvipc/sysvipc/cmd/sysvipc/internal/demo"
)

func main() {
	if filepath.Base(os.Args[0]) == "sysvipc" {
		exit(demo.Verb(context.Background(), os.Args[1:], os.Stdout))
	}
	if len(os.Args) > 1 {
		fmt.Fprintln(os.Stderr, "usage: tour")
		os.Exit(2)
	}
	ctx, cancel := context.WithCancelCause(context.Background())
	signals := make(chan os.Signal, 1)
	for _, s := range []os.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP} {
		if !signal.Ignored(s) { // as nohup(1) has it
			signal.Notify(signals, s)
		}
	}
	go func() {
		s := <-signals
		signal.Stop(signals) // the second one kills
		cancel(stopped{s.(syscall.Signal)})
	}()
	exit(demo.Run(ctx, os.Stdout, `Here this program, which has only the library, stands in for "sysvipc",
		which takes longer to compile: write "go run ./cmd/sysvipc" for it.`))
}

// stopped is why the tour ends early.
type stopped struct{ signal syscall.Signal }

func (s stopped) Error() string { return "tour: " + s.signal.String() }

func exit(err error) {
	var s stopped
	if errors.As(err, &s) {
		os.Exit(128 + int(s.signal))
	}
	if err != nil && !errors.Is(err, syscall.EPIPE) {
		fmt.Fprintln(os.Stderr, "sysvipc: "+strings.TrimPrefix(err.Error(), "sysvipc: "))
	}
	os.Exit(demo.Code(err))
}
