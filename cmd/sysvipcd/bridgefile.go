package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"

	"go.yaml.in/yaml/v3"

	"github.com/sysvipc/sysvipc/internal/cli"
)

// bridgeFile is what the file of --config has.
type bridgeFile struct {
	Bridges []bridgeEntry `yaml:"bridges"`
}

// bridgeEntry is one bridge of the file, with the names of the flags.
type bridgeEntry struct {
	Queue       string `yaml:"queue"`
	Subject     string `yaml:"subject"`
	Way         string `yaml:"way"` // send, recv or both
	Type        *int64 `yaml:"type"`
	Except      *int64 `yaml:"except"`
	Window      string `yaml:"window"`
	MaxMessages *int64 `yaml:"max-messages"`
	MaxBytes    *int64 `yaml:"max-bytes"`
}

// readBridges reads the file, and looks for what cannot be meant.
func readBridges(path string) ([]joint, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var file bridgeFile
	d := yaml.NewDecoder(bytes.NewReader(text))
	d.KnownFields(true)
	if err := d.Decode(&file); err != nil && !errors.Is(err, io.EOF) {
		return nil, cli.Fail(cli.ExitUsage, "%s: %w", path, err)
	}
	var all []joint
	numbers := map[joint]int{}
	for i, entry := range file.Bridges {
		j, err := entry.joint()
		if err != nil {
			return nil, cli.Fail(cli.ExitUsage, "%s: bridge %d of %d: %w", path, i+1, len(file.Bridges), err)
		}
		if first, twice := numbers[j]; twice {
			return nil, cli.Fail(cli.ExitUsage, "%s: bridges %d and %d are the same", path, first, i+1)
		}
		numbers[j] = i + 1
		all = append(all, j)
	}
	return all, nil
}

func (e *bridgeEntry) joint() (joint, error) {
	j := joint{queue: e.Queue, subject: e.Subject, window: usualWindow}
	switch e.Way {
	case "send":
		j.send = true
	case "recv":
		j.receive = true
	case "both":
		j.both = true
	default:
		return j, fmt.Errorf("way %q: send, recv or both", e.Way)
	}
	given := map[string]bool{}
	for name, field := range map[string]struct {
		from *int64
		to   *int64
	}{
		"type": {e.Type, &j.typ}, "except": {e.Except, &j.except}, "max-messages": {e.MaxMessages, &j.messages}, "max-bytes": {e.MaxBytes, &j.bytes},
	} {
		if field.from != nil {
			given[name], *field.to = true, *field.from
		}
	}
	if e.Window != "" {
		if err := j.window.Set(e.Window); err != nil {
			return j, fmt.Errorf("window: %w", err)
		}
	}
	_, err := j.check(func(flag string) bool { return given[flag] })
	return j, err
}
