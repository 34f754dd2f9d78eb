// Leaderboard keeps the scores of players in a map that several processes share. It starts
// some copies of itself that add points, kills one of them now and then, and shows the best
// players while that goes on. In the end the points of all players are those that were given.
//
//	go run ./examples/leaderboard
package main

import (
	"cmp"
	"context"
	"flag"
	"fmt"
	"io"
	"log"
	"math/rand/v2"
	"os"
	"os/exec"
	"os/signal"
	"slices"
	"time"

	"github.com/sysvipc/sysvipc/shared"
)

// Player is what a player is known by. It has no pointers, and neither has Score: that is
// what lets processes share them.
type Player struct{ ID uint32 }

// Score is what a player has.
type Score struct {
	Games  uint32
	Best   uint32
	Points uint64
}

const players = 100

func main() {
	log.SetFlags(0)
	region := flag.String("region", fmt.Sprintf("leaderboard-%d", os.Getpid()), "the region's `name`")
	worker := flag.Bool("worker", false, "add points until killed")
	rounds := flag.Int("rounds", 5, "how often a worker is killed, and the board shown")
	flag.Parse()
	run := show
	if *worker {
		run = func(r *shared.Region, _ int) error { return play(r) }
	}
	r, err := shared.Ensure(context.Background(), *region, nil)
	if err == nil {
		err = run(r, *rounds)
	}
	if err != nil {
		log.Fatal(err)
	}
}

// open declares what all processes share. Given counts the points before they are added to
// a score, and got after.
func open(r *shared.Region) (board *shared.Map[Player, Score], given, got *shared.Counter, err error) {
	if board, err = shared.MapOf[Player, Score](r, "scores", players); err != nil {
		return
	}
	if given, err = shared.CounterOf(r, "given"); err != nil {
		return
	}
	got, err = shared.CounterOf(r, "got")
	return
}

// play lets players win points, for ever.
func play(r *shared.Region) error {
	board, given, got, err := open(r)
	if err != nil {
		return err
	}
	go func() { // the standard input ends with the process that has started this one
		io.Copy(io.Discard, os.Stdin)
		os.Exit(0)
	}()
	for {
		if _, err := given.Add(1); err != nil {
			return err
		}
		err := board.Update(context.Background(), Player{rand.Uint32N(players)}, func(s *Score, _ bool) shared.Action {
			s.Games++
			s.Points++
			s.Best = max(s.Best, rand.Uint32())
			return shared.Store
		})
		if err != nil {
			return err
		}
		if _, err := got.Add(1); err != nil {
			return err
		}
	}
}

// show starts the workers, and shows the best players each time that one is killed.
func show(r *shared.Region, rounds int) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	defer r.Close()
	defer r.Remove()
	board, given, got, err := open(r)
	if err != nil {
		return err
	}
	var workers [4]*exec.Cmd
	start := func() *exec.Cmd {
		c := exec.Command(os.Args[0], "-worker", "-region", flag.Lookup("region").Value.String())
		c.Stderr = os.Stderr
		_, err := c.StdinPipe()
		if err == nil {
			err = c.Start()
		}
		if err != nil {
			log.Print(err)
		}
		return c
	}
	kill := func(c *exec.Cmd) {
		if c.Process != nil {
			c.Process.Kill()
			c.Wait()
		}
	}
	for i := range workers {
		workers[i] = start()
	}
	for round := range rounds {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(200 * time.Millisecond):
		}
		i := round % len(workers)
		kill(workers[i])
		workers[i] = start()
		if err := best(ctx, board, 3); err != nil {
			return err
		}
	}
	for _, c := range workers {
		kill(c)
	}

	sum := int64(0)
	for e, err := range board.All(ctx) {
		if err != nil {
			return err
		}
		if uint64(e.Value.Games) != e.Value.Points {
			return fmt.Errorf("player %d: %d games and %d points", e.Key.ID, e.Value.Games, e.Value.Points)
		}
		sum += int64(e.Value.Points)
	}
	low, _ := got.Load()
	high, _ := given.Load()
	fmt.Printf("%d points on the board; %d given, of which %d were under way when a process was killed\n", sum, high, high-low)
	if sum < low || sum > high {
		return fmt.Errorf("the points on the board are not between %d and %d", low, high)
	}
	return nil
}

// best prints the first n players.
func best(ctx context.Context, board *shared.Map[Player, Score], n int) error {
	var all []shared.Entry[Player, Score]
	for e, err := range board.All(ctx) {
		if err != nil {
			return err
		}
		all = append(all, e)
	}
	slices.SortFunc(all, func(a, b shared.Entry[Player, Score]) int {
		return cmp.Compare(b.Value.Points, a.Value.Points)
	})
	for i, e := range all[:min(n, len(all))] {
		fmt.Printf("%d. player %2d %8d points   ", i+1, e.Key.ID, e.Value.Points)
	}
	fmt.Println()
	return nil
}
