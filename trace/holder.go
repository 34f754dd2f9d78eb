package trace

import "time"

// Holder is a process that was seen taking from a semaphore more than it gave back.
type Holder struct {
	ID, Index int // of the set, and of the semaphore in it
	Process
	// Taken is how much more it took than it gave. Where Zero is true, processes lock the semaphore by adding to it, and wait
	// until it is zero: then it is what the process added.
	Taken int
	Zero  bool
	// Certain is true if every operation since the semaphore was made, or got its value by SETVAL or SETALL, is accounted
	// for, no other process gives what it did not take, and the sum is the value that the semaphore has. Otherwise Taken
	// is what was seen since Began.
	Certain bool
	// Ended is true if the process has ended. What it took with SEM_UNDO the kernel has given back then.
	Ended bool
	Last  time.Time // when it last operated on the semaphore
	Began time.Time // when the account of the semaphore began
}
