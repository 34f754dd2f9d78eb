//go:build !linux

package main

import "os/exec"

// dieTogether can do nothing here: a command outlives this process if that is killed.
func dieTogether(*exec.Cmd) {}

// inForeground cannot be known here.
func inForeground() bool { return false }
