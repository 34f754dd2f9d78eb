// A C program in a region: it reads commands, a line each, and answers each with "ok WORD…" or "fail ERRNO". The header is
// printed by "sysvipc region header" for the region of shared_linux_test.go.
#include "region.h"
#include <stdio.h>
#include <stdlib.h>

static struct sysvipc_region r;
static struct sysvipc_thing quote, word;
static struct sysvipc_chan in, out;
static pthread_mutex_t *book;
static struct sysvipc_counter count;
static uint64_t quote_number, word_number;
static struct sysvipc_map pos;
static struct sysvipc_topic ticks;
static struct sysvipc_subscription subscription;

static int answer(int err)
{
	if (err)
		printf("fail %d\n", err);
	else
		puts("ok");
	return err;
}

static int begin(int flags)
{
	int err = t_attach(&r, flags);
	if (!err)
		err = t_quote_find(&r, &quote);
	if (!err)
		err = t_word_find(&r, &word);
	if (!err)
		err = t_count_find(&r, &count);
	if (!err)
		err = t_pos_find(&r, &pos);
	if (!err)
		err = t_ticks_find(&r, &ticks);
	if (!err && !flags)
		err = t_book_find(&r, &book);
	return err;
}

static int join(void)
{
	int err = sysvipc_join(&r);
	if (!err)
		err = t_in_find(&r, &in);
	if (!err)
		err = t_out_find(&r, &out);
	return err;
}

// add changes a quote so that its two numbers and its text stay in step.
static void add(void *value, void *arg)
{
	struct t_quote *q = value;
	q->N += *(int64_t *)arg;
	q->Same[6] = q->Same[0] = q->N;
	snprintf(q->Name, sizeof q->Name, "%lld", (long long)q->N);
}

static void add_word(void *value, void *arg) { *(t_word *)value += *(int64_t *)arg; }

int main(void)
{
	char line[256], verb[32];
	setvbuf(stdout, NULL, _IOLBF, 0);
	while (fgets(line, sizeof line, stdin)) {
		long long n = 0, m = 0;
		sscanf(line, "%31s %lld %lld", verb, &n, &m);
		struct t_quote q;
		struct t_in message = {0, 0};
		t_word w;
		int err = 0;
		if (!strcmp(verb, "attach"))
			answer(begin((int)n));
		else if (!strcmp(verb, "join"))
			answer(join());
		else if (!strcmp(verb, "detach"))
			answer(sysvipc_detach(&r));
		else if (!strcmp(verb, "load")) {
			if ((err = t_quote_load(&r, &quote, &q)) || (err = t_word_load(&r, &word, &w)))
				answer(err);
			else
				printf("ok %lld %lld %.*s %d %.2f %d\n", (long long)q.N, (long long)q.Same[6], (int)sizeof q.Name, q.Name, q.Flag, q.Price, (int)w);
		} else if (!strcmp(verb, "store")) {
			memset(&q, 0, sizeof q);
			q.Price = 0.25;
			q.Flag = true;
			w = (t_word)n;
			add(&q, &(int64_t){n});
			answer((err = t_quote_store(&r, &quote, &q)) ? err : t_word_store(&r, &word, &w));
		} else if (!strcmp(verb, "add")) { // N times, M each
			for (; n > 0 && !err; n--) {
				if (!(err = t_quote_update(&r, &quote, add, &(int64_t){m})))
					err = t_word_update(&r, &word, add_word, &(int64_t){m});
				sysvipc_counter_add(&count, m);
			}
			answer(err);
		} else if (!strcmp(verb, "count"))
			printf("ok %lld\n", (long long)sysvipc_counter_add(&count, n));
		else if (!strcmp(verb, "look")) { // N times: is a value ever torn?
			for (; n > 0 && !err; n--)
				if (!(err = t_quote_load(&r, &quote, &q)) && (q.N != q.Same[0] || q.N != q.Same[6] || atoll(q.Name) != q.N))
					err = EILSEQ;
			answer(err);
		} else if (!strcmp(verb, "see")) { // notes which values are there, for await
			if (!(err = sysvipc_var_get(&r, &quote, &q, &quote_number)))
				err = sysvipc_var_get(&r, &word, &w, &word_number);
			answer(err);
		} else if (!strcmp(verb, "await")) { // N milliseconds for another quote, and then for another word
			if ((err = t_quote_wait(&r, &quote, &q, &quote_number, (int)n)) || (err = t_word_wait(&r, &word, &w, &word_number, (int)n)))
				answer(err);
			else
				printf("ok %lld %d\n", (long long)q.N, (int)w);
		} else if (!strcmp(verb, "lock"))
			answer(pthread_mutex_lock(book));
		else if (!strcmp(verb, "trylock"))
			answer(pthread_mutex_trylock(book));
		else if (!strcmp(verb, "consistent"))
			answer(pthread_mutex_consistent(book));
		else if (!strcmp(verb, "unlock"))
			answer(pthread_mutex_unlock(book));
		else if (!strcmp(verb, "work")) { // until killed: the word and the counter are equal whenever the lock is free, or the quote is flagged
			while (!err) {
				if ((err = pthread_mutex_lock(book)) == EOWNERDEAD) {
					if (!(err = t_word_load(&r, &word, &w)))
						sysvipc_counter_add(&count, (t_word)(w - (t_word)sysvipc_counter_load(&count)));
					pthread_mutex_consistent(book);
				}
				if (!err && !(err = t_word_load(&r, &word, &w)) && w != (t_word)sysvipc_counter_load(&count))
					err = EILSEQ;
				for (n = 0; n < 100 && !err; n++)
					err = t_word_update(&r, &word, add_word, &(int64_t){1});
				for (n = 0; n < 100; n++)
					sysvipc_counter_add(&count, 1);
				if (err) {
					memset(&q, 0, sizeof q);
					q.Flag = true;
					t_quote_store(&r, &quote, &q);
				}
				pthread_mutex_unlock(book);
			}
			answer(err);
		} else if (!strcmp(verb, "sendin")) { // N, to the chan from which this program receives
			message.N = n;
			answer(t_in_send(&in, &message, (int)m));
		} else if (!strcmp(verb, "halfsend") || !strcmp(verb, "halfreceive")) { // N messages of that chan are claimed, and no more
			for (; n > 0 && !err; n--) {
				bool sends = verb[4] == 's';
				uint64_t p = sysvipc_get(&in, in.head), end = p + in.mask, from = sends ? SYSVIPC_EMPTY : SYSVIPC_FULL;
				for (;; p++) {
					uint64_t *cell = sysvipc_word(&in, p), was = __atomic_load_n(cell, __ATOMIC_SEQ_CST);
					if (sysvipc_ahead(&in, was, p) == 0 && (was & 7) == from && sysvipc_cas(cell, was, sysvipc_mine(&in, p, sends ? SYSVIPC_WRITING : SYSVIPC_READING)))
						break;
					if (p == end)
						return 3;
				}
			}
			answer(err);
		} else if (!strcmp(verb, "drain")) { // until the end, or for M milliseconds; n is what to expect of a message
			long long got = 0, sum = 0;
			while (!(err = t_in_receive(&in, &message, (int)m))) {
				got++;
				sum += message.N;
			}
			printf("ok %lld %lld %d\n", got, sum, err);
		} else if (!strcmp(verb, "receive")) {
			if ((err = t_in_receive(&in, &message, (int)n)))
				answer(err);
			else
				printf("ok %lld\n", (long long)message.N);
		} else if (!strcmp(verb, "send")) { // from N on, until M
			for (; n < m && !err; n++) {
				struct t_out sent = {n, {0, 0, 0, 0, 0, 0, n}};
				err = t_out_send(&out, &sent, -1);
			}
			answer(err);
		} else if (!strcmp(verb, "mapload") || !strcmp(verb, "mapstore") || !strcmp(verb, "mapdelete")) { // key N, value M
			struct t_pos_key key;
			struct t_pos_value value = {m, {0, 0, 0, 0, 0, 0, m}};
			memset(&key, 0xee, sizeof key); // what does not count
			key.Desk = (uint8_t)n;
			key.ID = (int32_t)n;
			if (verb[3] == 's')
				err = t_pos_store(&pos, &key, &value);
			else if (verb[3] == 'd')
				err = t_pos_delete(&pos, &key);
			else if (!(err = t_pos_load(&pos, &key, &value)) && value.N != value.More[6])
				err = EILSEQ;
			if (err || verb[3] != 'l')
				answer(err);
			else
				printf("ok %lld\n", (long long)value.N);
		} else if (!strcmp(verb, "churn")) { // entries of desk N, N + 8 and so on come and go until killed
			for (uint32_t i = 1; !err; i = i * 1664525 + 1013904223) {
				struct t_pos_key key = {.Desk = (uint8_t)n, .ID = (int32_t)((i >> 8) % 250 * 8 + n)};
				struct t_pos_value value = {i, {0, 0, 0, 0, 0, 0, i}};
				if (i >> 31)
					err = t_pos_store(&pos, &key, &value);
				else if ((err = t_pos_delete(&pos, &key)) == ENOENT)
					err = 0;
				if (!err && !(err = t_pos_load(&pos, &key, &value)) && value.N != value.More[6])
					err = EILSEQ;
				if (err == ENOENT)
					err = 0;
				if (!err)
					sysvipc_counter_add(&count, 1);
			}
			answer(err);
		} else if (!strcmp(verb, "publish")) { // from N on, until M
			for (; n < m && !err; n++) {
				struct t_ticks sent = {n, {0, 0, 0, 0, 0, 0, n}};
				err = t_ticks_publish(&ticks, &sent, -1);
			}
			answer(err);
		} else if (!strcmp(verb, "trypublish")) { // N, for M milliseconds
			struct t_ticks sent = {n, {0, 0, 0, 0, 0, 0, n}};
			answer(t_ticks_publish(&ticks, &sent, (int)m));
		} else if (!strcmp(verb, "subscribe")) // 1 is gated
			answer(t_ticks_subscribe(&ticks, n != 0, &subscription));
		else if (!strcmp(verb, "unsubscribe")) {
			sysvipc_unsubscribe(&subscription);
			answer(0);
		} else if (!strcmp(verb, "next")) { // N milliseconds
			struct t_ticks got;
			if ((err = t_ticks_next(&subscription, &got, (int)n)) || (err = got.N == got.More[6] ? 0 : EILSEQ))
				answer(err);
			else
				printf("ok %lld\n", (long long)got.N);
		} else if (!strcmp(verb, "follow")) { // until M arrives: how many, their sum, and how many were missed
			long long got = 0, sum = 0;
			struct t_ticks t;
			t.N = -1;
			while (t.N != m && !(err = t_ticks_next(&subscription, &t, -1)) && !(err = t.N == t.More[6] ? 0 : EILSEQ)) {
				got++;
				sum += t.N;
			}
			printf("ok %lld %lld %llu %d\n", got, sum, (unsigned long long)subscription.missed, err);
		} else
			answer(ENOSYS);
	}
	return 0;
}
