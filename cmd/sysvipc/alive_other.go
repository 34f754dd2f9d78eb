//go:build !linux

package main

// alive: there are no objects here whose users could be alive.
func alive(int) bool { return false }
