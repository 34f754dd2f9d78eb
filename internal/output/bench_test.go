package output

import (
	"testing"
	"time"

	"github.com/sysvipc/sysvipc"
)

// What an object costs in a list of many.
func BenchmarkObject(b *testing.B) {
	look := Look{Time: time.Now(), Namespace: 1, Own: 1, User: func(int) string { return "root" }, Group: func(int) string { return "root" }}
	st := sysvipc.SemaphoreSetStat{Object: sysvipc.Object{Kind: sysvipc.KindSemaphores, Key: 0x4d2, Mode: 0o600, Changed: time.Now()}, Len: 3, Operated: time.Now()}
	var line []byte
	for b.Loop() {
		line = Append(line[:0], look.Set(&st))
	}
	b.SetBytes(int64(len(line)))
	b.ReportAllocs()
}
