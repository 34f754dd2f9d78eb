// Package model has no code: it proves the protocols of package shared, before
// and beside their implementation. Each .pml file here is one protocol in
// Promela, the language of the model checker spin(1): its words, who changes
// them in which order, and who repairs what after a kill -9. The comment at its
// top is the reference that the Go code follows line by line.
//
// The checker walks through every interleaving of three or four processes that
// take these steps, with a kill at every instant, and looks for a state that must
// not be: a broken assertion, or a survivor that waits for ever. What it cannot
// see: reordering by the processor (each step here is sequentially consistent, as
// sync/atomic is), and larger numbers than the models' few.
//
//	mutex.pml    Mutex: robust owner, robust list, waiters, takeover, threads that die late
//	rwmutex.pml  RWMutex: readers counted per participant
//	var.pml      Var and Doc: versioned cells
//	chan.pml     Chan: many producers, many consumers
//	ring.pml     the same as chanring.go has it: bounds instead of counters, batches, the end
//	map.pml      a stripe of a Map: writers and sweepers beside a reader
//	topic.pml    Topic: lossy and gated
//	records.pml  Records: records of any length
//	reap.pml     participants: attach, watch, reap, reuse of slots
//	init.pml     a region's first initialisation
//	join.pml     one PID namespace at a time
//	close.pml    Close beside operations of the same process
//	wait.pml     sleeping and waking
//
// A model that finds nothing proves nothing until it was seen to find something:
// every file has defects that are switched on by -DBUG_..., and the test demands
// that each is found. Runs with LIVE also look for cycles: survivors that neither
// block nor come to an end. The short form of the test makes one run of each model; all
// take minutes, and the deep ones some more and gigabytes:
//
//	SYSVIPC_MODELS=all go test ./shared/model
//	SYSVIPC_MODELS=deep go test -timeout 2h ./shared/model
//
// To look at one defect:
//
//	spin -a -DBUG_NO_PENDING -DNO_SWEEP mutex.pml && cc -O2 -DSAFETY -o pan pan.c && ./pan
//	spin -t -p -k mutex.pml.trail -DBUG_NO_PENDING -DNO_SWEEP mutex.pml
package model
