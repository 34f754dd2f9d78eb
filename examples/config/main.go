// Config shares the configuration of several processes, with its lists and maps.
//
// In some terminals, watch it; in another one, change it:
//
//	go run ./examples/config watch
//	go run ./examples/config set limits.upload 100
//	go run ./examples/config add-host a.example
//	go run ./examples/config show
//
// It lies in a file in the user's folder for such, so that it is still there after a reboot. Watchers see each
// change at once, and a process that is killed in the midst of one leaves the old configuration.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/sysvipc/sysvipc/shared"
)

// Config is what the processes go by. It has what no shared memory could hold: strings,
// slices and maps.
type Config struct {
	Hosts  []string         `json:"hosts,omitempty"`
	Limits map[string]int64 `json:"limits,omitempty"`
	Notice string           `json:"notice,omitempty"`
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	err := run(ctx, os.Args[1:])
	if err != nil && !errors.Is(err, context.Canceled) {
		fmt.Fprintln(os.Stderr, "config:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	usage := errors.New("say show, watch, set notice TEXT, set limits.NAME NUMBER, add-host NAME or remove")
	if len(args) == 0 {
		return usage
	}
	dir, err := os.UserConfigDir()
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	r, err := shared.EnsureFile(ctx, filepath.Join(dir, "sysvipc-example-config"), &shared.Options{Size: 1 << 20})
	if err != nil {
		return err
	}
	defer r.Close()
	d, err := shared.DocOf[Config](r, "config", 64<<10)
	if err != nil {
		return err
	}
	switch verb := args[0]; {
	case verb == "show" && len(args) == 1:
		c, err := d.Load()
		if err != nil {
			return err
		}
		return show(c)
	case verb == "watch" && len(args) == 1:
		for c, err := range d.Watch(ctx) {
			if err == nil {
				err = show(c)
			}
			if err != nil {
				return err
			}
		}
		return nil
	case verb == "set" && len(args) == 3:
		return d.Update(ctx, func(c *Config) error { return c.set(args[1], args[2]) })
	case verb == "add-host" && len(args) == 2:
		return d.Update(ctx, func(c *Config) error {
			if slices.Contains(c.Hosts, args[1]) {
				return fmt.Errorf("%s is there already", args[1])
			}
			c.Hosts = append(c.Hosts, args[1])
			return nil
		})
	case verb == "remove" && len(args) == 1:
		return r.Remove()
	}
	return usage
}

// set changes one value. If it fails, nothing is changed for anybody.
func (c *Config) set(what, value string) error {
	name, limit := strings.CutPrefix(what, "limits.")
	switch {
	case what == "notice":
		c.Notice = value
	case limit:
		n, err := strconv.ParseInt(value, 10, 64)
		if err != nil {
			return fmt.Errorf("%s is no number", value)
		}
		if c.Limits == nil {
			c.Limits = make(map[string]int64)
		}
		c.Limits[name] = n
	default:
		return fmt.Errorf("there is no %s", what)
	}
	return nil
}

func show(c Config) error {
	text, err := json.Marshal(c)
	fmt.Println(string(text))
	return err
}
