package cluster_test

import (
	"os/exec"
	"strings"
	"testing"
)

// Only who imports cluster/embedded links the server.
func TestClusterDoesNotLinkTheServer(t *testing.T) {
	t.Parallel()
	for _, pkg := range []string{".", "./bridge"} {
		out, err := exec.Command("go", "list", "-deps", pkg).Output()
		if err != nil {
			t.Skip("needs the go command and the module's sources:", err)
		}
		if !strings.Contains(string(out), "nats-io/nats.go") {
			t.Fatalf("the packages that %s links are not those: %.200s", pkg, out)
		}
		if strings.Contains(string(out), "nats-io/nats-server") {
			t.Errorf("%s links nats-server", pkg)
		}
	}
}
