package output

import "time"

// Measurement is what "bench" measured of one mechanism in one mode and placement. Its times are nanoseconds of one
// operation: a round trip, a message of a stream, a lock and unlock.
type Measurement struct {
	Mechanism string    `json:"mechanism"`
	Mode      string    `json:"mode" enum:"round-trip,spin,paced,idle,stream-64,stream-64k,one-to-many,lock,hand-over,read,start-up"`
	Placement string    `json:"placement" enum:"same,other,free"` // of the two processes: the same processor, two, or where the kernel puts them
	Bytes     int       `json:"bytes"`                            // of a message
	Count     int       `json:"count"`                            // operations that were timed
	Median    float64   `json:"median_ns"`
	Q1        float64   `json:"q1_ns"`
	Q3        float64   `json:"q3_ns"`
	P99       float64   `json:"p99_ns"`
	Rate      *float64  `json:"bytes_per_s"` // of a stream
	Rounds    []float64 `json:"rounds_ns"`   // the median of each round; all measurements take turns within a round
}

// Skipped is what "bench" could not measure, and why.
type Skipped struct {
	Mechanism string  `json:"mechanism"`
	Mode      *string `json:"mode"`      // nil: no mode
	Placement *string `json:"placement"` // nil: no placement
	Reason    string  `json:"reason"`
}

// Bench is how and where "bench" measured.
type Bench struct {
	Time        time.Time `json:"time"`
	Version     string    `json:"version"`
	Depth       string    `json:"depth" enum:"quick,normal,full"`
	Seconds     float64   `json:"seconds"`
	Kernel      string    `json:"kernel"`
	Arch        string    `json:"arch"`
	Processor   *string   `json:"processor"`
	Processors  []int     `json:"processors"`  // this process can run on these
	Same        []int     `json:"same"`        // the processor of placement same
	Other       []int     `json:"other"`       // the two of placement other; empty: there is one only
	Siblings    *bool     `json:"siblings"`    // these two are threads of one core
	Virtual     *bool     `json:"virtual"`     // a virtual machine
	Mitigations []string  `json:"mitigations"` // of the processor's flaws
	Governor    *string   `json:"governor"`    // of the processor's frequency
	Quota       *float64  `json:"quota"`       // processors that the cgroup allows; nil: all
	Load        *float64  `json:"load"`        // runnable tasks before the run, over a minute
	LoadAfter   *float64  `json:"load_after"`
	Clock       float64   `json:"clock_ns"`  // one reading of the clock, which times are less
	Namespace   bool      `json:"namespace"` // the processes had an IPC namespace of their own
	Limits      []Setting `json:"limits"`    // of the mechanisms
	Unknown     []string  `json:"unknown"`
}

// Setting is a file below /proc/sys.
type Setting struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// Judgement is what "bench" concludes.
type Judgement struct {
	Question  string   `json:"question"`  // fastest-round-trip, fastest-stream, survives-kill, message, stream, state, lock
	Mechanism *string  `json:"mechanism"` // nil: there is no answer, as the quartiles of the ratio span 1
	Next      *string  `json:"next"`      // the one that it is compared with
	Ratio     *float64 `json:"ratio"`     // of the time of the next one to its own: the median over all rounds
	RatioQ1   *float64 `json:"ratio_q1"`
	RatioQ3   *float64 `json:"ratio_q3"`
	Text      string   `json:"text"`
}

// Comparison is how a measurement differs from that of an older run.
type Comparison struct {
	Mechanism string  `json:"mechanism"`
	Mode      string  `json:"mode"`
	Placement string  `json:"placement"`
	Ratio     float64 `json:"ratio"` // of the new time to the old: the median over all pairs of rounds
	RatioQ1   float64 `json:"ratio_q1"`
	RatioQ3   float64 `json:"ratio_q3"`
	Result    string  `json:"result" enum:"faster,slower,undecided"` // undecided: the quartiles span 1
}
