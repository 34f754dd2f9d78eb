//go:build !linux

package main

// inForeground cannot be known here.
func inForeground() bool { return false }
