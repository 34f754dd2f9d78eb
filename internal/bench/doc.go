// Package bench holds benchmarks only: what the calls of package sysvipc cost beside
// the same calls made bare, and beside a C program that makes them.
//
//	go test -bench . ./internal/bench
//
// Times of machines that others use too say little, ratios more: each benchmark takes
// turns with its floors, a fraction of a millisecond each, and reports the median of
// the ratios of all turns. See BENCHMARKS.md at the top of the module for how to read
// them, and for results.
package bench
