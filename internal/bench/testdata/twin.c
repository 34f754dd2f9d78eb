/* The C twin of the benchmarks: it makes the same calls through the C library, and
 * measures itself. It reads commands from standard input, one a line, and answers
 * each with the nanoseconds that it took:
 *
 *   sem ID N            N times: take one from semaphore 0 of set ID, give it back
 *   msg ID BYTES N      N times: send a message of BYTES bytes to queue ID, receive it
 *   attach ID N         N times: attach segment ID, ask for its size, detach it
 *   semping ID N        N round trips: give semaphore 0, take semaphore 1
 *   msgping ID ID2 N    N round trips: send to queue ID, receive from queue ID2
 *   pin CPU             run on this processor only
 *
 * "semecho ID" and "msgecho ID ID2" are the other side of round trips. They end when
 * the object is removed.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <time.h>

static struct { long type; char text[1 << 16]; } out = { .type = 1 }, in;

static long now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000L + t.tv_nsec;
}

static void check(long result, const char *call)
{
	if (result >= 0)
		return;
	if (errno == EIDRM || errno == EINVAL)
		exit(0);
	perror(call);
	exit(1);
}

static void op(int id, int index, int delta)
{
	struct sembuf o = { index, delta, 0 };
	int r;
	do
		r = semop(id, &o, 1);
	while (r < 0 && errno == EINTR);
	check(r, "semop");
}

static void put(int id, int size) { check(msgsnd(id, &out, size, 0), "msgsnd"); }
static void take(int id, int size) { check(msgrcv(id, &in, size, 0, 0), "msgrcv"); }

int main(void)
{
	char line[200], verb[20];
	while (fgets(line, sizeof line, stdin)) {
		int a = 0, b = 0, c = 0;
		sscanf(line, "%19s %d %d %d", verb, &a, &b, &c);
		long start = now();
		if (!strcmp(verb, "sem")) {
			for (; b > 0; b--) {
				op(a, 0, -1);
				op(a, 0, +1);
			}
		} else if (!strcmp(verb, "msg")) {
			for (; c > 0; c--) {
				put(a, b);
				take(a, b);
			}
		} else if (!strcmp(verb, "attach")) {
			for (; b > 0; b--) {
				void *p = shmat(a, NULL, 0);
				struct shmid_ds ds;
				check(p == (void *)-1 ? -1 : 0, "shmat");
				check(shmctl(a, IPC_STAT, &ds), "shmctl");
				check(shmdt(p), "shmdt");
			}
		} else if (!strcmp(verb, "semping")) {
			for (; b > 0; b--) {
				op(a, 0, +1);
				op(a, 1, -1);
			}
		} else if (!strcmp(verb, "msgping")) {
			for (; c > 0; c--) {
				put(a, 64);
				take(b, 64);
			}
		} else if (!strcmp(verb, "pin")) {
			cpu_set_t set;
			CPU_ZERO(&set);
			CPU_SET(a, &set);
			check(sched_setaffinity(0, sizeof set, &set), "sched_setaffinity");
		} else if (!strcmp(verb, "semecho")) {
			for (;;) {
				op(a, 0, -1);
				op(a, 1, +1);
			}
		} else if (!strcmp(verb, "msgecho")) {
			for (;;) {
				take(a, 64);
				put(b, 64);
			}
		} else {
			fprintf(stderr, "twin: unknown command: %s", line);
			return 2;
		}
		printf("%ld\n", now() - start);
		fflush(stdout);
	}
	return 0;
}
