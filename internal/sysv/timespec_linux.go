package sysv

import (
	"math"
	"structs"
	"time"
)

// timespec64 is struct __kernel_timespec, which is struct timespec on 64-bit ports.
type timespec64 struct {
	_         structs.HostLayout
	sec, nsec int64
}

func newTimespec(d time.Duration) timespec64 {
	return timespec64{sec: int64(d / time.Second), nsec: int64(d % time.Second)}
}

// timespecLong is the struct timespec of calls that are older than Linux 5.1: two C longs.
type timespecLong struct {
	_         structs.HostLayout
	sec, nsec int
}

// newTimespecLong cuts what a C long cannot hold; on 32-bit ports that is above 68 years.
func newTimespecLong(d time.Duration) timespecLong {
	return timespecLong{sec: int(min(int64(d/time.Second), math.MaxInt)), nsec: int(d % time.Second)}
}
