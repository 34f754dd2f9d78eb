package model

import (
	"testing"

	"github.com/sysvipc/sysvipc/internal/spin"
)

// Each defect breaks an assertion.
var runs = []spin.Run{
	{"session", "TURNS=1 T=2", spin.Holds}, // seconds
	{"session", "TURNS=1", spin.Holds},
	{"session", "TURNS=1 L=1 T=2 BACK", spin.Holds},              // the servers' clock went back
	{"session", "TURNS=1 BUG_LATE", spin.Violation},              // what a session began is done after its end: it comes in again
	{"session", "TURNS=2 BUG_UNKNOWN", spin.Violation},           // a swap without an answer counts as not done; it needs a call after that
	{"session", "TURNS=1 BUG_RETRY", spin.Violation},             // the servers store a message as often as it is sent
	{"session", "TURNS=1 BUG_NO_CAS", spin.Violation},            // they store it whatever the revision is
	{"session", "TURNS=1 BUG_CLOCK", spin.Violation},             // a client counts its lease from the answer
	{"session", "TURNS=1 BUG_ORDER", spin.Violation},             // a session comes in before its lease is written
	{"session", "TURNS=1 L=1 T=2 BACK BUG_SOON", spin.Violation}, // a waiter ends a lease that it has just heard of
}

func TestModel(t *testing.T) {
	t.Parallel()
	spin.Check(t, runs)
}

func TestEveryDefectIsSought(t *testing.T) {
	t.Parallel()
	spin.CheckTable(t, runs)
}
