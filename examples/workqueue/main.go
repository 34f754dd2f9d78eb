// Workqueue shares jobs among worker processes that may be killed at any time.
//
// In one terminal, or several, start workers; in another one add jobs:
//
//	go run ./examples/workqueue work
//	go run ./examples/workqueue add 1000
//	go run ./examples/workqueue status
//
// Kill a worker with kill -9 in the midst of a job: another one gets the job at once. Then
// end the queue, upon which the workers finish what is left and exit, and remove it:
//
//	go run ./examples/workqueue close
//	go run ./examples/workqueue remove
//
// A job is done at least once: see shared.Chan.Handle. It is in the queue until its worker
// has returned from it, so that a crash loses nothing.
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strconv"
	"time"

	"github.com/sysvipc/sysvipc/shared"
)

// Job is what the processes pass on: no pointers, no strings.
type Job struct {
	ID      int64
	Created int64 // Unix nanoseconds
	Numbers [4]int64
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "workqueue:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	verb := ""
	if len(args) > 0 {
		verb = args[0]
	}
	if !slices.Contains([]string{"add", "work", "status", "close", "remove"}, verb) {
		return fmt.Errorf("say add N, work, status, close or remove")
	}
	r, err := shared.Ensure(ctx, "example-workqueue", nil)
	if err != nil {
		return err
	}
	defer r.Close()
	jobs, err := shared.ChanOf[Job](r, "jobs", 1024)
	if err != nil {
		return err
	}
	done, err := shared.CounterOf(r, "done")
	if err != nil {
		return err
	}
	switch verb {
	case "add":
		return add(ctx, jobs, args[1:])
	case "work":
		return work(ctx, jobs, done)
	case "status":
		waiting, err := jobs.Len()
		if err != nil {
			return err
		}
		n, err := done.Load()
		fmt.Printf("%d waiting, %d done\n", waiting, n)
		return err
	case "close":
		return jobs.Close()
	}
	return r.Remove()
}

// add sends jobs, and waits where the queue is full.
func add(ctx context.Context, jobs *shared.Chan[Job], args []string) error {
	if len(args) != 1 {
		return fmt.Errorf("add how many?")
	}
	n, err := strconv.ParseInt(args[0], 10, 64)
	if err != nil {
		return err
	}
	for i := range n {
		job := Job{ID: i, Created: time.Now().UnixNano(), Numbers: [4]int64{i, i + 1, i + 2, i + 3}}
		if err := jobs.Send(ctx, job); err != nil {
			return fmt.Errorf("after %d jobs: %w", i, err)
		}
	}
	return nil
}

// work does jobs until the queue is closed and empty.
func work(ctx context.Context, jobs *shared.Chan[Job], done *shared.Counter) error {
	for {
		err := jobs.Handle(ctx, func(job Job) error {
			sum := int64(0)
			for _, n := range job.Numbers {
				sum += n
			}
			fmt.Printf("job %d: %d, after %v\n", job.ID, sum, time.Since(time.Unix(0, job.Created)).Round(time.Microsecond))
			_, err := done.Add(1)
			return err
		})
		switch {
		case err == io.EOF || ctx.Err() != nil:
			return nil
		case err != nil:
			return err
		}
	}
}
