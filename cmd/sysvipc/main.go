// Sysvipc shows, makes, uses and removes the System V IPC objects of this machine:
// shared memory segments, semaphore sets and message queues.
//
// Each verb has a file of its own and is a thin caller of package sysvipc. What the
// verbs share is in ref.go (how an object is named), columns.go (what can be said of
// it), table.go (for eyes), machine.go and json.go (for programs) and exit.go (how errors
// are shown). What it shares with sysvipcd is in package cli.
package main

import "os"

func main() {
	os.Exit(execute(os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}
