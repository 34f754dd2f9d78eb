//go:build !race && !purego

package core

import "sync"

// storeRelease stores val after everything that was stored before. An atomic store of Go
// is an exchange on amd64, which also waits until all others see it, and takes 20 times
// as long.
//
//go:noescape
func storeRelease(p *uint64, val uint64)

// StoreOwn stores val where only this process looks, in whatever order.
func StoreOwn(p *uint64, val uint64) { *p = val }

// Pause tells the processor that this is a loop that waits, and takes some 50 ns.
//
//go:noescape
func Pause()

// Fetch has the processor get a line, to write to it, and does not wait. The instruction is
// PREFETCHW, which some processors do not have: canFetch tells.
//
//go:noescape
func Fetch(p *uint64)

func hasFetch() bool

var CanFetch = sync.OnceValue(hasFetch)
