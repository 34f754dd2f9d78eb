package core

import (
	"fmt"
	"io/fs"
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/sysvipc/sysvipc"
)

// Options are what a region is made with: see Options of package shared.
type Options struct {
	Size         int64
	Perm         fs.FileMode
	Owners       []int
	Participants int
	Entries      int
	HugePages    int64
}

const (
	defaultSize         = 64 << 20
	defaultPerm         = 0o600
	defaultParticipants = 64
	defaultEntries      = 4096
)

// config returns what a new region is made with.
func (o *Options) config(name string) (Config, fs.FileMode, error) {
	if o == nil {
		o = &Options{}
	}
	if strings.IndexByte(name, 0) >= 0 {
		return Config{}, 0, fmt.Errorf("shared: region %q: a name has no NUL", name)
	}
	size, slots, entries := orElse(o.Size, defaultSize), orElse(int64(o.Participants), defaultParticipants), orElse(int64(o.Entries), defaultEntries)
	for o.Entries == 0 && entries > 16 && entries*EntryLen > size/4 {
		entries /= 2
	}
	cannot := func(format string, args ...any) (Config, fs.FileMode, error) {
		args = append([]any{size, slots, entries}, args...)
		return Config{}, 0, fmt.Errorf("shared: a region of %d bytes with %d participants and %d entries cannot be made: "+format, args...)
	}
	switch {
	case slots < 1 || slots > mostSlots:
		return cannot("it can have from 1 to %d participants", mostSlots)
	case entries < 1 || entries > mostSlots:
		return cannot("it can have from 1 to %d entries", mostSlots)
	case size > math.MaxInt64-Line:
		return cannot("it is too large")
	}
	c := Config{
		Nonce:   rand.Uint64(),
		size:    RoundUp(uint64(max(size, 0)), Line),
		Slots:   uint32(slots),
		entries: uint32(PowerOfTwo(uint64(entries))),
		created: time.Now().UnixNano(),
	}
	if p := c.layout(); p.Heap > c.size {
		return cannot("it needs %d bytes, and room for what is in it", p.Heap)
	}
	copy(c.name[:], name)
	return c, fs.FileMode(orElse(int64(o.Perm), defaultPerm)), nil
}

// creator makes the segment. Huge pages are reserved: one that is missing would else be a SIGBUS at
// the first write to it.
func (o *Options) creator() sysvipc.Creator {
	if o == nil || o.HugePages == 0 {
		return sysvipc.Creator{NoReserve: true}
	}
	return sysvipc.Creator{HugePages: o.HugePages}
}

// check refuses a segment that lets in anyone whom perm keeps out.
func (o *Options) check(there sysvipc.Object, perm fs.FileMode) error {
	return sysvipc.Creator{Owners: o.owners()}.Check(there, perm)
}

// checkFile is the same for a file. Its directory may have chosen the group of a file of this
// user.
func (o *Options) checkFile(f *regionFile, perm fs.FileMode) error {
	there, err := f.owned()
	if err != nil || (sysvipc.Creator{Owners: append(o.owners(), os.Geteuid())}).Check(there, perm) == nil {
		return err
	}
	return fmt.Errorf("%w (it belongs to user %d, group %d; its mode is %04o, and user %d asked for %04o. Remove it, or lower its mode, name its owner in Owners, or open it with OpenFile, which takes it as it is)",
		sysvipc.ErrUnsafe, there.UID, there.GID, there.Mode, os.Geteuid(), perm)
}

func (o *Options) owners() []int {
	if o == nil {
		return nil
	}
	return slices.Clone(o.Owners)
}

func orElse(v, def int64) int64 {
	if v == 0 {
		return def
	}
	return v
}

func PowerOfTwo(n uint64) uint64 {
	p := uint64(1)
	for p < n {
		p *= 2
	}
	return p
}
