//go:build !linux

package sysvipc

// detach is never reached: nothing can be attached here.
func (m *Memory) detach(bool) {}

func reclaim() bool { return false }
