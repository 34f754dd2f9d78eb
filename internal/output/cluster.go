package output

import (
	"encoding/json"
	"time"
)

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

// ClusterDetail is an object of a cluster as a whole.
type ClusterDetail struct {
	*ClusterObject
	Replicas    int               `json:"replicas"`              // on how many servers it is kept
	Leader      *string           `json:"leader"`                // the server that leads them
	Behind      []string          `json:"behind"`                // those of them that are away or not up to date
	Types       []ClusterType     `json:"types"`                 // of a queue
	MaxMessages *int64            `json:"max_messages"`          // of a queue; null: no limit
	MaxBytes    *int64            `json:"max_bytes"`             // of a queue; null: no limit
	MaxMessage  *int              `json:"max_message"`           // bytes of a message of a queue; null: the server's limit
	First       *time.Time        `json:"first"`                 // of a queue: when the first message that is on it was sent
	Last        *time.Time        `json:"last"`                  // of a queue: when the last of all was sent
	AckWait     *float64          `json:"ack_wait"`              // of a queue: seconds
	Duplicates  *float64          `json:"duplicates"`            // of a queue: seconds for which a repeated message is recognised
	Strict      *bool             `json:"strict"`                // of a queue
	Memory      *bool             `json:"memory"`                // of a queue: kept in memory only
	Receivers   []ClusterReceiver `json:"receivers"`             // of a queue
	Values      []int             `json:"values"`                // of a set
	Token       *uint64           `json:"token"`                 // of a set: of the last grant
	Operated    *time.Time        `json:"operated"`              // of a set: when it was last operated on
	Uses        []*ClusterUse     `json:"uses"`                  // of a set
	Value       json.RawMessage   `json:"value" nullable:"true"` // of a variable
	Revision    *uint64           `json:"revision"`              // of sets and variables
}

// ClusterType is how many messages of a type are on a queue of a cluster.
type ClusterType struct {
	Type     int64 `json:"type"`
	Messages int64 `json:"messages"`
}

// ClusterReceiver is how the servers know those that receive messages of one type.
type ClusterReceiver struct {
	Type     *int64     `json:"type"`      // null: a bridge, which receives all
	Waiting  int        `json:"waiting"`   // requests that wait for a message
	InFlight int        `json:"in_flight"` // messages that are not acknowledged yet
	Last     *time.Time `json:"last"`      // when a message was last delivered
}

// ClusterRemoved is what "rm" did with an object of a cluster.
type ClusterRemoved struct {
	Kind   string  `json:"kind" enum:"queue,semaphore set,variable"`
	Name   string  `json:"name"`
	Action string  `json:"action" enum:"removed,would-remove,keep"`
	Why    *string `json:"why"`
}
