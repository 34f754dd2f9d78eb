package sysvipc

// WaitersInProcess returns how many calls of this process wait, in the kernel or in line.
func WaitersInProcess() int { return int(waiting.count.Load()) }

// ReceiversInLine returns how many of them wait for the same selection on q.
func ReceiversInLine(q *Queue, sel Selector) int {
	typ, flags, _ := sel.kernel(q.object)
	key := lineKey{object: objectKey{q.kind, q.id}, call: 'r', number: typ, flags: flags}
	waiting.mu.Lock()
	defer waiting.mu.Unlock()
	if l := waiting.lines[key]; l != nil {
		return l.waiters.Len()
	}
	return 0
}
