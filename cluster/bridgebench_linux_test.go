package cluster_test

import (
	"context"
	"fmt"
	"path/filepath"
	"testing"

	"github.com/sysvipc/sysvipc"
	"github.com/sysvipc/sysvipc/cluster"
)

// From one kernel queue to another over two bridges; compare with BenchmarkQueue's bare
// side.
func BenchmarkBridge(b *testing.B) {
	name, dir := unique(), b.TempDir()
	var queues [2]*sysvipc.Queue
	for i, carry := range []func(*cluster.Bridge, context.Context) error{(*cluster.Bridge).Send, (*cluster.Bridge).Receive} {
		local, err := sysvipc.CreateQueue(sysvipc.Private, 0o600)
		check(b, err)
		b.Cleanup(func() { local.Remove() })
		remote, err := connect(b, nil).EnsureQueue(b.Context(), name, nil)
		check(b, err)
		queues[i] = local
		runBridge(b, &cluster.Bridge{Local: func() (*sysvipc.Queue, error) { return local, nil }, Remote: remote, Journal: filepath.Join(dir, fmt.Sprint(i))}, carry)
	}
	buf := make([]byte, 8192)
	b.ResetTimer()
	go func() {
		for range b.N {
			queues[0].Send(b.Context(), 1, payload)
		}
	}()
	for range b.N {
		_, _, err := queues[1].ReceiveInto(b.Context(), sysvipc.Any, buf)
		check(b, err)
	}
}
