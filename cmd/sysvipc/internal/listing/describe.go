package listing

import (
	"github.com/sysvipc/sysvipc"
	"github.com/sysvipc/sysvipc/internal/cli/ref"
	"github.com/sysvipc/sysvipc/internal/output"
)

// Describe says in a few words which object it is.
func (v *View) Describe(e *Entry) string {
	what := ""
	switch {
	case e.Segment != nil:
		what = ref.SegmentText(e.Segment)
	case e.Set != nil:
		what = ref.SetText(e.Set)
	case e.Queue != nil:
		what = ref.QueueText(e.Queue)
	}
	return ref.Describe(e.Key, what, v.Users.Text(e.UID))
}

// Show is an object as it is published.
func Show(kind sysvipc.Kind, id int) (*output.Object, error) {
	e, err := Stat(kind, id)
	if err != nil {
		return nil, err
	}
	return e.Published(NewView()), nil
}
