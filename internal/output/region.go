package output

import (
	"encoding/json"
	"time"
)

// Region is a region of package shared. Size and Used are bytes.
type Region struct {
	Ref             string    `json:"ref"`
	Name            *string   `json:"name"`
	Size            int64     `json:"size"`
	Used            int64     `json:"used"`
	StructureCount  int       `json:"structure_count"`
	MaxStructures   int       `json:"max_structures"`
	ProcessCount    int       `json:"process_count"`
	DeadCount       int       `json:"dead_count"` // killed, and not reaped
	MaxProcesses    int       `json:"max_processes"`
	Created         time.Time `json:"created"`
	*RegionContents `optional:"true"`
}

// RegionContents are what "region show" adds.
type RegionContents struct {
	Structures []Structure   `json:"structures"`
	Processes  []Participant `json:"processes"`
	Holds      []Hold        `json:"holds"`
}

// Structure is a named value or structure of a region. Offset and Size are bytes.
type Structure struct {
	Name     string         `json:"name"`
	Kind     string         `json:"kind"`
	Offset   int64          `json:"offset"`
	Size     int64          `json:"size"`
	Capacity *int           `json:"capacity"`
	Type     *StructureType `json:"type"`
	Key      *StructureType `json:"key,omitempty"` // of a map
}

// StructureType is that of a value in a region, as Go has it. Size is bytes.
type StructureType struct {
	Go     string      `json:"go"`
	Size   int         `json:"size"`
	Fields []TypeField `json:"fields"`
}

// TypeField is a part of a type; the first one of a type is the whole. Size and Offset are bytes.
type TypeField struct {
	Name   string      `json:"name"`
	Kind   string      `json:"kind"`
	Count  *int        `json:"count"` // of an array
	Size   int         `json:"size"`
	Offset int         `json:"offset"`
	Fields []TypeField `json:"fields,omitempty"`
}

// Participant is a process that has a region open, or had when it was killed.
type Participant struct {
	Slot        int       `json:"slot"`
	Incarnation uint64    `json:"incarnation"`
	PID         int       `json:"pid"`
	Comm        *string   `json:"comm"`
	UID         int       `json:"uid"`
	Joined      time.Time `json:"joined"`
	Alive       bool      `json:"alive"`
}

// Hold is a process that holds a structure of a region.
type Hold struct {
	Structure string   `json:"structure"`
	PID       *int     `json:"pid"`
	Slot      *int     `json:"slot"`
	Role      string   `json:"role" enum:"locks,reads,subscribes"`
	TID       *int     `json:"tid"`    // of a lock
	Reads     *uint64  `json:"reads"`  // how many times it reads
	Behind    *uint64  `json:"behind"` // messages that it has still to take
	Unknown   []string `json:"unknown"`
}

// Value is a value of a region in the form of its type.
type Value struct {
	Name  string `json:"name"`
	Kind  string `json:"kind"`
	Value any    `json:"value"`
}

// Change is a line of "region watch" and "region sub".
type Change struct {
	Time  string          `json:"time"` // RFC 3339 with microseconds, since values come quickly
	Name  string          `json:"name"`
	Value json.RawMessage `json:"value"`
}

// Rate is a line of "region hz".
type Rate struct {
	Time         string   `json:"time"` // RFC 3339 with microseconds
	Name         string   `json:"name"`
	Kind         string   `json:"kind"`
	InPerSecond  float64  `json:"in_per_second"`
	OutPerSecond *float64 `json:"out_per_second"`
	Waiting      *int     `json:"waiting"`
}

// Entry is one of a map.
type Entry struct {
	Key   json.RawMessage `json:"key"`
	Value json.RawMessage `json:"value"`
}

// Lock is the value of a mutex.
type Lock struct {
	Locked  bool     `json:"locked"`
	PID     *int     `json:"pid"`
	Comm    *string  `json:"comm"`
	Died    bool     `json:"died"` // its owner died, and nobody has repaired what it protects
	Lost    bool     `json:"lost"`
	Unknown []string `json:"unknown"`
}

// TopicState is the value of a topic.
type TopicState struct {
	Capacity  int    `json:"capacity"`
	Published uint64 `json:"published"`
}

// RecordsState is the value of records. Both are bytes.
type RecordsState struct {
	Room    int `json:"room"`
	Waiting int `json:"waiting"`
}

// ChanState is the value of a chan.
type ChanState struct {
	Capacity int    `json:"capacity"`
	Sent     uint64 `json:"sent"`
	Received uint64 `json:"received"`
	Waiting  int    `json:"waiting"`
}

// Base64 is text or bytes that are not UTF-8.
type Base64 struct {
	Codec  *string `json:"codec,omitempty"` // of a document
	Base64 []byte  `json:"base64"`
}
