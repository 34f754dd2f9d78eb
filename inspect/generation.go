package inspect

import "github.com/sysvipc/sysvipc"

// Generation is a key that two segments have had: the older one is removed and still attached, so its users and those of
// the current one do not share memory.
type Generation struct{ Removed, Current *Object }

// findGenerations finds the keys of which processes still use a removed segment beside the current one.
func (s *Snapshot) findGenerations() {
	removed := map[sysvipc.Key][]*Object{}
	for i := range s.Objects {
		if o := &s.Objects[i]; o.FormerKey != sysvipc.Private {
			removed[o.FormerKey] = append(removed[o.FormerKey], o)
		}
	}
	if len(removed) == 0 {
		return
	}
	for i := range s.Objects {
		if o := &s.Objects[i]; o.Segment != nil && !o.Segment.Destroyed {
			for _, old := range removed[o.Key] {
				s.Generations = append(s.Generations, Generation{Removed: old, Current: o})
			}
		}
	}
}
