package main

import (
	"strconv"
	"strings"
	"time"

	"github.com/sysvipc/sysvipc"
	"github.com/sysvipc/sysvipc/internal/cli"
)

// durationFlag is a time such as 30s, or a number of seconds.
type durationFlag struct {
	d   time.Duration
	set bool
}

func (f *durationFlag) String() string { return f.d.String() }
func (f *durationFlag) Type() string   { return "TIME" }

func (f *durationFlag) Set(s string) error {
	d, err := time.ParseDuration(s)
	if n, errSeconds := strconv.ParseFloat(s, 64); errSeconds == nil {
		d, err = time.Duration(n*float64(time.Second)), nil
	}
	if err != nil || d < 0 {
		return cli.Usage("%q is no time such as 30s or 1.5", s)
	}
	f.d, f.set = d, true
	return nil
}

// local reads a REF of a kernel's queue, and returns what opens it.
func local(ref string) (func() (*sysvipc.Queue, error), error) {
	const forms = "write it as msg:5, msg:key=0x4d2, msg:name=NAME or msg:ftok=PATH:PROJ"
	rest, ok := strings.CutPrefix(ref, "msg:")
	if !ok {
		return nil, cli.Usage("REF %q names no message queue: %s", ref, forms)
	}
	how, what, byKey := strings.Cut(rest, "=")
	if !byKey {
		id, err := strconv.ParseInt(rest, 10, 32)
		if err != nil || id < 0 {
			return nil, cli.Usage("REF %q: %q is no ID: %s", ref, rest, forms)
		}
		return func() (*sysvipc.Queue, error) { return sysvipc.QueueByID(int(id)), nil }, nil
	}
	var key sysvipc.Key
	var err error
	switch how {
	case "key":
		key, err = sysvipc.ParseKey(what)
	case "name":
		key = sysvipc.KeyOf(what)
	case "ftok":
		at := strings.LastIndexByte(what, ':')
		if at < 1 || at != len(what)-2 {
			return nil, cli.Usage("REF %q: ftok= needs a path and one character, as in ftok=/srv/app:R", ref)
		}
		key, err = sysvipc.Ftok(what[:at], what[at+1])
	default:
		return nil, cli.Usage("REF %q: unknown way %q to name a queue: %s", ref, how, forms)
	}
	if err != nil {
		return nil, cli.Usage("%v", err)
	}
	if key == sysvipc.Private || how == "name" && what == "" {
		return nil, cli.Usage("REF %q names no queue: %s", ref, forms)
	}
	return func() (*sysvipc.Queue, error) { return sysvipc.OpenQueue(key) }, nil
}
