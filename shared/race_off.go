//go:build !race

package shared

func raceAcquire(chan struct{}) {}
func raceRelease(chan struct{}) {}

func raceReleaseMerge(chan struct{}) {}
