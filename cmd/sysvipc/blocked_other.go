//go:build !linux

package main

// blockedOnQueue: no queue is to be had here.
func blockedOnQueue(int) int { return 0 }
