/* Read the best quote of a Go program, and send it an order at that price. See ../main.go. */
#include "quotes.h"
#include <stdio.h>
#include <stdlib.h>

static int check(int err, const char *what)
{
	if (err && err != EOWNERDEAD) {
		fprintf(stderr, "order: %s: %s\n", what, strerror(err));
		exit(1);
	}
	return err;
}

int main(int argc, char **argv)
{
	struct sysvipc_region region;
	struct sysvipc_thing best;
	struct sysvipc_chan orders;
	struct quotes_best quote;
	pthread_mutex_t *book;

	check(quotes_attach(&region, 0), "attach the region");
	check(sysvipc_join(&region), "join it"); /* to send; to read alone needs no join */
	check(quotes_best_find(&region, &best), "find the quote");
	check(quotes_orders_find(&region, &orders), "find the orders");
	check(quotes_book_find(&region, &book), "find the mutex");

	/* The mutex is the one that Go programs lock. */
	if (check(pthread_mutex_lock(book), "lock") == EOWNERDEAD)
		pthread_mutex_consistent(book); /* its last holder was killed: repair the book here */
	check(quotes_best_load(&region, &best, &quote), "load the quote");
	struct quotes_orders order = {.Quantity = argc > 1 ? atoi(argv[1]) : 1, .Price = quote.Ask};
	check(quotes_orders_send(&orders, &order, 1000), "send the order");
	check(pthread_mutex_unlock(book), "unlock");

	printf("%.8s %.2f %.2f %d\n", quote.Symbol, quote.Bid, quote.Ask, quote.Size);
	return check(sysvipc_detach(&region), "detach");
}
