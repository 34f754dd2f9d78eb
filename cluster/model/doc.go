// Package model has no code: session.pml proves, in Promela, the language of the model checker
// spin(1), how package cluster keeps a lock of one a lock of one: sessions, leases, clocks, and
// messages that come late, twice, or whose outcome nobody gets to know.
//
// A model that finds nothing proves nothing until it was seen to find something: the file has
// defects that are switched on by -DBUG_..., and the long form of the test demands that each is
// found:
//
//	SYSVIPC_MODELS=all go test ./cluster/model
//
// To look at one defect:
//
//	spin -a -DBUG_LATE session.pml && cc -O2 -DSAFETY -o pan pan.c && ./pan
//	spin -t -p -k session.pml.trail -DBUG_LATE session.pml
package model
