package history

// Sample is what a look amounts to. The unknown is the largest number of its type.
type Sample struct {
	Time                                   int64 // Unix time in milliseconds
	Bytes, Resident, Swapped, MessageBytes uint64
	Segments, Sets, Semaphores, Queues     uint32
	Attaches, Messages, Waiting, Oldest    uint32 // the last in seconds
	Orphans, Candidates, Deadlocks         uint32
	Blocked                                uint32 // queues that are full or stuck
}

// largest makes each number the larger one of two samples.
func (s *Sample) largest(o *Sample) {
	s.Time = o.Time
	for _, p := range [][2]*uint64{{&s.Bytes, &o.Bytes}, {&s.Resident, &o.Resident}, {&s.Swapped, &o.Swapped}, {&s.MessageBytes, &o.MessageBytes}} {
		*p[0] = max(*p[0], *p[1])
	}
	for _, p := range [][2]*uint32{
		{&s.Segments, &o.Segments},
		{&s.Sets, &o.Sets},
		{&s.Semaphores, &o.Semaphores},
		{&s.Queues, &o.Queues},
		{&s.Attaches, &o.Attaches},
		{&s.Messages, &o.Messages},
		{&s.Waiting, &o.Waiting},
		{&s.Oldest, &o.Oldest},
		{&s.Orphans, &o.Orphans},
		{&s.Candidates, &o.Candidates},
		{&s.Deadlocks, &o.Deadlocks},
		{&s.Blocked, &o.Blocked},
	} {
		*p[0] = max(*p[0], *p[1])
	}
}
