//go:build linux && (amd64 || arm64)

package bench

import "golang.org/x/sys/unix"

// all are the mechanisms by their names.
var all = map[string]*means{
	"signal":         {talk: gates(offerSignals, joinSignals), wakes: true, waits: "a signal is waited for, or interrupts"},
	"pipe":           {talk: opener[end]{offerPipe, joined}},
	"fifo":           {talk: opener[end]{offerFifo, joined}},
	"socketpair":     {talk: opener[end]{offerSocketpair, joined}},
	"unix-stream":    {talk: sockets(unix.AF_UNIX, unix.SOCK_STREAM)},
	"unix-dgram":     {talk: sockets(unix.AF_UNIX, unix.SOCK_DGRAM)},
	"unix-seqpacket": {talk: sockets(unix.AF_UNIX, unix.SOCK_SEQPACKET)},
	"tcp":            {talk: sockets(unix.AF_INET, unix.SOCK_STREAM)},
	"udp":            {talk: sockets(unix.AF_INET, unix.SOCK_DGRAM), loses: "it loses what finds no room, so a stream needs a protocol of its own"},
	"eventfd":        {talk: gates(offerEventfds, joinEventfds), wakes: true},
	"futex":          {talk: gates(offerFutexes, joinFutexes), wakes: true},
	"posix-mq":       {talk: posixQueues, most: mqMessage},
	"posix-sem":      {talk: gates(offerSemaphores, joinSemaphores), lock: semaphoreLocks, wakes: true},
	"sysv-sem":       {talk: semaphoreSets, lock: setLocks, wakes: true},
	"sysv-msg":       {talk: systemVQueues, most: msgMost},
	"sysv-shm":       {talk: segmentRings, state: lockedSegments, polls: "a segment has no way to wait: see sysv-sem"},
	"process-vm":     {talk: foreignMemory, state: foreignValues, wakes: true, polls: "it only reads: nothing tells the reader when"},
	"memfd-ring":     {talk: memfdRings},
	"flock":          {lock: fileLocks},
	"shared-chan":    {talk: inRegion(openChans, closeEnd), most: small, library: true},
	"shared-records": {talk: inRegion(openRecords, closeEnd), waits: "it decides itself how long it polls before it sleeps", library: true},
	"shared-topic":   {talk: inRegion(openTopics, closeEnd), most: small, many: true, waits: "it decides itself how long it polls before it sleeps", library: true},
	"shared-var":     {talk: inRegion(openVariables, closeEnd), state: values, wakes: true, waits: "it decides itself how long it polls before it sleeps", library: true},
	"shared-mutex":   {lock: mutexes, library: true},
	"open2":          {talk: opener[end]{offer: startCat}, process: true, wakes: true, waits: "cat(1) sleeps while it waits"},
}
