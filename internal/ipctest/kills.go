package ipctest

import (
	"os"
	"strconv"
)

// Kills says how often a torture kills: as often as SYSVIPC_KILLS says, for its long form, or else n times.
func Kills(n int) int {
	if long, err := strconv.Atoi(os.Getenv("SYSVIPC_KILLS")); err == nil {
		return long
	}
	return n
}
