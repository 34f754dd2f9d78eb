// The C side of the tests: the protocol of interop_linux_test.go, by libc's own calls.
#define _GNU_SOURCE // MSG_EXCEPT
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/shm.h>

union semun { // semctl(2): the calling program must define it
	int val;
	unsigned short *array;
};

struct message {
	long type;
	unsigned char data[8192];
};

enum { CREATE = IPC_CREAT | IPC_EXCL | 0600, WORDS = 512 };

static int shm, sem, msg; // the IDs of the objects that the commands are about
static unsigned char *memory;
static char *word[WORDS]; // of the command
static int words;
static FILE *out; // the answer

static long number(int i) { return strtol(word[i], NULL, 0); }
static key_t key(int i) { return (key_t)strtoul(word[i], NULL, 0); }

static int is(const char *verb) { return !strcmp(word[1], verb); }

static int has(const char *flag) {
	for (int i = 2; i < words; i++)
		if (!strcmp(word[i], flag))
			return 1;
	return 0;
}

// unhex reads word i, "-" for nothing, and returns how many bytes it has.
static size_t unhex(int i, unsigned char *data) {
	size_t n = 0;
	for (const char *s = word[i]; *s && *s != '-'; s += 2)
		sscanf(s, "%2hhx", &data[n++]);
	return n;
}

static void hex(const unsigned char *data, size_t n) {
	fputs(n ? " " : " -", out);
	while (n--)
		fprintf(out, "%02x", *data++);
}

// found answers with the ID of an object.
static int found(int id) { return fprintf(out, " %d", id), id; }

static int unknown(void) { return errno = ENOSYS, -1; }

// Segments.

static int attach(int id) {
	if ((shm = id) < 0)
		return -1;
	void *at = shmat(shm, NULL, 0);
	if (at == (void *)-1)
		return -1;
	memory = at;
	return found(shm);
}

static int segment(void) {
	if (is("make"))
		return attach(shmget(key(2), strtoul(word[3], NULL, 0), CREATE | SHM_NORESERVE));
	if (is("open"))
		return attach(shmget(key(2), 0, 0));
	if (is("use"))
		return attach(number(2));
	if (is("write")) {
		unsigned char data[8192] = {0};
		unhex(4, data);
		memcpy(memory + number(2), data, number(3)); // zeros behind the text, as Perl's shmwrite does
		return 0;
	}
	if (is("read"))
		return hex(memory + number(2), number(3)), 0;
	if (is("remove"))
		return shmctl(shm, IPC_RMID, NULL);
	return unknown();
}

// Semaphore sets.

// operate does "0-1", "1+2", "2=0" and "0-1:undo" in one call.
static int operate(int flags) {
	struct sembuf ops[WORDS];
	for (int i = 2; i < words; i++) {
		char *rest;
		struct sembuf *op = &ops[i - 2];
		op->sem_num = strtoul(word[i], &rest, 10);
		op->sem_op = *rest == '=' ? 0 : strtol(rest, NULL, 10);
		op->sem_flg = flags | (strchr(rest, ':') ? SEM_UNDO : 0);
	}
	return semop(sem, ops, words - 2);
}

static int values(void) {
	struct semid_ds ds;
	unsigned short all[WORDS];
	if (semctl(sem, 0, IPC_STAT, &ds) < 0 || semctl(sem, 0, GETALL, (union semun){.array = all}) < 0)
		return -1;
	for (unsigned long i = 0; i < ds.sem_nsems; i++)
		fprintf(out, " %d", all[i]);
	return 0;
}

// count adds 1 to the number at the beginning of the segment, n times, under semaphore 0.
static int count(long n) {
	struct sembuf take = {0, -1, SEM_UNDO}, give = {0, +1, SEM_UNDO};
	while (n--) {
		if (semop(sem, &take, 1) < 0)
			return -1;
		++*(volatile int *)memory;
		if (semop(sem, &give, 1) < 0)
			return -1;
	}
	return 0;
}

static int set(int n, int value) { return semctl(sem, n, SETVAL, (union semun){.val = value}); }

static int semaphores(void) {
	if (is("make")) {
		if (found(sem = semget(key(2), words - 3, CREATE)) < 0)
			return -1;
		for (int i = 3; i < words; i++)
			if (set(i - 3, number(i)) < 0)
				return -1;
		return 0;
	}
	if (is("open"))
		return found(sem = semget(key(2), 0, 0));
	if (is("use"))
		return found(sem = number(2));
	if (is("op"))
		return operate(0);
	if (is("try"))
		return operate(IPC_NOWAIT);
	if (is("values"))
		return values();
	if (is("set"))
		return set(number(2), number(3));
	if (is("waiters"))
		return fprintf(out, " %d %d", semctl(sem, number(2), GETNCNT), semctl(sem, number(2), GETZCNT));
	if (is("count"))
		return count(number(2));
	if (is("remove"))
		return semctl(sem, 0, IPC_RMID);
	return unknown();
}

// Queues.

static int receive(int flags) {
	struct message m;
	ssize_t n = msgrcv(msg, &m, number(3), number(2), flags);
	if (n < 0)
		return -1;
	fprintf(out, " %ld", m.type);
	hex(m.data, n);
	return 0;
}

static int queue(void) {
	int flags = (has("nowait") ? IPC_NOWAIT : 0) | (has("except") ? MSG_EXCEPT : 0) | (has("cut") ? MSG_NOERROR : 0);
	struct message m;
	if (is("make"))
		return found(msg = msgget(key(2), CREATE));
	if (is("open"))
		return found(msg = msgget(key(2), 0));
	if (is("use"))
		return found(msg = number(2));
	if (is("send"))
		return m.type = number(2), msgsnd(msg, &m, unhex(3, m.data), flags);
	if (is("receive"))
		return receive(flags);
	if (is("remove"))
		return msgctl(msg, IPC_RMID, NULL);
	return unknown();
}

// keys answers with the key of each file that a line of the list names.
static int keys(int project, const char *list) {
	static char path[8192];
	FILE *f = fopen(list, "r");
	if (!f)
		return -1;
	while (fgets(path, sizeof path, f)) {
		path[strcspn(path, "\n")] = 0;
		fprintf(out, " %d", ftok(path, project));
	}
	return fclose(f);
}

static int run(void) {
	if (!strcmp(word[0], "shm"))
		return segment();
	if (!strcmp(word[0], "sem"))
		return semaphores();
	if (!strcmp(word[0], "msg"))
		return queue();
	if (!strcmp(word[0], "ftok"))
		return keys(number(1), word[2]);
	return unknown();
}

int main(void) {
	static char line[1 << 16];
	while (fgets(line, sizeof line, stdin)) {
		words = 0;
		for (char *w = strtok(line, " \n"); w && words < WORDS; w = strtok(NULL, " \n"))
			word[words++] = w;
		char *answer;
		size_t size;
		out = open_memstream(&answer, &size);
		int failed = run() < 0 ? errno : 0;
		fclose(out);
		if (failed)
			printf("fail %d\n", failed);
		else
			printf("ok%s\n", answer);
		fflush(stdout);
		free(answer);
	}
	return 0;
}
