package shared

import (
	"fmt"
	"io/fs"
	"math/rand/v2"
	"time"
)

// Options are the rarer choices for a region that is made. One that exists keeps what it
// was made with.
type Options struct {
	// Size is the region's size in bytes, 64 MiB if 0. Memory is taken only as it is
	// touched.
	Size int64
	// Perm is who may use it; 0 means 0o600.
	Perm fs.FileMode
	// Participants is how many processes may have it open at a time, 64 if 0.
	Participants int
	// Entries is how many named things it may hold, 4,096 if 0, or fewer in a region of
	// less than 8 MiB. An entry takes 512 bytes.
	Entries int
}

const (
	defaultSize         = 64 << 20
	defaultPerm         = 0o600
	defaultParticipants = 64
	defaultEntries      = 4096
)

// config returns what a new region is made with.
func (o *Options) config(name string) (config, fs.FileMode, error) {
	if o == nil {
		o = &Options{}
	}
	orElse := func(v, def int64) int64 {
		if v == 0 {
			return def
		}
		return v
	}
	c := config{
		nonce:   rand.Uint64(),
		size:    roundUp(uint64(max(orElse(o.Size, defaultSize), 0)), line),
		slots:   uint32(max(orElse(int64(o.Participants), defaultParticipants), 0)),
		entries: uint32(powerOfTwo(uint64(max(orElse(int64(o.Entries), defaultEntries), 0)))),
		created: time.Now().UnixNano(),
	}
	for o.Entries == 0 && c.entries > 16 && uint64(c.entries)*entryLen > c.size/4 {
		c.entries /= 2
	}
	copy(c.name[:], name)
	if _, err := c.plan(c.size); err != nil {
		return c, 0, fmt.Errorf("shared: a region of %d bytes with %d participants and %d entries cannot be made: it needs %d bytes and room for what is in it, at most 1,048,576 of each",
			c.size, c.slots, c.entries, headerLen+uint64(c.slots)*slotLen+uint64(c.entries)*(entryLen+1))
	}
	return c, fs.FileMode(orElse(int64(o.Perm), defaultPerm)), nil
}

func powerOfTwo(n uint64) uint64 {
	p := uint64(1)
	for p < n {
		p *= 2
	}
	return p
}
