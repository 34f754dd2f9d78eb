package foreign

import (
	"fmt"
	"time"

	"github.com/sysvipc/sysvipc"
	"github.com/sysvipc/sysvipc/internal/output"
)

// clockNow is the time by which a sample is old.
var clockNow = time.Now

// ntpUnit0 is the key of unit 0: "NTP0" in ASCII. Units follow one by one.
const ntpUnit0 sysvipc.Key = 0x4e545030

// The sizes of struct shmTime, which its makers give the segment: with 64-bit words, with 32-bit words, and with 32-bit
// words and 64-bit times, where these stand at multiples of 4 (386) or 8 bytes (arm: as with 64-bit words).
const (
	ntpSize   = 96
	ntpSize32 = 80
	ntpSize86 = 88
)

func ntp(o *Object, now time.Time) (*output.NTPClock, error) {
	f := fields{p: o.Bytes, align: 8}
	c := &output.NTPClock{Bits: 64}
	bits := 64 // of times
	switch {
	case o.Kind != sysvipc.KindSegment:
		return nil, fmt.Errorf("it is a %s, and a clock is a segment", o.Kind)
	case o.Size == ntpSize32:
		c.Bits, bits = 32, 32
	case o.Size == ntpSize86:
		c.Bits, f.align = 32, 4
	case o.Size != ntpSize:
		return nil, fmt.Errorf("it has %d bytes, and struct shmTime has %d, or %d or %d with 32 bits", o.Size, ntpSize, ntpSize32, ntpSize86)
	}
	if int64(len(o.Bytes)) < o.Size {
		return nil, fmt.Errorf("only %d of its bytes could be read", len(o.Bytes))
	}
	if unit := o.Key - ntpUnit0; unit >= 0 && unit < 256 {
		n := int(unit)
		c.Unit = &n
	}
	c.Mode, c.Count = f.int(), f.int()
	clockSec, clockMicro := f.long(bits), f.int()
	receivedSec, receivedMicro := f.long(bits), f.int()
	c.Leap, c.Precision, c.Samples = f.int(), f.int(), f.int()
	c.Valid = f.int() != 0
	clockNano, receivedNano := f.uint32(), f.uint32()
	if c.Mode != 0 && c.Mode != 1 {
		return nil, fmt.Errorf("its mode is %d, and there are 0 and 1", c.Mode)
	}
	// Both have nanoseconds if these say the same as the microseconds.
	nanos := fits(clockNano, clockMicro) && fits(receivedNano, receivedMicro)
	c.Clock = sampleTime(clockSec, clockMicro, clockNano, nanos)
	c.Received = sampleTime(receivedSec, receivedMicro, receivedNano, nanos)
	if c.Clock != nil && c.Received != nil {
		c.Offset = seconds(c.Clock, c.Received)
	}
	if c.Received != nil {
		c.SampleAge = seconds(&now, c.Received)
	}
	for _, u := range []struct {
		name string
		is   bool
	}{{"clock", c.Clock == nil}, {"received", c.Received == nil}, {"offset", c.Offset == nil}, {"sample_age", c.SampleAge == nil}} {
		if u.is {
			c.Unknown = append(c.Unknown, u.name)
		}
	}
	return c, nil
}

func fits(nano uint32, micro int) bool { return int64(nano)/1000 == int64(micro) }

// sampleTime is a time, or nil for one that no clock shows.
func sampleTime(sec int64, micro int, nano uint32, nanos bool) *time.Time {
	const last = 253402300799 // of the year 9999
	if sec <= 0 || sec > last || micro < 0 || micro > 999999 {
		return nil
	}
	ns := int64(micro) * 1000
	if nanos {
		ns = int64(nano)
	}
	t := time.Unix(sec, ns).UTC()
	return &t
}

// seconds is a-b. A float has room for the nanoseconds of some 100 days, and for the seconds of all times.
func seconds(a, b *time.Time) *float64 {
	s := float64(a.Unix()-b.Unix()) + float64(a.Nanosecond()-b.Nanosecond())/1e9
	return &s
}
