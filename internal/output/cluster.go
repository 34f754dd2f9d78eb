package output

import "time"

// ClusterObject is what the servers of a cluster keep under a name.
type ClusterObject struct {
	Kind       string     `json:"kind" enum:"queue,semaphore set,variable"`
	Name       string     `json:"name"`
	Messages   *int64     `json:"messages"`   // of a queue
	Bytes      *int64     `json:"bytes"`      // of a queue, as stored
	Semaphores *int       `json:"semaphores"` // of a set
	Holders    *int       `json:"holders"`    // of a set: sessions that hold something with undo
	Waiters    *int       `json:"waiters"`    // of a set
	Created    *time.Time `json:"created"`    // of queues and sets
}
