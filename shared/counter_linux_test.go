package shared_test

import (
	"testing"

	"github.com/sysvipc/sysvipc/internal/ipctest"
	"github.com/sysvipc/sysvipc/shared"
)

func BenchmarkCounterAdd(b *testing.B) {
	c, err := shared.CounterOf(ensure(b, ipctest.Key(b)), "c")
	mustDo(b, err)
	for b.Loop() {
		_, _ = c.Add(1)
	}
}

func BenchmarkCounterStore(b *testing.B) {
	c, err := shared.CounterOf(ensure(b, ipctest.Key(b)), "c")
	mustDo(b, err)
	for b.Loop() {
		_ = c.Store(1)
	}
}
