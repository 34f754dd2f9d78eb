//go:build !race

package clustertest

// Race is whether the race detector is on.
const Race = false
