package main

import (
	"github.com/sysvipc/sysvipc"
	"github.com/sysvipc/sysvipc/internal/cli/ref"
	"github.com/sysvipc/sysvipc/internal/output"
)

// describe says in a few words which object it is.
func (v *view) describe(e *entry) string {
	what := ""
	switch {
	case e.seg != nil:
		what = ref.SegmentText(e.seg)
	case e.set != nil:
		what = ref.SetText(e.set)
	case e.queue != nil:
		what = ref.QueueText(e.queue)
	}
	return ref.Describe(e.Key, what, v.users.Text(e.UID))
}

// shown is an object as it is published.
func shown(kind sysvipc.Kind, id int) (*output.Object, error) {
	e, err := stat(kind, id)
	if err != nil {
		return nil, err
	}
	return e.object(newView()), nil
}
