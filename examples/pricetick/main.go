// Pricetick is a price board: one process writes prices, and any number of others read
// them, each in its own way.
//
// In one terminal let prices move, and look at them in others:
//
//	go run ./examples/pricetick feed
//	go run ./examples/pricetick board
//	go run ./examples/pricetick ticks
//	go run ./examples/pricetick audit
//
// The board shows the prices of this moment, once a second: it reads a variable for each
// symbol, for which nobody waits. Ticks prints every change; if it is too slow, because its
// output is, it learns how many it has lost. Audit must not lose any: the feed waits for
// it. Kill it, or the feed, with kill -9, and the others go on.
//
//	go run ./examples/pricetick remove
package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/signal"
	"slices"
	"time"

	"github.com/sysvipc/sysvipc/shared"
)

// Symbol is a string that can be shared.
type Symbol = shared.String[[8]byte]

// Quote is a price, in cents.
type Quote struct {
	Symbol   Symbol
	Bid, Ask int64
	At       int64 // Unix nanoseconds
}

var symbols = []string{"ACME", "GLOBEX", "HOOLI", "INITECH"}

// room is what the processes share.
type room struct {
	now   []*shared.Var[Quote]
	ticks *shared.Topic[Quote]
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	err := run(ctx, os.Args[1:])
	if err != nil && !errors.Is(err, context.Canceled) {
		fmt.Fprintln(os.Stderr, "pricetick:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	if len(args) != 1 || !slices.Contains([]string{"feed", "board", "ticks", "audit", "remove"}, args[0]) {
		return fmt.Errorf("say feed, board, ticks, audit or remove")
	}
	r, err := shared.Ensure(ctx, "example-pricetick", nil)
	if err != nil {
		return err
	}
	defer r.Close()
	var p room
	for _, s := range symbols {
		now, err := shared.VarOf[Quote](r, "quote."+s)
		if err != nil {
			return err
		}
		p.now = append(p.now, now)
	}
	if p.ticks, err = shared.TopicOf[Quote](r, "ticks", 1024); err != nil {
		return err
	}
	switch args[0] {
	case "feed":
		return p.feed(ctx)
	case "board":
		return p.board(ctx)
	case "ticks":
		return p.print(ctx, shared.Lossy)
	case "audit":
		return p.audit(ctx)
	}
	return r.Remove()
}

// feed moves the prices at random.
func (p *room) feed(ctx context.Context) error {
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		i := rand.IntN(len(symbols))
		q, err := p.now[i].Load()
		if err != nil {
			return err
		}
		if q.Bid == 0 {
			q.Bid = 10_000
		}
		if err := q.Symbol.Set(symbols[i]); err != nil {
			return err
		}
		q.Bid = max(q.Bid+rand.Int64N(21)-10, 100)
		q.Ask = q.Bid + 1 + rand.Int64N(5)
		q.At = time.Now().UnixNano()
		if err := p.now[i].Store(ctx, q); err != nil {
			return err
		}
		if err := p.ticks.Publish(ctx, q); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
}

// board prints the prices once a second.
func (p *room) board(ctx context.Context) error {
	for {
		for _, x := range p.now {
			q, err := x.Load()
			if err != nil {
				return err
			}
			fmt.Printf("%-8v %7.2f %7.2f   ", q.Symbol, float64(q.Bid)/100, float64(q.Ask)/100)
		}
		fmt.Println()
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(time.Second):
		}
	}
}

// print prints every tick that it gets.
func (p *room) print(ctx context.Context, how shared.Policy) error {
	s, err := p.ticks.Subscribe(how)
	if err != nil {
		return err
	}
	defer s.Close()
	for {
		q, lost, err := s.Next(ctx)
		if err != nil {
			return err
		}
		if lost > 0 {
			fmt.Printf("(%d lost)\n", lost)
		}
		fmt.Printf("%-8v %7.2f %7.2f  %v later\n", q.Symbol, float64(q.Bid)/100, float64(q.Ask)/100, time.Since(time.Unix(0, q.At)).Round(time.Microsecond))
	}
}

// audit counts the ticks of each symbol, and misses none.
func (p *room) audit(ctx context.Context) error {
	s, err := p.ticks.Subscribe(shared.Gated)
	if err != nil {
		return err
	}
	defer s.Close()
	count := map[Symbol]int{}
	shown := time.Now()
	for q, err := range s.All(ctx) {
		if err != nil {
			return err
		}
		if count[q.Symbol]++; time.Since(shown) > time.Second {
			fmt.Println(count)
			shown = time.Now()
		}
	}
	return nil
}
