package sysvipc

// WaitersInProcess returns how many calls of this process wait, in the kernel or in line.
func WaitersInProcess() int { return int(waiting.count.Load() + waiting.direct.Load()) }

// MaxDirect is how many wait in the kernel without a line.
const MaxDirect = maxDirect
