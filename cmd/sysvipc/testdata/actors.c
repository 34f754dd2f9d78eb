// Processes that use objects on command, for the tests of gc and rm. One director starts them and passes
// commands on; each answers with a number, or -1. Commands: N COMMAND ARGS, one on each line.
//
// With arguments: actors FILE CMD ARGS runs CMD where FILE stands for /proc/stat, as if the clock had been set.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/mount.h>
#include <sys/msg.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { ACTORS = 128, BASE = 10 }; // actor N reads descriptor BASE+4N and answers on BASE+4N+3
static char *self;
static void act(int n);
static void *act_on(void *n) { act((long)n); return 0; }

static void answer(int n, long x) {
	char text[32];
	int len = sprintf(text, "%ld\n", x);
	if (write(BASE + 4 * n + 3, text, len) != len) _exit(1);
}

static int line(int fd, char *text, int size) {
	int i = 0;
	for (; i < size - 1 && read(fd, text + i, 1) == 1; i++)
		if (text[i] == '\n') { text[i] = 0; return 1; }
	return 0;
}

// The attaches of this process, which a fork inherits.
static struct { int id; void *at; } attached[256];
static int attaches;

// set writes a number into a segment: where it is attached, or for a moment.
static long set(int id, long x) {
	for (int i = 0; i < attaches; i++)
		if (attached[i].id == id) { *(volatile long *)attached[i].at = x; return 0; }
	long *at = shmat(id, 0, 0);
	if (at == (void *)-1) return -1;
	*at = x;
	return shmdt(at);
}

static void act(int n) {
	char text[128], word[16];
	struct { long type; char data[8]; } m = {1, "hello"};
	for (;;) {
		long a = 0, b = 0, r = -1;
		if (!line(BASE + 4 * n, text, sizeof text)) _exit(0);
		sscanf(text, "%15s %ld %ld", word, &a, &b);
		if (!strcmp(word, "shm")) r = shmget(a, b, IPC_CREAT | IPC_EXCL | 0666);
		else if (!strcmp(word, "sem")) r = semget(a, 2, IPC_CREAT | IPC_EXCL | 0666);
		else if (!strcmp(word, "msg")) r = msgget(a, IPC_CREAT | IPC_EXCL | 0666);
		else if (!strcmp(word, "attach")) {
			void *at = shmat(a, 0, 0);
			if (at != (void *)-1 && attaches < 256) {
				attached[attaches].id = a, attached[attaches++].at = at;
				r = 0;
			}
		} else if (!strcmp(word, "detach")) {
			for (int i = 0; i < attaches; i++)
				if (attached[i].id == a) {
					r = shmdt(attached[i].at);
					attached[i] = attached[--attaches];
					break;
				}
		} else if (!strcmp(word, "write")) r = set(a, b);
		else if (!strcmp(word, "op")) {
			struct sembuf op = {0, b, 0};
			r = semop(a, &op, 1);
		} else if (!strcmp(word, "send")) {
			memcpy(m.data, &b, sizeof b < 8 ? sizeof b : 8);
			r = msgsnd(a, &m, 5, IPC_NOWAIT);
		}
		else if (!strcmp(word, "recv")) r = msgrcv(a, &m, 8, 0, IPC_NOWAIT) < 0 ? -1 : 0;
		else if (!strcmp(word, "rmid")) r = b == 0 ? shmctl(a, IPC_RMID, 0) : b == 1 ? semctl(a, 0, IPC_RMID) : msgctl(a, IPC_RMID, 0);
		else if (!strcmp(word, "uid")) r = setresuid(a, a, a);
		else if (!strcmp(word, "blockop")) {
			answer(n, 0);
			struct sembuf op = {1, -1, 0};
			while (semop(a, &op, 1) < 0 && errno == EINTR) ; // which a stop is
			continue;
		} else if (!strcmp(word, "blockrecv")) {
			answer(n, 0);
			while (msgrcv(a, &m, 8, 77, 0) < 0 && errno == EINTR) ;
			continue;
		} else if (!strcmp(word, "fork")) { // as actor A
			r = fork();
			if (r == 0) n = a;
			if (r == 0) continue;
		} else if (!strcmp(word, "exec")) {
			char me[16];
			sprintf(me, "%d", n);
			execl(self, self, me, (char *)0);
		} else if (!strcmp(word, "headless")) { // the first thread ends, another goes on
			pthread_t t;
			r = pthread_create(&t, 0, act_on, (void *)(long)n);
			// Not pthread_exit, which loads a library: a fork by the other thread meanwhile would
			// leave the child with half of it.
			if (r == 0) { answer(n, 0); syscall(SYS_exit, 0); }
		} else if (!strcmp(word, "hello")) r = getpid();
		else if (!strcmp(word, "leave")) r = unshare(CLONE_NEWIPC);
		answer(n, r);
	}
}

// ended waits until a process is a zombie or gone.
static void ended(int pid) {
	for (;;) {
		char name[32], text[256] = "", *state;
		snprintf(name, sizeof name, "/proc/%d/stat", pid);
		int fd = open(name, O_RDONLY | O_CLOEXEC);
		if (fd < 0) return;
		long n = read(fd, text, sizeof text - 1);
		close(fd);
		if (n <= 0 || !(state = strrchr(text, ')')) || state[2] == 'X') return;
		if (state[2] == 'Z') { // or a first thread that ended before the others
			int threads = 0;
			sscanf(state + 2, "%*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %d", &threads);
			if (threads <= 1) return;
		}
		usleep(200);
	}
}

// last_pid sets the pid after which the next ones are given out, and returns what it was, 0 if it cannot.
static long last_pid(long pid) {
	long before = 0;
	FILE *f = fopen("/proc/sys/kernel/ns_last_pid", "r+");
	if (!f) return 0;
	if (fscanf(f, "%ld", &before) != 1) before = 0;
	rewind(f);
	fprintf(f, "%ld", pid);
	return fclose(f) ? 0 : before;
}

int main(int argc, char **argv) {
	self = argv[0];
	if (argc > 2) {
		if (unshare(CLONE_NEWNS) || mount(0, "/", 0, MS_REC | MS_PRIVATE, 0) || mount(argv[1], "/proc/stat", 0, MS_BIND, 0)) return 77;
		execvp(argv[2], argv + 2);
		return 78;
	}
	if (argc == 2) { answer(atoi(argv[1]), getpid()); act(atoi(argv[1])); }
	setpgid(0, 0); // all actors are of this group, and end with the director
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	for (int n = 0; n < ACTORS; n++)
		for (int p = 0; p < 2; p++) {
			int pair[2];
			if (pipe(pair)) return 1;
			int from = fcntl(pair[0], F_DUPFD, 1000), to = fcntl(pair[1], F_DUPFD, 1000);
			close(pair[0]), close(pair[1]);
			dup2(from, BASE + 4 * n + 2 * p), dup2(to, BASE + 4 * n + 2 * p + 1);
			close(from), close(to);
		}
	char text[128], rest[128], word[16], reply[64];
	while (line(0, text, sizeof text)) {
		int n;
		long a = 0;
		sscanf(text, "%d %15s %ld", &n, word, &a);
		if (!strcmp(word, "start")) {
			// With this pid, if it is free. The others of this machine go on with theirs.
			long before = a > 0 ? last_pid(a - 1) : 0;
			int pid = fork();
			if (pid > 0 && before > 0) last_pid(before);
			if (pid == 0) { prctl(PR_SET_PDEATHSIG, SIGKILL); act(n); }
			printf("%d\n", pid);
		} else if (!strcmp(word, "kill")) {
			kill(a, SIGKILL);
			ended(a);
			puts("0");
		} else if (!strcmp(word, "stop") || !strcmp(word, "debug")) {
			int status, how = !strcmp(word, "stop");
			long r = how ? kill(a, SIGSTOP) : ptrace(PTRACE_SEIZE, a, 0, 0) ? -1 : ptrace(PTRACE_INTERRUPT, a, 0, 0);
			// Children of others tell a debugger only.
			if (r == 0 && !how) r = waitpid(a, &status, __WALL) == a ? 0 : -1;
			printf("%ld\n", r);
		} else if (!strcmp(word, "go")) {
			kill(a, SIGCONT);
			ptrace(PTRACE_DETACH, a, 0, 0);
			puts("0");
		} else if (!strcmp(word, "reap")) {
			while (waitpid(-1, 0, WNOHANG) > 0) ;
			puts("0");
		} else {
			snprintf(rest, sizeof rest, "%s\n", strchr(text, ' ') + 1);
			if (write(BASE + 4 * n + 1, rest, strlen(rest)) < 0) return 1;
			if (!line(BASE + 4 * n + 2, reply, sizeof reply)) return 1;
			puts(reply);
		}
		fflush(stdout);
	}
	kill(0, SIGKILL);
}
