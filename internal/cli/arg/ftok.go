package arg

import (
	"strconv"
	"strings"

	"github.com/sysvipc/sysvipc"
	"github.com/sysvipc/sysvipc/internal/cli"
)

// ParseFtok reads PATH:PROJ. The path may have colons.
func ParseFtok(s string) (sysvipc.Key, error) {
	colon := strings.LastIndexByte(s, ':')
	if colon < 1 {
		return 0, cli.Usage("ftok=%s: write ftok=PATH:PROJ, such as ftok=/srv/app:R", s)
	}
	proj, err := ParseProj(s[colon+1:])
	if err != nil {
		return 0, err
	}
	return sysvipc.Ftok(s[:colon], proj)
}

// ParseProj reads the project byte of ftok(3): a number as in ftok(path, 1), or a
// character as in ftok(path, 'R').
func ParseProj(s string) (byte, error) {
	if n, err := strconv.ParseUint(s, 0, 8); err == nil && (len(s) == 1 || s[0] != '0' || strings.HasPrefix(s, "0x")) {
		return byte(n), nil
	}
	if len(s) == 1 {
		return s[0], nil
	}
	return 0, cli.Usage("PROJ %q: give one character (R), or a number from 0 to 255 (1, 0x52); for the digit 1 as a character write 0x31", s)
}
