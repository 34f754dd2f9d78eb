package main

import (
	"github.com/sysvipc/sysvipc"
	"github.com/sysvipc/sysvipc/internal/cli"
	"github.com/sysvipc/sysvipc/internal/cli/ref"
)

// local reads the REF of a kernel's queue, and returns what opens it.
func local(text string) (func() (*sysvipc.Queue, error), error) {
	r, err := ref.Parse(text)
	switch {
	case err != nil:
		return nil, err
	case r.Kind != sysvipc.KindQueue:
		return nil, cli.Usage("a bridge takes a queue (msg:…), and %s is a %s", text, r.Kind)
	case r.ID >= 0:
		return func() (*sysvipc.Queue, error) { return sysvipc.QueueByID(r.ID), nil }, nil
	}
	return func() (*sysvipc.Queue, error) { return sysvipc.OpenQueue(r.Key) }, nil
}
