// Counter shares one variable among eight processes, each of which increments it 100,000
// times, while they are killed at random and started again. The sum comes out exact.
//
//	go run ./examples/counter
//
// A process notes what it has added in the same variable, which changes as a whole: so one
// that is started again goes on where its predecessor was killed, and adds nothing twice.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"log"
	"math/rand/v2"
	"os"
	"os/exec"
	"os/signal"
	"sync"
	"time"

	"github.com/sysvipc/sysvipc/shared"
)

const workers = 8

// Tally is what the processes share. It is larger than a word, so that its writers take
// turns; one that is killed leaves it as it was before its turn or after it.
type Tally struct {
	Sum  uint64
	Done [workers]uint64 // how much of the sum each has added
}

func main() {
	log.SetFlags(0)
	region := flag.String("region", fmt.Sprintf("counter-%d", os.Getpid()), "the region's `name`")
	each := flag.Uint64("each", 100_000, "how often each process increments")
	kills := flag.Int("kills", 20, "how many are killed meanwhile")
	worker := flag.Int("worker", -1, "be this worker")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, *region, *worker, *each, *kills); err != nil {
		log.Fatal("counter: ", err)
	}
}

func run(ctx context.Context, region string, worker int, each uint64, kills int) error {
	r, err := shared.Ensure(ctx, region, nil)
	if err != nil {
		return err
	}
	defer r.Close()
	tally, err := shared.VarOf[Tally](r, "tally")
	if err != nil {
		return err
	}
	if worker >= 0 {
		return count(ctx, tally, worker, each)
	}
	defer r.Remove()
	return watch(ctx, region, tally, each, kills)
}

// count increments until its own part is done.
func count(ctx context.Context, tally *shared.Var[Tally], me int, each uint64) error {
	if me >= workers {
		return fmt.Errorf("worker %d of %d", me, workers)
	}
	go func() { // the standard input ends with the process that has started this one
		io.Copy(io.Discard, os.Stdin)
		os.Exit(0)
	}()
	for done := uint64(0); done < each; {
		err := tally.Update(ctx, func(t *Tally) {
			if t.Done[me] < each {
				t.Sum++
				t.Done[me]++
			}
			done = t.Done[me]
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// watch keeps the workers running, kills some, and looks at the sum in the end.
func watch(ctx context.Context, region string, tally *shared.Var[Tally], each uint64, kills int) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	begin := time.Now()
	victims := make(chan int)
	go func() { // one after the other, at any instant
		defer close(victims)
		for range kills {
			select {
			case <-time.After(time.Duration(rand.IntN(30)) * time.Millisecond):
			case <-ctx.Done():
				return
			}
			select {
			case victims <- rand.IntN(workers):
			case <-ctx.Done():
				return
			}
		}
	}()
	var all [workers]guarded
	var wg sync.WaitGroup
	errs := make(chan error, workers)
	for i := range all {
		wg.Go(func() {
			errs <- all[i].run(ctx, "-region", region, "-each", fmt.Sprint(each), "-worker", fmt.Sprint(i))
		})
	}
	finished := make(chan struct{})
	go func() {
		wg.Wait()
		close(finished)
	}()
	killed := 0
	for running := true; running; {
		select {
		case i, more := <-victims:
			if !more {
				victims = nil
			} else if all[i].kill() {
				killed++
			}
		case <-finished:
			running = false
		}
	}
	for range workers {
		if err := <-errs; err != nil {
			return err
		}
	}
	t, err := tally.Load()
	if err != nil {
		return err
	}
	fmt.Printf("%d processes, %d killed and started again: %d, want %d, in %v\n",
		workers, killed, t.Sum, workers*each, time.Since(begin).Round(time.Millisecond))
	if t.Sum != workers*each {
		return fmt.Errorf("the sum is wrong")
	}
	return nil
}

// guarded is a process that is started again when it was killed.
type guarded struct {
	mu      sync.Mutex
	process *os.Process // nil when none runs
	killed  bool
}

func (g *guarded) run(ctx context.Context, args ...string) error {
	for {
		c := exec.CommandContext(ctx, os.Args[0], args...)
		c.Stderr = os.Stderr
		if _, err := c.StdinPipe(); err != nil {
			return err
		}
		if err := c.Start(); err != nil {
			return err
		}
		g.mu.Lock()
		g.process, g.killed = c.Process, false
		g.mu.Unlock()
		err := c.Wait()
		g.mu.Lock()
		again := g.killed
		g.process = nil
		g.mu.Unlock()
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if !again {
			return err
		}
	}
}

// kill kills the process with SIGKILL, and reports whether there was one.
func (g *guarded) kill() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.process == nil || g.killed || g.process.Kill() != nil {
		return false
	}
	g.killed = true
	return true
}
