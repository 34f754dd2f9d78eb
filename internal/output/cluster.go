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

// ClusterUse is a session that holds something of a semaphore set of a cluster, or waits for it.
type ClusterUse struct {
	Set   string     `json:"set"`
	Role  string     `json:"role" enum:"holds,waits"`
	Host  *string    `json:"host"` // nil: the session has ended, and is to be given back for
	PID   *int       `json:"pid"`
	Since *time.Time `json:"since"` // when the session began, by the clock of its host
	Ops   []string   `json:"ops"`   // as "sem op" takes them
}
