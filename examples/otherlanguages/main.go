// Otherlanguages shares a quote with programs in C, Python and Perl, and receives orders
// from a C program.
//
//	go run ./examples/otherlanguages &
//	sysvipc region header quotes >quotes.h
//	gcc -std=c11 -Wall -Wextra -I. -o order examples/otherlanguages/programs/order.c
//	./order 10
//	python3 examples/otherlanguages/programs/best.py
//	perl examples/otherlanguages/programs/best.pl
//	sysvipc region watch quotes best
package main

import (
	"context"
	"fmt"
	"log"
	"os"
	"os/signal"
	"time"

	"github.com/sysvipc/sysvipc/shared"
)

// Quote is what all see. The other languages know its fields by their place.
type Quote struct {
	Bid, Ask float64
	Size     int32
	Symbol   shared.String[[8]byte]
}

// Order is what the C program sends.
type Order struct {
	Quantity int64
	Price    float64
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx); err != nil && ctx.Err() == nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context) error {
	r, err := shared.Ensure(ctx, "quotes", nil)
	if err != nil {
		return err
	}
	defer r.Remove()
	defer r.Close()
	best, err := shared.VarOf[Quote](r, "best")
	if err != nil {
		return err
	}
	if _, err := shared.MutexOf(r, "book"); err != nil {
		return err
	}
	orders, err := shared.ChanOf[Order](r, "orders", 64)
	if err != nil {
		return err
	}
	go quote(ctx, best)
	for order, err := range orders.All(ctx) {
		if err != nil {
			return err
		}
		fmt.Printf("ordered: %d at %.2f\n", order.Quantity, order.Price)
	}
	return nil
}

// quote changes the quote ten times a second.
func quote(ctx context.Context, best *shared.Var[Quote]) {
	symbol, _ := shared.StringOf[[8]byte]("ACME")
	for bid := 100.0; ; bid += 0.25 {
		if err := best.Store(ctx, Quote{Bid: bid, Ask: bid + 0.5, Size: 100, Symbol: symbol}); err != nil {
			return
		}
		select {
		case <-time.After(100 * time.Millisecond):
		case <-ctx.Done():
			return
		}
	}
}
