package model

import (
	"testing"

	"github.com/sysvipc/sysvipc/internal/spin"
)

// TestModels runs spin on each model, as it is and with its defects.
func TestModels(t *testing.T) {
	t.Parallel()
	spin.Check(t, runs)
}

// TestModelsDeep runs the same models with more steps and more kills.
func TestModelsDeep(t *testing.T) {
	if !spin.Deep() {
		t.Skip("the deep form runs with SYSVIPC_MODELS=deep")
	}
	spin.Check(t, deepRuns)
}

func TestEveryDefectIsSought(t *testing.T) {
	t.Parallel()
	spin.CheckTable(t, runs)
}
