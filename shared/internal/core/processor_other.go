//go:build !linux || !amd64 || race || purego

package core

import "sync/atomic"

// storeRelease stores val after everything that was stored before.
func storeRelease(p *uint64, val uint64) { atomic.StoreUint64(p, val) }

// StoreOwn stores val where only this process looks.
func StoreOwn(p *uint64, val uint64) { atomic.StoreUint64(p, val) }

// Pause takes some 50 ns.
func Pause() {
	var word atomic.Uint32
	for range 50 {
		word.Load()
	}
}

// Fetch would have the processor get a line, and not wait.
func Fetch(*uint64) {}

func CanFetch() bool { return false }
