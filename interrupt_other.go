//go:build !unix

package sysvipc

// No call waits in a kernel here.
const interruptSignal = 0
