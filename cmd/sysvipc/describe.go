package main

// describe says in a few words which object it is.
func (v *view) describe(e *entry) string {
	what := ""
	switch {
	case e.seg != nil:
		what = SegmentText(e.seg)
	case e.set != nil:
		what = SetText(e.set)
	case e.queue != nil:
		what = QueueText(e.queue)
	}
	return Describe(e.Key, what, v.users.Text(e.UID))
}
