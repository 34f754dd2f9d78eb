package dashboard

import (
	"cmp"
	"slices"
	"strconv"

	"github.com/sysvipc/sysvipc"
	"github.com/sysvipc/sysvipc/inspect"
)

// share is what one owner has.
type share struct {
	uid, owner string
	objects    [kinds]int
	bytes      [kinds]int64 // of segments, and of messages on queues; sets have none
}

func (s *share) add(other *share) {
	for k := range kinds {
		s.objects[k] += other.objects[k]
		s.bytes[k] += other.bytes[k]
	}
}

// sharesOf returns the owners with the most bytes, then the most objects. What others have is one
// share, "other", which comes last and is there if there are any.
func sharesOf(snap *inspect.Snapshot) []*share {
	byUID := map[int]*share{}
	var all []*share
	for i := range snap.Objects {
		o := &snap.Objects[i]
		s := byUID[o.UID]
		if s == nil {
			s = &share{uid: strconv.Itoa(o.UID)}
			byUID[o.UID], all = s, append(all, s)
		}
		k := o.Kind - sysvipc.KindSegment
		s.objects[k]++
		switch {
		case o.Segment != nil:
			s.bytes[k] += o.Segment.Size
		case o.Queue != nil:
			s.bytes[k] += int64(o.Queue.Bytes)
		}
	}
	slices.SortFunc(all, func(a, b *share) int {
		return cmp.Or(cmp.Compare(b.bytes[0]+b.bytes[2], a.bytes[0]+a.bytes[2]),
			cmp.Compare(b.objects[0]+b.objects[1]+b.objects[2], a.objects[0]+a.objects[1]+a.objects[2]), cmp.Compare(a.uid, b.uid))
	})
	if len(all) > MaxOwners {
		rest := &share{uid: "other", owner: "other"}
		for _, s := range all[MaxOwners:] {
			rest.add(s)
		}
		all = append(all[:MaxOwners], rest)
	}
	for _, s := range all {
		if s.owner == "" {
			s.owner = cmp.Or(userNames.of(s.uid), s.uid)
		}
	}
	return all
}

var (
	ownerObjects = gauge("owner_objects", "Objects by owner: the 20 with the most bytes, and the others as one.", "uid", "owner", "type")
	ownerBytes   = gauge("owner_bytes", "Bytes of segments and of messages on queues by owner, likewise.", "uid", "owner", "type")
)

func (s sender) owners(look *Look) {
	for _, of := range sharesOf(look.Snapshot) {
		for k, word := range kindWords {
			s.send(ownerObjects, float64(of.objects[k]), of.uid, of.owner, word)
			if k+int(sysvipc.KindSegment) != int(sysvipc.KindSemaphores) {
				s.send(ownerBytes, float64(of.bytes[k]), of.uid, of.owner, word)
			}
		}
	}
}
