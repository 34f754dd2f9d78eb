//go:build !linux

package run

// passOnSignals does nothing where there is nothing to run.
func passOnSignals() {}
