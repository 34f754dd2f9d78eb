package output

import "time"

// Call counts the calls of one process on one object, whatever their results.
type Call struct {
	NS       uint64       `json:"ns"`  // the inode of the IPC namespace
	Ref      *string      `json:"ref"` // nil: the calls were about no object, or found none
	Type     string       `json:"type"`
	ID       *int         `json:"id"`
	Op       string       `json:"op"`  // semop, msgrcv, …
	Cmd      *string      `json:"cmd"` // of semctl, shmctl and msgctl
	PID      int          `json:"pid"`
	Comm     string       `json:"comm"`
	Count    uint64       `json:"count"`
	Errors   uint64       `json:"errors"` // of these, they failed
	Errnos   []ErrnoCount `json:"errnos"`
	Untimed  uint64       `json:"untimed"` // of these, it is not known how long they took
	Total    int64        `json:"total_ns"`
	P50      int64        `json:"p50_ns"`
	P99      int64        `json:"p99_ns"`
	Max      int64        `json:"max_ns"`
	Partners []int        `json:"partners"` // the other processes that called about the object
}

// ErrnoCount is how many calls failed with an error.
type ErrnoCount struct {
	Errno string `json:"errno"`
	Count uint64 `json:"count"`
}

// CallEvent is one call, a line of "trace --events".
type CallEvent struct {
	Time   time.Time `json:"time"`
	NS     uint64    `json:"ns"`
	Ref    *string   `json:"ref"`
	Type   string    `json:"type"`
	ID     *int      `json:"id"`
	Op     string    `json:"op"`
	Cmd    *string   `json:"cmd"`
	PID    int       `json:"pid"`
	TID    int       `json:"tid"`
	Comm   string    `json:"comm"`
	Result int64     `json:"result"` // -1 if it failed
	Errno  *string   `json:"errno"`
	Took   *int64    `json:"took_ns"`
	Text   string    `json:"text"` // as strace(1) writes it
}

// Handover counts how often one process waited for, and got, what another gave.
type Handover struct {
	Ref    string `json:"ref"`
	SemNum *int   `json:"semnum"` // nil: of a queue
	From   *int   `json:"from"`   // the process that gave or sent; nil: it did so before the trace
	To     int    `json:"to"`     // the process that took or received
	Count  uint64 `json:"count"`
	Waited int64  `json:"waited_ns"` // in all
	Max    int64  `json:"max_ns"`

	FromComm, ToComm string `json:"-"`
}
