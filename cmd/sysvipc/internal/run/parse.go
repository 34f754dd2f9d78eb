package run

import (
	"strconv"
	"strings"
	"time"
)

// Default is what the flags change. Its Busy is the exit code of all verbs for "would
// have to wait, or waited long enough".
func Default() Config { return Config{Timeout: Forever, Mode: 0o600, Busy: 6} }

// ParseEarly reads the arguments of "sysvipc run" without the library that does it
// otherwise, and only if there is no doubt: it returns false for whatever is unusual,
// misspelt or missing. Then the whole command is started, which knows all forms, and has
// the words for what is wrong.
func ParseEarly(args []string) (c Config, ok bool) {
	c = Default()
	wait, nowait := c.Timeout, false
	for len(args) > 0 && strings.HasPrefix(args[0], "-") && args[0] != "--" {
		flag, value, inline := strings.Cut(args[0], "=")
		args = args[1:]
		if flag == "--nowait" && !inline {
			nowait = true
			continue
		}
		if !inline {
			if len(args) == 0 {
				return c, false
			}
			value, args = args[0], args[1:]
		}
		if !c.set(flag, value, &wait) {
			return c, false
		}
	}
	if len(args) > 0 && args[0] == "--" {
		args = args[1:]
	}
	if nowait {
		if wait != Forever {
			return c, false
		}
		wait = 0
	}
	c.Timeout, c.Command = wait, args
	return c, c.Name != "" && len(c.Command) > 0
}

func (c *Config) set(flag, value string, wait *time.Duration) bool {
	ok := true
	switch flag {
	case "--name":
		c.Name = value
	case "--slots":
		c.Slots, ok = number(value, 1, MaxSlots)
	case "--timeout":
		*wait, ok = duration(value)
	case "-E", "--conflict-exit-code":
		c.Busy, ok = number(value, 0, 255)
	default:
		ok = false
	}
	return ok
}

// number reads digits. A leading zero means octal to some, and is left to them.
func number(s string, least, most int) (int, bool) {
	if s == "" || strings.Trim(s, "0123456789") != "" || s != "0" && s[0] == '0' {
		return 0, false
	}
	n, err := strconv.Atoi(s)
	return n, err == nil && least <= n && n <= most
}

// duration reads seconds, or a number with one of three units.
func duration(s string) (time.Duration, bool) {
	unit := time.Second
	digits := strings.TrimRight(s, "ms")
	switch s[len(digits):] {
	case "", "s":
	case "ms":
		unit = time.Millisecond
	case "m":
		unit = time.Minute
	default:
		return 0, false
	}
	n, ok := number(digits, 0, 1e6)
	return time.Duration(n) * unit, ok
}

// MaxSlots is what a semaphore can count. A set has room for fewer: 31,999, unless
// kernel.sem says otherwise.
const MaxSlots = 32767
