package main

import (
	"context"
	"errors"
	"io/fs"
	"log"
	"net"
	"os"
	"sync"
	"time"

	"github.com/sysvipc/sysvipc/inspect"
	"github.com/sysvipc/sysvipc/internal/holders"
	"github.com/sysvipc/sysvipc/trace"
)

// startTrace counts calls together, and keeps the account of who holds semaphores where it can: its error is the reason if not.
func startTrace() (calls *trace.Trace, noHolders, err error) {
	if calls, noHolders = trace.Start(&trace.Options{Together: true, Holders: true}); noHolders == nil {
		return calls, nil, nil
	}
	if calls, err = trace.Start(&trace.Options{Together: true}); err != nil {
		return nil, nil, err
	}
	return calls, noHolders, nil
}

// listenHolders opens the socket through which the verbs of "sysvipc" ask who holds semaphores.
func listenHolders() (net.Listener, error) {
	if err := os.Mkdir(holders.Dir, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, err
	}
	return listen("unix", holders.Path(inspect.CurrentNamespace()), "0600")
}

// serveHolders answers them until ctx ends.
func serveHolders(ctx context.Context, ln net.Listener, calls *trace.Trace, logger *log.Logger) {
	var forgetting sync.WaitGroup
	forgetting.Go(func() { // what has ended
		tick := time.NewTicker(5 * time.Second)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
				calls.Holders() // an error comes again when a client asks
			}
		}
	})
	if err := holders.Serve(ctx, ln, inspect.CurrentNamespace(), func() ([]inspect.Taken, error) { return takenOf(calls) }); err != nil {
		logger.Printf("holders of semaphores are shown no more: %v", err)
	}
	forgetting.Wait()
}

func takenOf(calls *trace.Trace) ([]inspect.Taken, error) {
	all, err := calls.Holders()
	if err != nil {
		return nil, err
	}
	taken := make([]inspect.Taken, len(all))
	for i, h := range all {
		taken[i] = inspect.Taken{
			ID: h.ID, Semaphore: h.Index, PID: h.PID, Comm: h.Comm, Taken: h.Taken, Zero: h.Zero, Certain: h.Certain, Ended: h.Ended, Last: h.Last, Began: h.Began,
		}
	}
	return taken, nil
}
