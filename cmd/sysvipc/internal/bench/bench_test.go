//go:build linux && (amd64 || arm64)

package bench

import (
	"os"
	"testing"

	"github.com/sysvipc/sysvipc/internal/ipctest"
)

// TestMain runs the tests in an IPC namespace of their own; copies of this program are the ends of runs.
func TestMain(m *testing.M) {
	if len(os.Args) == 4 && os.Args[1] == "bench" && os.Args[2] == "end" {
		if err := End(os.Args[3]); err != nil {
			os.Stderr.WriteString(err.Error() + "\n")
			os.Exit(1)
		}
		os.Exit(0)
	}
	ipctest.Main(m)
}
