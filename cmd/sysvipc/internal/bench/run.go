package bench

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Options are what [Run] measures.
type Options struct {
	Depth string   // quick, normal or full
	Only  []string // names of mechanisms; nil: all
	// Progress, if it is not nil, is called with the part of the run that is done.
	Progress func(part float64)
}

// depth is how much is measured, and how long.
type depth struct {
	modes  []string
	places []string
	rounds int
	time   time.Duration
	turn   time.Duration
}

// depths end within 25 s, a minute and a half, and five minutes, with room for a busy machine.
var depths = map[string]depth{
	"quick":  {[]string{"round-trip", "spin", "stream-64", "stream-64k", "lock", "hand-over", "read", "start-up"}, []string{"other"}, 15, 14 * time.Second, 3 * time.Millisecond},
	"normal": {modeNames(), []string{"same", "other"}, 25, 60 * time.Second, 4 * time.Millisecond},
	"full":   {modeNames(), Placements, 60, 240 * time.Second, 5 * time.Millisecond},
}

func modeNames() []string {
	var names []string
	for _, m := range Modes {
		names = append(names, m.Name)
	}
	return names
}

// Names are those of all mechanisms.
func Names() []string {
	var names []string
	for _, m := range Mechanisms {
		names = append(names, m.Name)
	}
	return names
}

// check says what is wrong with the options.
func (o *Options) check() error {
	for _, name := range o.Only {
		if !slices.Contains(Names(), name) {
			return fmt.Errorf("there is no mechanism %q: choose of %s", name, strings.Join(Names(), ", "))
		}
	}
	return nil
}
