package trace

import (
	"errors"
	"fmt"
)

// ErrUnsupported is what [Start] returns where it cannot trace. The error's text says what is missing.
var ErrUnsupported = fmt.Errorf("trace: %w", errors.ErrUnsupported)

// AllNamespaces is for [Options.Namespace].
const AllNamespaces = ^uint64(0)

// Options say what is traced. The zero value, and nil, mean all calls in the IPC namespace of the caller.
type Options struct {
	// Namespace is the inode of an IPC namespace; 0 is that of the caller. See [AllNamespaces].
	Namespace uint64
	// Objects are the only ones to trace, by kind and ID, at most 128; their Namespace is not looked at. None means all
	// calls, also those that are about no object.
	Objects []Object
	// PID is the only process to trace, if it is not 0.
	PID int
	// Cgroups are the directories of the only control groups to trace, with those below them, at most 16; of version 2, as
	// systemd has one for each unit. None means all.
	Cgroups []string
	// Events makes every call an [Event] for [Trace.Next].
	Events bool
	// Together counts the calls of all processes on all objects together, so that there are few rows, however long it runs: ID
	// is -1 then, PID 0 and Comm "". It does not go with Events.
	Together bool
	// Holders keeps an account of who took from which semaphore, for [Trace.Holders]. It needs Linux 5.17 and all calls of
	// the caller's IPC namespace: it does not go with Namespace, PID and Cgroups. It takes another 25 MiB.
	Holders bool
	// Rows is how many different calls can be counted, as [Call] tells them apart; those that several processors make count
	// for each. 0 means 65,536, which take some 25 MiB.
	Rows int
}

const (
	maxObjects = 128
	maxCgroups = 16
)
