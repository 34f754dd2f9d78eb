/* The C twin of package shared: the same algorithms, written out in C and compiled with
 * -O2. It reads commands from standard input, one a line, and answers each with the
 * nanoseconds that it took. ID is a segment of at least 4 MiB, all zero.
 *
 *   mutex N             N times: lock and unlock a robust, process-shared pthread mutex
 *   load N              N times: load a variable of 64 bytes out of four versioned cells
 *   store N             N times: store it, under a robust mutex
 *   chanping ID N       N round trips through two channels of 64-byte cells
 *   chansend ID B N     send N messages, B at a time, and wait until the last has arrived
 *   many ID N           send N/2 messages into a Vyukov ring beside another process that
 *                       does too, and wait until two more have received them all
 *   crowd N             wake N threads that sleep on one futex, until the last has gone on
 *
 * The other sides, which never answer: chanecho ID, chansink ID B, manysource ID,
 * manysink ID I.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/shm.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

typedef _Atomic uint64_t a64;
typedef _Atomic uint32_t a32;
#define LINE _Alignas(64)

/* put, take and await lie in the loops that call them: a processor that waits for a line works
 * ahead, and a round trip takes half the time if it gets as far as the next message. */
#define INLINE static inline __attribute__((always_inline))

static long now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000L + t.tv_nsec;
}

static void pause_a_little(void)
{
#if defined __x86_64__
	__builtin_ia32_pause();
	__builtin_ia32_pause();
#else
	__asm__ volatile("yield");
#endif
}

/* ---- waiting: a flag that the waker clears, and a futex ---- */

struct event { LINE a32 asleep; a32 wakes; };

static void notify(struct event *e)
{
	if (atomic_load(&e->asleep) && atomic_exchange(&e->asleep, 0)) {
		atomic_fetch_add(&e->wakes, 1);
		syscall(SYS_futex, &e->wakes, FUTEX_WAKE, 1 << 30, NULL, NULL, 0);
	}
}

/* hold lets some 5 us pass, as a wait in a stream does before its first look. */
static void hold(void)
{
	for (int i = 0; i < 128; i++)
		pause_a_little();
}

/* await spins some 80 us until *word is not seen, and then sleeps. */
INLINE void await(struct event *e, a64 *word, uint64_t seen)
{
	for (int i = 0; i < 2000; i++) {
		pause_a_little();
		if (atomic_load_explicit(word, memory_order_acquire) != seen)
			return;
	}
	uint32_t wakes = atomic_load(&e->wakes);
	atomic_store(&e->asleep, 1);
	if (atomic_load(word) == seen)
		syscall(SYS_futex, &e->wakes, FUTEX_WAIT, wakes, NULL, NULL, 0);
}

/* ---- a variable of 64 bytes in four versioned cells ---- */

typedef struct { uint64_t words[8]; } value;

struct variable {
	LINE a64 seq;
	LINE pthread_mutex_t lock;
	LINE volatile value cell[4];
	LINE a64 changed;
};

static pthread_mutex_t *robust(pthread_mutex_t *m)
{
	pthread_mutexattr_t a;
	pthread_mutexattr_init(&a);
	pthread_mutexattr_setpshared(&a, PTHREAD_PROCESS_SHARED);
	pthread_mutexattr_setrobust(&a, PTHREAD_MUTEX_ROBUST);
	pthread_mutex_init(m, &a);
	return m;
}

static __attribute__((noinline)) value load(struct variable *x)
{
	for (;;) {
		uint64_t s = atomic_load(&x->seq);
		value v = x->cell[s % 4];
		atomic_thread_fence(memory_order_acquire);
		if (atomic_load(&x->seq) - s <= 2)
			return v;
	}
}

static __attribute__((noinline)) void store(struct variable *x, const value *v)
{
	pthread_mutex_lock(&x->lock);
	uint64_t s = atomic_load(&x->seq);
	x->cell[(s + 1) % 4] = *v;
	atomic_store(&x->seq, s + 1);
	if (atomic_load(&x->changed))
		abort();
	pthread_mutex_unlock(&x->lock);
}

/* ---- the channel: cells that are claimed with the owner's slot, as in chanring.go ---- */

enum { EMPTY, WRITING, FULL, SKIP, READING, CELLS = 1024, SHIFT = 10, LAP = 23 };

struct cell { LINE a64 word; uint64_t message[7]; };

struct chan {
	LINE a64 tail;
	LINE a64 head;
	LINE a64 epoch;
	struct event news, room;
	LINE struct cell cells[CELLS];
};

/* stream, waits and trial are as in the adaptive spin of chanwait.go. */
struct side { struct chan *c; uint64_t sends, takes, stream, waits, trial; };

static uint64_t mark(uint64_t p, uint64_t state) { return p >> SHIFT << LAP | state; }
static int64_t ahead(uint64_t w, uint64_t p) { return (int64_t)((w >> LAP) - (p >> SHIFT)); }

INLINE int put(struct side *s, const uint64_t *m, int wait)
{
	struct chan *c = s->c;
	uint64_t p = s->sends, me = 1 << 3;
	for (;;) {
		struct cell *l = &c->cells[p % CELLS];
		uint64_t w = atomic_load_explicit(&l->word, memory_order_acquire);
		int64_t a = ahead(w, p);
		if (a == 0 && (w & 7) == EMPTY) {
			if (!atomic_compare_exchange_strong(&l->word, &w, mark(p, WRITING) | me))
				continue;
			memcpy(l->message, m, 56);
			w = mark(p, WRITING) | me;
			if (!atomic_compare_exchange_strong(&l->word, &w, mark(p, FULL)))
				abort();
			s->sends = p + 1;
			if ((p + 1) % 256 == 0)
				atomic_store(&c->tail, p + 1);
			return 1;
		}
		if (a >= 0) {
			p++;
			continue;
		}
		if (!wait)
			return 0;
		notify(&c->news);
		hold();
		await(&c->room, &l->word, w);
	}
}

/* hold_off holds off where that brings a number of messages, and now and then, as spin of
 * chanwait.go does, and returns whether there is one. */
static __attribute__((noinline)) int hold_off(struct side *s, struct cell *l, uint64_t w, uint64_t p)
{
	int again = !s->stream && s->waits-- == 0;
	if (again)
		s->waits = s->trial > 512 ? s->trial : 512;
	if (!s->stream && !again)
		return 0;
	hold();
	if (atomic_load_explicit(&l->word, memory_order_acquire) == w)
		return 0;
	s->stream = atomic_load(&s->c->cells[(p + 8) % CELLS].word) == mark(p + 8, FULL);
	s->trial = s->stream ? 0 : s->trial < 512 ? 1024 : s->trial < 1 << 14 ? 2 * s->trial : 1 << 14;
	return 1;
}

INLINE int take(struct side *s, uint64_t *m, int wait)
{
	struct chan *c = s->c;
	uint64_t p = s->takes, me = 2 << 3;
	if (atomic_load_explicit(&c->epoch, memory_order_acquire) != 0)
		abort();
	for (;;) {
		struct cell *l = &c->cells[p % CELLS];
		uint64_t w = atomic_load_explicit(&l->word, memory_order_acquire);
		int64_t a = ahead(w, p);
		if (a == 0 && (w & 7) == FULL) {
			if (!atomic_compare_exchange_strong(&l->word, &w, mark(p, READING) | me))
				continue;
			s->takes = p + 1;
			memcpy(m, l->message, 56);
			w = mark(p, READING) | me;
			if (!atomic_compare_exchange_strong(&l->word, &w, mark(p + CELLS, EMPTY)))
				abort();
			if ((p + 1) % 256 == 0)
				atomic_store(&c->head, p + 1);
			return 1;
		}
		if (a > 0 || (a == 0 && (w & 7) == READING)) {
			p++;
			continue;
		}
		if (!wait)
			return 0;
		if (!hold_off(s, l, w, p))
			await(&c->news, &l->word, w);
	}
}

/* ---- many to many: the bounded queue of Dmitry Vyukov ---- */

struct many {
	LINE a64 tail;
	LINE a64 head;
	LINE a64 received[4];
	LINE a64 wanted; /* what the other source must have sent */
	struct event news, room, orders;
	LINE struct cell cells[CELLS];
};

static void many_put(struct many *q, const uint64_t *m)
{
	uint64_t p = atomic_load_explicit(&q->tail, memory_order_relaxed);
	for (;;) {
		struct cell *l = &q->cells[p % CELLS];
		uint64_t lap = p / CELLS * 2, w = atomic_load_explicit(&l->word, memory_order_acquire);
		if (w == lap) {
			if (!atomic_compare_exchange_weak(&q->tail, &p, p + 1))
				continue;
			memcpy(l->message, m, 56);
			atomic_store(&l->word, lap + 1);
			notify(&q->news);
			return;
		}
		if (w + 1 == lap)
			await(&q->room, &l->word, w);
		p = atomic_load_explicit(&q->tail, memory_order_relaxed);
	}
}

static void many_take(struct many *q, uint64_t *m)
{
	uint64_t p = atomic_load_explicit(&q->head, memory_order_relaxed);
	for (;;) {
		struct cell *l = &q->cells[p % CELLS];
		uint64_t lap = p / CELLS * 2, w = atomic_load_explicit(&l->word, memory_order_acquire);
		if (w == lap + 1) {
			if (!atomic_compare_exchange_weak(&q->head, &p, p + 1))
				continue;
			memcpy(m, l->message, 56);
			atomic_store(&l->word, lap + 2);
			notify(&q->room);
			return;
		}
		if (w == lap)
			await(&q->news, &l->word, w);
		p = atomic_load_explicit(&q->head, memory_order_relaxed);
	}
}

/* ---- a crowd of threads ---- */

static a32 gate;

static void *sleeper(void *unused)
{
	(void)unused;
	while (!atomic_load(&gate))
		syscall(SYS_futex, &gate, FUTEX_WAIT, 0, NULL, NULL, 0);
	return NULL;
}

static long crowd(int n)
{
	pthread_t all[n];
	pthread_attr_t small;
	pthread_attr_init(&small);
	pthread_attr_setstacksize(&small, 64 << 10);
	atomic_store(&gate, 0);
	for (int i = 0; i < n; i++)
		if (pthread_create(&all[i], &small, sleeper, NULL))
			abort();
	usleep(200000);
	long start = now();
	atomic_store(&gate, 1);
	syscall(SYS_futex, &gate, FUTEX_WAKE, n, NULL, NULL, 0);
	for (int i = 0; i < n; i++)
		pthread_join(all[i], NULL);
	return now() - start;
}

static void *attach(int id)
{
	void *p = shmat(id, NULL, 0);
	if (p == (void *)-1) {
		perror("shmat");
		exit(1);
	}
	return p;
}

int main(void)
{
	static struct variable x;
	static struct side there, back;
	static uint64_t sent, wanted;
	char line[200], verb[20];
	void *base = NULL;
	value v = { { 1 } };
	uint64_t m[7] = { 0 };

	pthread_mutex_t *lock = robust(mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
	robust(&x.lock);
	while (fgets(line, sizeof line, stdin)) {
		int a = 0, b = 0, n = 0;
		sscanf(line, "%19s %d %d %d", verb, &a, &b, &n);
		if (!strcmp(verb, "crowd")) {
			printf("%ld\n", crowd(a));
			fflush(stdout);
			continue;
		}
		if (strcmp(verb, "mutex") && strcmp(verb, "load") && strcmp(verb, "store") && !base) {
			base = attach(a);
			there.c = base;
			back.c = (void *)((char *)base + (1 << 20));
		}
		struct many *q = (void *)((char *)base + (2 << 20));
		long start = now();
		if (!strcmp(verb, "mutex")) {
			for (; a > 0; a--) {
				pthread_mutex_lock(lock);
				pthread_mutex_unlock(lock);
			}
		} else if (!strcmp(verb, "load")) {
			for (; a > 0; a--)
				v.words[0] += load(&x).words[7];
		} else if (!strcmp(verb, "store")) {
			for (; a > 0; a--)
				store(&x, &v);
		} else if (!strcmp(verb, "chanping")) {
			for (; b > 0; b--) {
				m[0] = b;
				put(&there, m, 1);
				notify(&there.c->news);
				take(&back, m, 1);
				notify(&back.c->room);
			}
		} else if (!strcmp(verb, "chanecho")) {
			for (;;) {
				take(&there, m, 1);
				notify(&there.c->room);
				put(&back, m, 1);
				notify(&back.c->news);
			}
		} else if (!strcmp(verb, "chansend")) {
			for (int i = 0; i < n; i++) {
				m[0] = i;
				m[6] = i == n - 1;
				put(&there, m, 1);
				if ((i + 1) % b == 0 || i == n - 1)
					notify(&there.c->news);
			}
			take(&back, m, 1);
			notify(&back.c->room);
		} else if (!strcmp(verb, "chansink")) {
			for (uint64_t sum = 0;;) {
				take(&there, m, 1);
				for (int i = 1;; i++) {
					sum += m[0];
					if (m[6] || i == b || !take(&there, m, 0))
						break;
				}
				notify(&there.c->room);
				if (m[6]) {
					m[0] = sum;
					put(&back, m, 1);
					notify(&back.c->news);
				}
			}
		} else if (!strcmp(verb, "many")) {
			wanted += b;
			atomic_store(&q->wanted, wanted / 2);
			notify(&q->orders);
			for (; sent < (wanted + 1) / 2; sent++)
				many_put(q, m);
			while (atomic_load(&q->received[0]) + atomic_load(&q->received[1]) < wanted)
				sched_yield();
		} else if (!strcmp(verb, "manysource")) {
			for (;;) {
				for (uint64_t w = atomic_load(&q->wanted); sent < w; sent++)
					many_put(q, m);
				await(&q->orders, &q->wanted, sent);
			}
		} else if (!strcmp(verb, "manysink")) {
			for (;;) {
				many_take(q, m);
				atomic_fetch_add(&q->received[b], 1);
			}
		} else {
			fprintf(stderr, "twin: unknown command: %s", line);
			return 2;
		}
		printf("%ld\n", now() - start);
		fflush(stdout);
	}
	return (int)(v.words[0] & 1);
}
