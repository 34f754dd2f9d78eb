package output

// ShownObject is what "show" tells: the object with what is in it. One of the two is set, for a set or a queue.
type ShownObject struct {
	*Object
	*Semaphores `when:"type=sem"`
	*Contents   `when:"type=msg"`
	Decoded     *Decoded `json:"decoded"` // what a known program keeps in it; nil for others
}

// ExplainedObject is what "explain" tells: the object with its users, and the paragraph.
type ExplainedObject struct {
	*Object
	Explanation string `json:"explanation"`
}

// Semaphores are those of a set.
type Semaphores struct {
	Semaphores []Semaphore `json:"semaphores"`
}

// Semaphore is one of a set. All is nil, and named in Unknown, to a user who may not read the set.
type Semaphore struct {
	Index   int      `json:"index"`
	Value   *int     `json:"value"`
	PID     *int     `json:"pid"`  // of the process that operated on it last
	NCnt    *int     `json:"ncnt"` // how many threads wait to acquire it
	ZCnt    *int     `json:"zcnt"` // how many threads wait for zero
	Unknown []string `json:"unknown"`
}

// Values are those of a set, or of some of its semaphores.
type Values struct {
	Ref    string `json:"ref"`
	Values []int  `json:"values"`
}

// MadeObject is what "mk" tells.
type MadeObject struct {
	*Object
	Made bool `json:"made"` // it is new
}

// CollectedObject is what "gc" tells. Why says why it is kept.
type CollectedObject struct {
	*Object
	Action string  `json:"action" enum:"removed,would-remove,keep"`
	Why    *string `json:"why"`
}

// RemovedObject is what "rm" tells. Why says why it is kept, or what became of it.
type RemovedObject struct {
	Ref    string  `json:"ref"`
	Type   string  `json:"type" enum:"shm,sem,msg"`
	ID     int     `json:"id"`
	Action string  `json:"action" enum:"removed,would-remove,keep"`
	Why    *string `json:"why"`
}

// ChangedObject is what "set" tells: the object as it is then, and which flags did something.
type ChangedObject struct {
	*Object
	Done []string `json:"done"`
}
