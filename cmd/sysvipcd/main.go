// Sysvipcd is the daemon of sysvipc: it carries what the command sysvipc does not, since
// that is judged by its start-up. Its verb serve shows what is on this machine to Prometheus; its verb bridge joins a kernel's message queue to a
// queue of a NATS cluster; its verb run is a lock, or several slots, across machines.
package main

import "os"

func main() {
	if len(os.Args) > 2 && os.Args[1] == reaperVerb {
		reap(os.Args[2:])
	}
	os.Exit(execute(os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}
