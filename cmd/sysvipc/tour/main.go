// Tour shows what System V IPC is and what this module makes of it, with real processes, and checks itself: the tour of
// "sysvipc demo" by a program that is quickly compiled, since it has nothing but the library. Its processes are copies of
// this program, which stands in for the command sysvipc.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"

	"github.com/sysvipc/sysvipc/cmd/sysvipc/internal/demo"
	"github.com/sysvipc/sysvipc/internal/cli"
)

func main() {
	if filepath.Base(os.Args[0]) == "sysvipc" {
		exit(demo.Verb(context.Background(), os.Args[1:], os.Stdout))
	}
	if len(os.Args) > 1 {
		fmt.Fprintln(os.Stderr, "usage: tour")
		os.Exit(cli.ExitUsage)
	}
	ctx, _ := cli.Interruptible(context.Background())
	exit(demo.Run(ctx, os.Stdout, `Here this program, which has only the library, stands in for "sysvipc",
		which takes longer to compile: write "go run ./cmd/sysvipc" for it.`))
}

func exit(err error) {
	var stopped cli.Interrupt
	if err != nil && !errors.As(err, &stopped) && !errors.Is(err, syscall.EPIPE) {
		fmt.Fprintln(os.Stderr, "sysvipc: "+cli.Text(err))
	}
	os.Exit(cli.ExitCode(err))
}
