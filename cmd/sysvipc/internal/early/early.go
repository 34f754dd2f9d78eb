// Package early runs "sysvipc run" before the rest of the program is initialised, since
// a lock is judged by what it costs to start. Go initialises packages in the order of
// their paths, as soon as what they import is ready: this one needs little, so that it
// comes before the flags, the network and whatever else the other verbs bring in.
//
// It takes only command lines that are clear and complete. All others, and
// "sysvipc run --help", go the usual way, through main.
package early

import (
	"context"
	"fmt"
	"os"
	"strings"

	"github.com/sysvipc/sysvipc/cmd/sysvipc/internal/run"
)

func init() {
	if len(os.Args) < 2 || os.Args[1] != "run" {
		return
	}
	c, ok := run.ParseEarly(os.Args[2:])
	if !ok {
		return
	}
	// Signals have their usual effect: they end the process, and the kernel gives back
	// what it had taken.
	err := c.Exec(context.Background())
	fmt.Fprintln(os.Stderr, "sysvipc: "+strings.TrimPrefix(err.Error(), "sysvipc: "))
	os.Exit(run.Code(err))
}
