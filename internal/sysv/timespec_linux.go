package sysv

import (
	"math"
	"structs"
	"time"
)

// timespec64 is struct __kernel_timespec, the same on every port.
type timespec64 struct {
	_         structs.HostLayout
	sec, nsec int64
}

func newTimespec(d time.Duration) timespec64 {
	return timespec64{sec: int64(d / time.Second), nsec: int64(d % time.Second)}
}

// timespecOld is struct __kernel_old_timespec: two C longs.
type timespecOld[long int | int32 | int64] struct {
	_         structs.HostLayout
	sec, nsec long
}

// newTimespecOld cuts what a C long cannot hold; on 32-bit ports that is what is above 68 years.
func newTimespecOld(d time.Duration) timespecOld[int] {
	return timespecOld[int]{sec: int(min(int64(d/time.Second), math.MaxInt)), nsec: int(d % time.Second)}
}
