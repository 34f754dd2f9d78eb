//go:build !race && !purego

package shared

import "sync"

// storeRelease stores val after everything that was stored before. An atomic store of Go
// is an exchange on amd64, which also waits until all others see it, and takes 20 times
// as long.
//
//go:noescape
func storeRelease(p *uint64, val uint64)

// storeOwn stores val where only this process looks, in whatever order.
func storeOwn(p *uint64, val uint64) { *p = val }

// pause tells the processor that this is a loop that waits, and takes some 50 ns.
//
//go:noescape
func pause()

// fetch has the processor get a line, to write to it, and does not wait. The instruction is
// PREFETCHW, which some processors do not have: canFetch tells.
//
//go:noescape
func fetch(p *uint64)

func hasFetch() bool

var canFetch = sync.OnceValue(hasFetch)
