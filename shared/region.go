package shared

import (
	"context"
	"io/fs"
	"os"
	"time"

	"github.com/sysvipc/sysvipc"
	"github.com/sysvipc/sysvipc/shared/internal/core"
	"github.com/sysvipc/sysvipc/shared/internal/structure"
)

// Region is a segment that holds named, typed structures: variables, locks, counters. Safe
// for concurrent use. Close it; its structures are then closed too.
//
// A process that is killed, at any instant, leaves the region usable for the others: see
// each type for what becomes of its work. In a copy of the segment, such as "sysvipc restore"
// makes, who had the original open counts as killed.
type Region struct{ handle }

type handle = core.Handle

// opened is the region of r, or the error with which it could not be opened.
func opened(r *core.Region, err error) (*Region, error) {
	if err != nil {
		return nil, err
	}
	return &Region{core.Hold(r)}, nil
}

// ErrNoRegion: a segment, or a file, does not begin as a region does.
var ErrNoRegion = core.ErrNoRegion

// Options are the rarer choices for a region that is made. One that exists keeps what it
// was made with.
type Options struct {
	// Size is the region's size in bytes, 64 MiB if 0. Memory is taken only as it is
	// touched.
	Size int64
	// Perm is who may use it, whatever the umask; 0 means 0o600.
	Perm fs.FileMode
	// Owners are users to whom a region that Ensure finds may belong, beside this one and
	// root: see [sysvipc.Creator.Check]. Ensure refuses one that lets in anyone whom Perm would
	// keep out.
	Owners []int
	// Participants is how many processes may have it open at a time, 64 if 0. Where there are
	// more than 128, who waits looks ten times a second whether one of them has died.
	Participants int
	// Entries is how many named structures it may hold, 4,096 if 0, or fewer in a region of
	// less than 8 MiB. An entry takes 512 bytes.
	Entries int
	// HugePages, if not 0, is the page size of a region in a segment in bytes, such as 2<<20; 1 takes the
	// machine's default size. All of Size is reserved when the region is made, which fails if so many
	// huge pages are not free: see [sysvipc.Creator.HugePages]. A file has those of its file system.
	HugePages int64
}

// Ensure opens the region with this name, or makes it. However many processes race, one
// region comes out, and one that was killed while it made it is replaced. One that lets in
// others than [Options.Perm] does is refused with [sysvipc.ErrUnsafe].
func Ensure(ctx context.Context, name string, opts *Options) (*Region, error) {
	return opened(core.Ensure(ctx, name, sysvipc.KeyOf(name), (*core.Options)(opts), structure.Kinds))
}

// EnsureKey is Ensure for a region that is known by its key, and has no name.
func EnsureKey(ctx context.Context, key sysvipc.Key, opts *Options) (*Region, error) {
	return opened(core.Ensure(ctx, "", key, (*core.Options)(opts), structure.Kinds))
}

// Open opens the region with this name. It fails with [fs.ErrNotExist] if there is none.
func Open(ctx context.Context, name string) (*Region, error) {
	return opened(core.OpenSegment(ctx, name, sysvipc.KeyOf(name), structure.Kinds))
}

// OpenKey is Open for a region that is known by its key.
func OpenKey(ctx context.Context, key sysvipc.Key) (*Region, error) {
	return opened(core.OpenSegment(ctx, "", key, structure.Kinds))
}

// Join opens the region that lies in a segment, whatever its name is. It fails with
// [ErrNoRegion] if the segment is none.
func Join(ctx context.Context, seg *sysvipc.Segment) (*Region, error) {
	return opened(core.Join(ctx, seg, structure.Kinds))
}

// EnsureFile opens the region in the file at path, or makes it. It is a region like those
// in segments, and what is in it is still there after a reboot: who had it open then counts
// as killed, as in a copy of the file. The file takes its whole size on the disk from the beginning, so that there is
// room for all that is written.
//
// A file that lets in others than [Options.Perm] does is refused with [sysvipc.ErrUnsafe], as
// a segment is.
//
// The file must be on a file system of this machine, whose processes alone may have it
// open. What they write gets to the disk some time later, in no order, so that after a
// failure of the power it may be any mixture of old and new: see [Region.Sync]. Nobody
// shall cut the file short while it is open: the processes that use it would get SIGBUS.
func EnsureFile(ctx context.Context, path string, opts *Options) (*Region, error) {
	return opened(core.InFile(ctx, path, os.O_CREATE, (*core.Options)(opts), structure.Kinds))
}

// CreateFile makes a region in a new file. It fails with [fs.ErrExist] if there is a file
// at path.
func CreateFile(ctx context.Context, path string, opts *Options) (*Region, error) {
	return opened(core.InFile(ctx, path, os.O_CREATE|os.O_EXCL, (*core.Options)(opts), structure.Kinds))
}

// OpenFile opens the region in the file at path. It fails with [fs.ErrNotExist] if there is
// none.
func OpenFile(ctx context.Context, path string) (*Region, error) {
	return opened(core.InFile(ctx, path, 0, nil, structure.Kinds))
}

// Close leaves the region. It fails, and changes nothing, while this process holds a
// [Mutex] or an [RWMutex] in it. Goroutines that wait in the region get [fs.ErrClosed]. For
// those that are just writing it waits; if one of them does so for a second, in a function
// that it was given, Close fails.
//
// What other goroutines do in the region meanwhile is done, and their calls return nil, or is not
// done and returns fs.ErrClosed.
func (r *Region) Close() error { return core.Of(r).Close() }

// Segment returns the segment that the region lies in, or nil if that is a file.
func (r *Region) Segment() *sysvipc.Segment { return core.Of(r).Segment }

// Remove removes the segment or the file. All who have the region open get
// [sysvipc.ErrRemoved] from then on: those who wait in it at once, others within a second or
// so. They close it, and may make a new one. So they do where others remove it, such as by
// ipcrm(1), within a second.
func (r *Region) Remove() error { return core.Of(r).Remove() }

// Drop removes what lies in the region under a name. All who use it get [sysvipc.ErrRemoved] from
// then on: those who wait for it or for its lock at once, others within a second or so. They may
// declare the name again, with any type. Drop fails with [fs.ErrNotExist] if there is nothing of
// that name, and while a process holds the [Mutex] or [RWMutex] that it is. It waits for a writer
// that is writing, until ctx is done.
//
// A kill leaves the structure as it was, or removed. Its bytes are used for others when
// all processes that have the region open know that it is gone, Go programs within some seconds,
// and C programs, and others that have its segment attached, have detached it.
func (r *Region) Drop(ctx context.Context, name string) error {
	return core.Of(r).RemoveEntry(ctx, name)
}

// Sync writes the region to the disk, if it lies in a file, and returns when that is done.
func (r *Region) Sync() error { return core.Of(r).Sync() }

// Info is what a region says of itself.
type Info struct {
	Name         string // "" for one that is known by its key
	Size         int64  // bytes
	Used         int64  // bytes that are given to the header and to structures
	Participants int    // at most
	Entries      int    // structures at most
	Nonce        uint64 // another one for each region
	Created      time.Time
}

// Info returns what the region says of itself.
func (r *Region) Info() (Info, error) {
	i, err := core.Of(r).Describe()
	return Info(i), err
}

// Participant is a process that has the region open, or had it open when it was killed.
type Participant struct {
	Slot        int
	Incarnation uint32 // counts the slot's owners
	PID         int    // as the process knows itself
	UID         int
	Joined      time.Time
	Alive       bool // if not, what it left half done waits for the next who joins or sleeps, or for Reap
}

// Participants returns who has the region open, in the order of their slots. What it says
// of them is what they have written.
func (r *Region) Participants() (all []Participant, err error) {
	there, err := core.Of(r).Participants()
	for _, p := range there {
		all = append(all, Participant(p))
	}
	return all, err
}

// Reap brings into order what participants that were killed have left half done, and reports
// whether there were any. It is needed only where nobody sleeps in the region and nobody
// joins it, such as among C programs.
func (r *Region) Reap() (bool, error) { return core.Of(r).Reap() }
