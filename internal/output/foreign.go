package output

import (
	"encoding/json"
	"time"
)

// Decoded is what an object of another program holds, by that program's own layout: As says which, and the field of
// that name is there.
type Decoded struct {
	As       string          `json:"as" enum:"ntp,php,semian,postgres"`
	NTP      *NTPClock       `json:"ntp,omitempty"`
	PHP      *PHPVariables   `json:"php,omitempty"`
	Semian   *SemianResource `json:"semian,omitempty"`
	Postgres *PostgresHeader `json:"postgres,omitempty"`
}

// NTPClock is the last sample of a reference clock, as gpsd and others leave it for ntpd and chronyd: struct shmTime of
// NTP's driver 28. Times that no clock shows are nil, and named in Unknown.
type NTPClock struct {
	Unit      *int       `json:"unit"`       // by the key; nil for another key
	Bits      int        `json:"bits"`       // of the program that made it: 32 or 64
	Mode      int        `json:"mode"`       // 1: the count guards a sample; 0: nothing does
	Count     int        `json:"count"`      // grows by two with each sample in mode 1
	Valid     bool       `json:"valid"`      // no reader has taken the sample yet
	Clock     *time.Time `json:"clock"`      // the time that the clock told
	Received  *time.Time `json:"received"`   // the time of this machine then
	Offset    *float64   `json:"offset"`     // seconds by which the clock was ahead of this machine
	SampleAge *float64   `json:"sample_age"` // seconds since Received
	Leap      int        `json:"leap"`       // 0: none, 1 and 2: a second is inserted, left out, 3: the clock is not set
	Precision int        `json:"precision"`  // of the clock: a power of two, in seconds
	Samples   int        `json:"nsamples"`
	Unknown   []string   `json:"unknown"`
}

// PHPVariables are what PHP's shm_put_var left in a segment. Start, End, Free and Total are bytes, as PHP's header has them.
type PHPVariables struct {
	Bits      int           `json:"bits"` // of the PHP that made it: 32 or 64
	Start     int64         `json:"start"`
	End       int64         `json:"end"`
	Free      int64         `json:"free"`
	Total     int64         `json:"total"`
	Variables []PHPVariable `json:"variables"`
	Whole     bool          `json:"whole"` // false: later ones were not read, or are damaged
	Why       *string       `json:"why"`   // why it is not whole
}

// PHPVariable is one of them. Value is nil if it is damaged, or too long to be shown.
type PHPVariable struct {
	Key    int64           `json:"variable"` // what shm_get_var takes
	Length int64           `json:"length"`   // bytes, serialized
	Type   string          `json:"php_type"`
	Value  json.RawMessage `json:"value" nullable:"true"` // objects have their class in "class"
}

// SemianResource is a set of Semian, the circuit breaker of Ruby.
type SemianResource struct {
	Lock       int `json:"lock"`               // of its own data: 0 while it is held
	Tickets    int `json:"tickets"`            // that can be taken now
	Configured int `json:"configured_tickets"` // that there are in all
	Taken      int `json:"taken_tickets"`
	Workers    int `json:"registered_workers"`
}

// PostgresHeader is the header of PostgreSQL's shared memory, by which a server keeps another one from its data.
type PostgresHeader struct {
	Bits    int    `json:"bits"`        // of the server: 32 or 64
	Creator int    `json:"creator_pid"` // of the postmaster
	Total   uint64 `json:"total_size"`  // bytes, of the segment
	Free    uint64 `json:"free_offset"`
	Control uint32 `json:"dsm_control"` // the handle of its dynamic shared memory; 0 before version 9.4
	Device  uint64 `json:"device"`      // of the data directory, as stat(2) has it
	Inode   uint64 `json:"inode"`       // of the data directory
}
