package run

import (
	"strconv"
	"strings"
)

// withSlot is env for a command that has this slot. It changes env.
func withSlot(env []string, slot int) []string {
	kept := env[:0]
	for _, v := range env {
		if !strings.HasPrefix(v, SlotVariable+"=") {
			kept = append(kept, v)
		}
	}
	return append(kept, SlotVariable+"="+strconv.Itoa(slot))
}

// lookEnv finds a variable. Of several, the first counts, as for getenv(3).
func lookEnv(env []string, name string) (string, bool) {
	for _, v := range env {
		if value, ok := strings.CutPrefix(v, name); ok && strings.HasPrefix(value, "=") {
			return value[1:], true
		}
	}
	return "", false
}
