//go:build !linux || !amd64 || race || purego

package shared

import "sync/atomic"

// storeRelease stores val after everything that was stored before.
func storeRelease(p *uint64, val uint64) { atomic.StoreUint64(p, val) }

// storeOwn stores val where only this process looks.
func storeOwn(p *uint64, val uint64) { atomic.StoreUint64(p, val) }

// pause takes some 50 ns.
func pause() {
	var word atomic.Uint32
	for range 50 {
		word.Load()
	}
}

// fetch would have the processor get a line, and not wait.
func fetch(*uint64) {}

func canFetch() bool { return false }
