//go:build linux && (amd64 || arm64)

package bench

import (
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/sysvipc/sysvipc"
)

// The command lists 8,000 semaphore sets, beside lsipc(1) of util-linux.
func BenchmarkList(b *testing.B) {
	command := filepath.Join(b.TempDir(), "sysvipc")
	if out, err := exec.Command("go", "build", "-o", command, "../../cmd/sysvipc").CombinedOutput(); err != nil {
		b.Fatalf("go build: %v\n%s", err, out)
	}
	for range 8000 {
		set := must(sysvipc.CreateSemaphores(sysvipc.Private, 0o600, 0))
		b.Cleanup(func() { check(set.Remove()) })
	}
	var floors []*side
	if _, err := exec.LookPath("lsipc"); err != nil {
		b.Log("no comparison with lsipc:", err)
	} else {
		floors = append(floors, &side{name: "lsipc", run: program("lsipc", "-s")})
	}
	compare(b, 1, &side{run: program(command, "ls", "sem")}, floors...)
}

// program is the run of a side that is a command.
func program(name string, args ...string) func(n int) time.Duration {
	return loop(func() { check(exec.Command(name, args...).Run()) })
}
