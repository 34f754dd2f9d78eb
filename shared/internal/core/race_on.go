//go:build race

package core

import (
	"runtime"
	"unsafe"
)

// The race detector does not see memory that Go has not allocated. So locks that lie in a
// region are announced to it by an address in the heap: that of the region's local lock.

func RaceAcquire(lock chan struct{}) { runtime.RaceAcquire(*(*unsafe.Pointer)(unsafe.Pointer(&lock))) }

func RaceRelease(lock chan struct{}) { runtime.RaceRelease(*(*unsafe.Pointer)(unsafe.Pointer(&lock))) }

// RaceReleaseMerge is raceRelease for one of several who hold the lock at once.
func RaceReleaseMerge(lock chan struct{}) {
	runtime.RaceReleaseMerge(*(*unsafe.Pointer)(unsafe.Pointer(&lock)))
}
