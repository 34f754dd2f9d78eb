//go:build !race

package core

func RaceAcquire(chan struct{}) {}
func RaceRelease(chan struct{}) {}

func RaceReleaseMerge(chan struct{}) {}
