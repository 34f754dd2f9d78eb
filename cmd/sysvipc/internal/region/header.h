#ifndef SYSVIPC_REGION_H
#define SYSVIPC_REGION_H

/*
 * Regions of package shared, for C and C++ programs on 64-bit Linux with glibc: compile with
 * -std=c11 or -std=c++11 or later, and include this first, or compile with -D_GNU_SOURCE.
 *
 * Functions return 0 or an error number:
 *
 *	ENOENT      no such region, or nothing of that name in it; no such entry in a map
 *	EPROTOTYPE  it has another kind or type: print the header again
 *	EPROTO      this is no region, or of another version, or damaged
 *	EACCES      the region was attached with SHM_RDONLY
 *	EAGAIN      a chan is empty or full, or a topic has no next message; all slots for processes are taken ("sysvipc region
 *	            reap" gives back those of dead ones)
 *	ETIMEDOUT   it was waited for as long as asked
 *	ENODATA     a chan is closed and drained
 *	EPIPE       a chan is closed
 *	ENOSPC      a map is full
 *	EBUSY       the region is detached while it has gated subscriptions; an entry of a map changes faster than
 *	            a process can read it that has not joined
 *	EXDEV       the region is open in another PID namespace, where thread IDs mean others: run
 *	            all in one, such as by shareProcessNamespace: true for the containers of a pod
 *	EIDRM       the region was removed while a call waited: detach it, and attach it again
 *
 * A process that sends or receives on a chan must join first: a process that is killed
 * leaves its work half done, and the word in its slot, a robust mutex that a thread of
 * this header holds, tells the others that it is dead. A process that waits for a chan is
 * woken then, and brings the cells of this chan into order that the dead process had
 * claimed: a message that was half sent is gone, and one that was half received is
 * received by another. The rest, and the slot itself, are left to Go programs of the
 * region, which notice the death too, or to "sysvipc region reap": until then the slot is
 * taken, and a message that was half received may come late, after others. A handle of a
 * chan, and a region while a call waits, belong to one thread at a time. After fork a
 * child attaches and joins again.
 *
 * A process that changes a map or a topic must join first, too. Values of a map and messages of a topic are never
 * half there, whichever process is killed. A publisher does not wait for a gated subscriber that was killed.
 *
 * A mutex is a robust, process-shared pthread_mutex_t. sysvipc_mutex_lock, and
 * pthread_mutex_lock too, says EOWNERDEAD with the lock held if its last holder was killed
 * with it: repair what it guards, call pthread_mutex_consistent, and go on. With
 * pthread_mutex_lock other threads of that holder may run for a moment yet.
 */

#if defined(_FEATURES_H) && !defined(_GNU_SOURCE)
#error "include this header before others, or compile with -D_GNU_SOURCE"
#endif
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/shm.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#if defined(__cplusplus) && !defined(_Static_assert)
#define _Static_assert static_assert
#endif
_Static_assert(sizeof(void *) == 8, "regions need a 64-bit port");

struct sysvipc_node { /* the beginning of a pthread_mutex_t */
	uint32_t word, count, owner, users, kind, spins;
	uint64_t prev, next;
};

struct sysvipc_header {
	char magic[8];
	uint32_t version, state;
	struct sysvipc_node init;
	uint64_t nonce, size;
	uint32_t slots, entries;
	int64_t created;
	char name[128];
	uint64_t sum;
	unsigned char pad1[32];
	struct sysvipc_node dir;
	uint64_t free;
	uint32_t removed;
	unsigned char pad2[12];
	uint64_t alarms;
	unsigned char pad3[184];
};

struct sysvipc_slot {
	struct sysvipc_node life;
	int32_t pid;
	uint32_t incarnation, uid, pad1;
	int64_t started;
	uint32_t waker;
	unsigned char pad2[60];
	uint32_t tids[4]; /* of the threads that hold the locks of a Go program */
	uint64_t pid_namespace;
	unsigned char pad3[40];
};

struct sysvipc_entry {
	uint32_t state, kind;
	uint64_t hash, offset, size, fingerprint, params[4];
	uint32_t name_len, shape_len;
	char name[128], shape[304];
};

_Static_assert(sizeof(struct sysvipc_node) == 40 && sizeof(pthread_mutex_t) >= 40, "node");
_Static_assert(sizeof(struct sysvipc_header) == 512 && offsetof(struct sysvipc_header, sum) == 216 &&
	offsetof(struct sysvipc_header, alarms) == 320, "header");
_Static_assert(sizeof(struct sysvipc_slot) == 192 && offsetof(struct sysvipc_slot, waker) == 64 &&
	offsetof(struct sysvipc_slot, tids) == 128, "slot");
_Static_assert(sizeof(struct sysvipc_entry) == 512 && offsetof(struct sysvipc_entry, name) == 80, "entry");

enum { SYSVIPC_MUTEX = 1, SYSVIPC_VAR = 2, SYSVIPC_COUNTER = 3, SYSVIPC_CHAN = 6 };

/* A region that this process has attached. It must not be moved after sysvipc_join. */
struct sysvipc_region {
	unsigned char *base;
	uint64_t size, table, heap, events; /* where table and heap begin; bytes of an event */
	uint32_t slots, entries;
	bool writable, spins; /* spins: there is more than one processor */
	int id;   /* of the segment */
	int slot; /* of this process, or -1 */
	pthread_t robust_owner;
	pthread_mutex_t mutex; /* guards what follows */
	pthread_cond_t cond;
	int joined; /* what the robust owner came to, or -1 */
	unsigned gated; /* subscriptions for which publishers wait */
	bool leave;
};

/* A structure in a region. */
struct sysvipc_thing {
	uint64_t offset, size, params[4];
};

static inline uint64_t sysvipc_hash(const void *data, size_t n)
{
	const unsigned char *p = (const unsigned char *)data;
	uint64_t h = UINT64_C(14695981039346656037);
	while (n--)
		h = (h ^ *p++) * UINT64_C(1099511628211);
	return h;
}

static inline uint64_t sysvipc_round(uint64_t n, uint64_t unit) { return (n + unit - 1) & ~(unit - 1); }

static inline struct sysvipc_slot *sysvipc_slot_at(const struct sysvipc_region *r, uint32_t i)
{
	return (struct sysvipc_slot *)(void *)(r->base + sizeof(struct sysvipc_header) + (uint64_t)i * sizeof(struct sysvipc_slot));
}

static inline struct sysvipc_header *sysvipc_header_of(const struct sysvipc_region *r)
{
	return (struct sysvipc_header *)(void *)r->base;
}

/* sysvipc_check looks whether what is attached can be the region with this name. */
static inline int sysvipc_check(struct sysvipc_region *r, uint64_t size, const char *name)
{
	struct sysvipc_header h;
	if (size < sizeof h)
		return EPROTO;
	memcpy(&h, r->base, sizeof h);
	if (memcmp(h.magic, "SYSVIPC1", 8) || h.version != 3 || h.state != 2 || h.size > size)
		return EPROTO;
	if (h.sum != sysvipc_hash(&h.nonce, offsetof(struct sysvipc_header, sum) - offsetof(struct sysvipc_header, nonce)))
		return EPROTO;
	if (!h.slots || h.slots > 1 << 20 || !h.entries || h.entries > 1 << 20 || (h.entries & (h.entries - 1)))
		return EPROTO;
	h.name[sizeof h.name - 1] = 0;
	if (strcmp(h.name, name))
		return ENOENT;
	r->size = h.size;
	r->slots = h.slots;
	r->entries = h.entries;
	r->events = ((uint64_t)h.slots + 63) / 64 * 8;
	r->table = sizeof h + (uint64_t)h.slots * sizeof(struct sysvipc_slot);
	r->heap = r->table + (uint64_t)h.entries * sizeof(struct sysvipc_entry) + 2 * sysvipc_round(((uint64_t)h.entries + 7) / 8, 64);
	return r->heap > r->size ? EPROTO : 0;
}

/* sysvipc_pid_namespace tells the PID namespace of this process from others, or is 0. */
static inline uint64_t sysvipc_pid_namespace(void)
{
	struct stat st;
	return stat("/proc/self/ns/pid", &st) ? 0 : (uint64_t)st.st_ino;
}

/* sysvipc_elsewhere says EXDEV if a process of another PID namespace has the region open: no
 * lock may be touched then. */
static inline int sysvipc_elsewhere(const struct sysvipc_region *r)
{
	uint64_t mine = sysvipc_pid_namespace();
	for (uint32_t i = 0; i < r->slots; i++) {
		const struct sysvipc_slot *s = sysvipc_slot_at(r, i);
		uint64_t theirs = __atomic_load_n(&s->pid_namespace, __ATOMIC_SEQ_CST);
		if ((__atomic_load_n(&s->life.word, __ATOMIC_SEQ_CST) & 0x3fffffff) && theirs && theirs != mine)
			return EXDEV;
	}
	return 0;
}

/* sysvipc_attach attaches the region with this key and name. Flags are 0, or SHM_RDONLY. */
static inline int sysvipc_attach(struct sysvipc_region *r, key_t key, const char *name, int flags)
{
	struct shmid_ds ds;
	memset(r, 0, sizeof *r);
	r->slot = -1;
	r->writable = !(flags & SHM_RDONLY);
	int id = shmget(key, 0, 0);
	if (id < 0 || shmctl(id, IPC_STAT, &ds) < 0)
		return errno;
	void *base = shmat(id, NULL, flags);
	if (base == (void *)-1)
		return errno;
	r->base = (unsigned char *)base;
	r->id = id;
	int err = sysvipc_check(r, ds.shm_segsz, name);
	if (!err && r->writable)
		err = sysvipc_elsewhere(r);
	if (err) {
		shmdt(base);
		return err;
	}
	pthread_mutex_init(&r->mutex, NULL);
	pthread_cond_init(&r->cond, NULL);
	cpu_set_t cpus;
	r->spins = !sched_getaffinity(0, sizeof cpus, &cpus) && CPU_COUNT(&cpus) > 1;
	/* Others wait for our threads when we were killed: MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED. */
	syscall(SYS_membarrier, 4, 0, 0);
	return 0;
}

/* sysvipc_stop_late returns when no thread of a process that was killed runs any more. */
static inline void sysvipc_stop_late(void)
{
	if (syscall(SYS_membarrier, 2, 0, 0)) /* MEMBARRIER_CMD_GLOBAL_EXPEDITED */
		syscall(SYS_membarrier, 1, 0, 0);
}

/* sysvipc_find finds a structure. Shape is the text of its type, with the names of its
 * fields, or "" for a structure without one. */
static inline int sysvipc_find(const struct sysvipc_region *r, const char *name, uint32_t kind, uint64_t fingerprint, const char *shape, struct sysvipc_thing *t)
{
	size_t len = strlen(name);
	uint64_t hash = sysvipc_hash(name, len);
	if (!hash)
		hash = 1;
	for (uint64_t i = 0; i < r->entries; i++) {
		const unsigned char *at = r->base + r->table + ((hash + i) & (r->entries - 1)) * sizeof(struct sysvipc_entry);
		uint32_t state = __atomic_load_n((const uint32_t *)(const void *)at, __ATOMIC_ACQUIRE);
		struct sysvipc_entry e;
		if (state == 0)
			return ENOENT;
		if (state != 2)
			continue;
		memcpy(&e, at, sizeof e);
		if (e.hash != hash || e.name_len != len || len > sizeof e.name || memcmp(e.name, name, len))
			continue;
		if (e.kind != kind || (fingerprint && e.fingerprint != fingerprint))
			return EPROTOTYPE;
		if (e.offset < r->heap || e.offset % 64 || e.size > r->size || e.offset > r->size - e.size)
			return EPROTO;
		const char *text = (const char *)at + offsetof(struct sysvipc_entry, shape);
		if (e.shape_len > sizeof e.shape) { /* it lies behind the bytes */
			uint64_t behind = e.offset + sysvipc_round(e.size, 64);
			if (behind > r->size || e.shape_len > r->size - behind)
				return EPROTO;
			text = (const char *)r->base + behind;
		}
		if (*shape && (e.shape_len != strlen(shape) || memcmp(text, shape, e.shape_len)))
			return EPROTOTYPE;
		t->offset = e.offset;
		t->size = e.size;
		memcpy(t->params, e.params, sizeof t->params);
		return 0;
	}
	return ENOENT;
}

static inline void sysvipc_futex_wake(uint32_t *word, int n) { syscall(SYS_futex, word, 1, n, NULL, NULL, 0); }

/* sysvipc_ring wakes the process in a slot. */
static inline void sysvipc_ring(const struct sysvipc_region *r, uint32_t slot)
{
	uint32_t *waker = &sysvipc_slot_at(r, slot)->waker;
	__atomic_add_fetch(waker, 1, __ATOMIC_SEQ_CST);
	sysvipc_futex_wake(waker, 1);
}

/* sysvipc_notify wakes all that wait for an event. */
static inline void sysvipc_notify(const struct sysvipc_region *r, uint64_t event)
{
	for (uint64_t i = 0; i < r->events / 8; i++) {
		uint64_t *word = (uint64_t *)(void *)(r->base + event + 8 * i);
		if (!__atomic_load_n(word, __ATOMIC_SEQ_CST))
			continue;
		uint64_t set = __atomic_exchange_n(word, 0, __ATOMIC_SEQ_CST);
		for (uint64_t bit = 0; bit < 64; bit++)
			if (set >> bit & 1 && i * 64 + bit < r->slots)
				sysvipc_ring(r, (uint32_t)(i * 64 + bit));
	}
}

/* sysvipc_alarm has everybody who waits in the region look again. */
static inline void sysvipc_alarm(const struct sysvipc_region *r)
{
	__atomic_add_fetch(&sysvipc_header_of(r)->alarms, 1, __ATOMIC_SEQ_CST);
	for (uint32_t i = 0; i < r->slots; i++)
		if (__atomic_load_n(&sysvipc_slot_at(r, i)->life.word, __ATOMIC_SEQ_CST))
			sysvipc_ring(r, i);
}

/* sysvipc_take_slot takes a free slot for the calling thread. EOWNERDEAD says that it has
 * got the slot of a process that has just died, whose work nobody has brought into order:
 * the thread has to end, and then the kernel marks the slot again. */
static inline int sysvipc_take_slot(struct sysvipc_region *r)
{
	if (sysvipc_elsewhere(r))
		return EXDEV;
	for (uint32_t i = 0; i < r->slots; i++) {
		struct sysvipc_slot *s = sysvipc_slot_at(r, i);
		if (__atomic_load_n(&s->life.word, __ATOMIC_SEQ_CST))
			continue;
		s->life.kind = 0x90; /* robust, shared among processes */
		int err = pthread_mutex_trylock((pthread_mutex_t *)(void *)&s->life);
		if (err == EOWNERDEAD)
			return err;
		if (err)
			continue;
		struct timespec now;
		clock_gettime(CLOCK_REALTIME, &now);
		__atomic_add_fetch(&s->incarnation, 1, __ATOMIC_SEQ_CST);
		s->pid = getpid();
		s->uid = getuid();
		memset(s->tids, 0, sizeof s->tids); /* each thread of this header holds locks for itself */
		s->started = now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
		__atomic_store_n(&s->pid_namespace, sysvipc_pid_namespace(), __ATOMIC_SEQ_CST);
		/* Of two who come at once from two PID namespaces, each says so and then looks. */
		if (sysvipc_elsewhere(r)) {
			__atomic_store_n(&s->pid_namespace, 0, __ATOMIC_SEQ_CST);
			pthread_mutex_unlock((pthread_mutex_t *)(void *)&s->life);
			return EXDEV;
		}
		r->slot = (int)i;
		sysvipc_alarm(r);
		return 0;
	}
	return EAGAIN;
}

/* sysvipc_guard is a thread that does nothing but hold the slot of its process. */
static inline void *sysvipc_guard(void *arg)
{
	struct sysvipc_region *r = (struct sysvipc_region *)arg;
	int err = sysvipc_take_slot(r);
	pthread_mutex_lock(&r->mutex);
	r->joined = err;
	pthread_cond_broadcast(&r->cond);
	while (!err && !r->leave)
		pthread_cond_wait(&r->cond, &r->mutex);
	pthread_mutex_unlock(&r->mutex);
	if (!err) {
		struct sysvipc_slot *s = sysvipc_slot_at(r, (uint32_t)r->slot);
		__atomic_store_n(&s->pid_namespace, 0, __ATOMIC_SEQ_CST);
		__atomic_add_fetch(&s->incarnation, 1, __ATOMIC_SEQ_CST);
		pthread_mutex_unlock((pthread_mutex_t *)(void *)&s->life);
		sysvipc_alarm(r);
	}
	return NULL;
}

/* sysvipc_start starts a thread that gets no signals: they are for the program's own. */
static inline int sysvipc_start(pthread_t *thread, void *(*run)(void *), void *arg)
{
	sigset_t all, before;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	int err = pthread_create(thread, NULL, run, arg);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return err;
}

/* sysvipc_join takes part in the region, as a Go program does that opens it. */
static inline int sysvipc_join(struct sysvipc_region *r)
{
	if (!r->writable)
		return EACCES;
	for (;;) {
		r->joined = -1;
		r->leave = false;
		int err = sysvipc_start(&r->robust_owner, sysvipc_guard, r);
		if (err)
			return err;
		pthread_mutex_lock(&r->mutex);
		while (r->joined < 0)
			pthread_cond_wait(&r->cond, &r->mutex);
		err = r->joined;
		pthread_mutex_unlock(&r->mutex);
		if (!err)
			return 0;
		pthread_join(r->robust_owner, NULL);
		r->slot = -1;
		if (err != EOWNERDEAD)
			return err;
	}
}

/* sysvipc_detach leaves the region, and gives its memory back. EBUSY says that there are gated
 * subscriptions yet. */
static inline int sysvipc_detach(struct sysvipc_region *r)
{
	if (r->gated)
		return EBUSY;
	if (r->slot >= 0) {
		pthread_mutex_lock(&r->mutex);
		r->leave = true;
		pthread_cond_broadcast(&r->cond);
		pthread_mutex_unlock(&r->mutex);
		pthread_join(r->robust_owner, NULL);
		r->slot = -1;
	}
	pthread_cond_destroy(&r->cond);
	pthread_mutex_destroy(&r->mutex);
	return shmdt(r->base) ? errno : 0;
}

/* The copies between region and program: word by word, since others may write meanwhile.
 * Cells are whole words. */
static inline void sysvipc_copy_out(void *to, const unsigned char *from, uint64_t size)
{
	for (uint64_t i = 0; i < size; i += 8) {
		uint64_t word = __atomic_load_n((const uint64_t *)(const void *)(from + i), __ATOMIC_ACQUIRE);
		memcpy((unsigned char *)to + i, &word, size - i < 8 ? size - i : 8);
	}
}

static inline void sysvipc_copy_in(unsigned char *to, const void *from, uint64_t size)
{
	for (uint64_t i = 0; i < size; i += 8) {
		uint64_t word = 0;
		memcpy(&word, (const unsigned char *)from + i, size - i < 8 ? size - i : 8);
		__atomic_store_n((uint64_t *)(void *)(to + i), word, __ATOMIC_RELEASE);
	}
}

/* sysvipc_mutex_lock is pthread_mutex_lock, and waits with EOWNERDEAD until the threads of
 * the dead holder have stopped: the kernel ends them one after the other. */
static inline int sysvipc_mutex_lock(pthread_mutex_t *m)
{
	int err = pthread_mutex_lock(m);
	if (err == EOWNERDEAD)
		sysvipc_stop_late();
	return err;
}

/* A mutex. */
static inline int sysvipc_mutex_find(const struct sysvipc_region *r, const char *name, pthread_mutex_t **m)
{
	struct sysvipc_thing t;
	int err = sysvipc_find(r, name, SYSVIPC_MUTEX, 0, "", &t);
	if (!err && t.size < 40)
		err = EPROTO;
	if (!err)
		*m = (pthread_mutex_t *)(void *)(r->base + t.offset);
	return err ? err : r->writable ? 0 : EACCES;
}

/* A var of at most 8 bytes is one word. A larger one has four cells behind a head of 128
 * bytes: the number of the current cell, and at 64 the writers' mutex. */
static inline int sysvipc_var_find(const struct sysvipc_region *r, const char *name, uint64_t fingerprint, const char *shape, uint64_t size, struct sysvipc_thing *t)
{
	int err = sysvipc_find(r, name, SYSVIPC_VAR, fingerprint, shape, t);
	if (err)
		return err;
	uint64_t stride = size <= 8 ? 0 : sysvipc_round(size, 64);
	if (t->params[0] != size || t->params[1] != stride || t->size != (stride ? 128 + 4 * stride : 64) + r->events)
		return EPROTOTYPE;
	return 0;
}

/* sysvipc_var_get loads the value, and its number: the word that it is, or how often it was changed. */
static inline int sysvipc_var_get(const struct sysvipc_region *r, const struct sysvipc_thing *t, void *value, uint64_t *number)
{
	const unsigned char *at = r->base + t->offset;
	const uint64_t *seq = (const uint64_t *)(const void *)at;
	if (!t->params[1]) {
		*number = __atomic_load_n(seq, __ATOMIC_ACQUIRE);
		memcpy(value, number, t->params[0]);
		return 0;
	}
	for (int tries = 0; tries < 1000000; tries++) {
		uint64_t s = __atomic_load_n(seq, __ATOMIC_ACQUIRE);
		sysvipc_copy_out(value, at + 128 + s % 4 * t->params[1], t->params[0]);
		*number = s;
		/* Spoiled only if a third value has been begun since. */
		if (__atomic_load_n(seq, __ATOMIC_ACQUIRE) - s <= 2)
			return 0;
	}
	return EPROTO;
}

static inline int sysvipc_var_load(const struct sysvipc_region *r, const struct sysvipc_thing *t, void *value)
{
	uint64_t number;
	return sysvipc_var_get(r, t, value, &number);
}

/* sysvipc_var_update has change change the value, which no other writer comes between. Of a
 * value of at most 8 bytes it may be called again if another writer was faster. */
static inline int sysvipc_var_update(const struct sysvipc_region *r, const struct sysvipc_thing *t, void *value, void (*change)(void *value, void *arg), void *arg)
{
	unsigned char *at = r->base + t->offset;
	uint64_t *seq = (uint64_t *)(void *)at, size = t->params[0], stride = t->params[1];
	if (!r->writable)
		return EACCES;
	if (!stride) {
		uint64_t word = __atomic_load_n(seq, __ATOMIC_SEQ_CST), next;
		do {
			memcpy(value, &word, size);
			change(value, arg);
			next = 0;
			memcpy(&next, value, size);
		} while (!__atomic_compare_exchange_n(seq, &word, next, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST));
		sysvipc_notify(r, t->offset + 64);
		return 0;
	}
	pthread_mutex_t *lock = (pthread_mutex_t *)(void *)(at + 64);
	int err = sysvipc_mutex_lock(lock);
	if (err == EOWNERDEAD)
		err = pthread_mutex_consistent(lock); /* the dead writer has spoiled no cell that is read */
	if (err)
		return err;
	uint64_t s = __atomic_load_n(seq, __ATOMIC_SEQ_CST);
	sysvipc_copy_out(value, at + 128 + s % 4 * stride, size);
	change(value, arg);
	sysvipc_copy_in(at + 128 + (s + 1) % 4 * stride, value, size);
	__atomic_store_n(seq, s + 1, __ATOMIC_SEQ_CST);
	err = pthread_mutex_unlock(lock);
	sysvipc_notify(r, t->offset + 128 + 4 * stride);
	return err;
}

struct sysvipc_copy {
	const void *from;
	uint64_t size;
};

static inline void sysvipc_set(void *value, void *arg)
{
	const struct sysvipc_copy *c = (const struct sysvipc_copy *)arg;
	memcpy(value, c->from, c->size);
}

/* A counter: its value, and behind its line the event of a change. */
struct sysvipc_counter {
	const struct sysvipc_region *r;
	int64_t *value;
	uint64_t event; /* offset in the region */
};

static inline int sysvipc_counter_find(const struct sysvipc_region *r, const char *name, struct sysvipc_counter *c)
{
	struct sysvipc_thing t;
	int err = sysvipc_find(r, name, SYSVIPC_COUNTER, 0, "", &t);
	if (!err && t.size != 64 + r->events)
		err = EPROTO;
	if (!err) {
		c->r = r;
		c->value = (int64_t *)(void *)(r->base + t.offset);
		c->event = t.offset + 64;
	}
	return err;
}

/* sysvipc_counter_add adds, wakes all that watch the counter, and returns the new value. An
 * atomic instruction of your own on *value counts as well, and wakes nobody. The region must
 * not be attached with SHM_RDONLY. */
static inline int64_t sysvipc_counter_add(const struct sysvipc_counter *c, int64_t delta)
{
	int64_t value = __atomic_add_fetch(c->value, delta, __ATOMIC_SEQ_CST);
	sysvipc_notify(c->r, c->event);
	return value;
}

static inline int64_t sysvipc_counter_load(const struct sysvipc_counter *c) { return __atomic_load_n(c->value, __ATOMIC_SEQ_CST); }

/* Before a wait sleeps, it looks for a while: for about twice as long as the last waits took that ended so,
 * and shortly if they did not. Of 16 that did not, one looks for long, to see whether that is of use again. */
struct sysvipc_spinner {
	uint32_t rounds, misses;
};

#define SYSVIPC_MIN_ROUNDS 200u
#define SYSVIPC_MAX_ROUNDS 2000u
#define SYSVIPC_MISSES_EACH 16u

static inline void sysvipc_pause(void)
{
#if defined(__x86_64__)
	__builtin_ia32_pause();
#elif defined(__aarch64__)
	__asm__ volatile("isb");
#endif
}

/* sysvipc_spin looks for a while whether a word is not what it was. */
static inline bool sysvipc_spin(const struct sysvipc_region *r, struct sysvipc_spinner *s, const uint64_t *at, uint64_t word)
{
	if (!r->spins)
		return false;
	uint32_t most = s->rounds < SYSVIPC_MIN_ROUNDS ? SYSVIPC_MIN_ROUNDS : s->rounds;
	if (s->misses % SYSVIPC_MISSES_EACH == 0)
		most = SYSVIPC_MAX_ROUNDS;
	for (uint32_t i = 0; i < most; i++) {
		sysvipc_pause();
		if (__atomic_load_n(at, __ATOMIC_ACQUIRE) == word)
			continue;
		uint32_t want = 2 * i + SYSVIPC_MIN_ROUNDS, slow = (3 * s->rounds + want) / 4;
		s->rounds = want > slow ? want : slow;
		if (s->rounds > SYSVIPC_MAX_ROUNDS)
			s->rounds = SYSVIPC_MAX_ROUNDS;
		s->misses = 0;
		return true;
	}
	s->rounds = s->rounds * 3 / 4;
	s->misses++;
	return false;
}

/* A chan: a ring of cells, each with a word before the message: from the lowest bit, 3 bits
 * of state, 20 bits of the slot of the process that writes the cell, and the lap. */
enum { SYSVIPC_WRITING = 1, SYSVIPC_FULL, SYSVIPC_SKIP, SYSVIPC_READING, SYSVIPC_SEALED, SYSVIPC_EMPTY };

struct sysvipc_chan {
	const struct sysvipc_region *r;
	uint64_t size, stride, mask, tail, head, epoch, closed, news, room, cells; /* offsets in the region, from tail on */
	unsigned shift, lap_bits;
	uint64_t send_at, take_at, take_epoch; /* where to look first */
	uint64_t blocked; /* the word of the other process that made a try come to EAGAIN, or 0 */
	const uint64_t *at; /* where the word is that has to change, */
	uint64_t word;      /* which was this */
	struct sysvipc_spinner sending, receiving;
};

#define SYSVIPC_POSITIONS ((UINT64_C(1) << 48) - 1)

static inline int sysvipc_chan_find(const struct sysvipc_region *r, const char *name, uint64_t fingerprint, const char *shape, uint64_t size, struct sysvipc_chan *c)
{
	struct sysvipc_thing t;
	int err = sysvipc_find(r, name, SYSVIPC_CHAN, fingerprint, shape, &t);
	if (err)
		return err;
	if (r->slot < 0)
		return EACCES; /* join first */
	uint64_t n = t.params[1], event = sysvipc_round(r->events, 64);
	if (t.params[0] != size || !n || n > 1 << 30 || (n & (n - 1)))
		return EPROTOTYPE;
	memset(c, 0, sizeof *c);
	c->r = r;
	c->size = size;
	c->stride = sysvipc_round(8 + size, 64);
	c->mask = n - 1;
	while (UINT64_C(1) << c->shift < n)
		c->shift++;
	c->lap_bits = 48 - c->shift < 41 ? 48 - c->shift : 41;
	c->tail = t.offset;
	c->head = t.offset + 64;
	c->epoch = t.offset + 128;
	c->closed = t.offset + 136;
	c->news = t.offset + 192;
	c->room = c->news + event;
	c->cells = c->room + event;
	c->take_epoch = ~UINT64_C(0);
	return c->cells + n * c->stride - t.offset == t.size ? 0 : EPROTO;
}

static inline uint64_t *sysvipc_word(const struct sysvipc_chan *c, uint64_t p)
{
	return (uint64_t *)(void *)(c->r->base + c->cells + (p & c->mask) * c->stride);
}

static inline uint64_t sysvipc_get(const struct sysvipc_chan *c, uint64_t offset)
{
	return __atomic_load_n((uint64_t *)(void *)(c->r->base + offset), __ATOMIC_SEQ_CST);
}

static inline bool sysvipc_cas(uint64_t *word, uint64_t from, uint64_t to)
{
	return __atomic_compare_exchange_n(word, &from, to, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
}

static inline bool sysvipc_is_closed(const struct sysvipc_chan *c)
{
	return __atomic_load_n((uint32_t *)(void *)(c->r->base + c->closed), __ATOMIC_SEQ_CST) != 0;
}

/* sysvipc_mark is the word for a position in a state without an owner. */
static inline uint64_t sysvipc_mark(const struct sysvipc_chan *c, uint64_t p, uint64_t state)
{
	return ((p >> c->shift) & ((UINT64_C(1) << c->lap_bits) - 1)) << 23 | state;
}

static inline uint64_t sysvipc_mine(const struct sysvipc_chan *c, uint64_t p, uint64_t state)
{
	return sysvipc_mark(c, p, state) | (uint64_t)c->r->slot << 3;
}

/* sysvipc_ahead is by how many laps a word is ahead of that for a position. */
static inline int64_t sysvipc_ahead(const struct sysvipc_chan *c, uint64_t word, uint64_t p)
{
	unsigned unused = 64 - c->lap_bits;
	return (int64_t)(((word >> 23) - (p >> c->shift)) << unused) >> unused;
}

static inline uint64_t sysvipc_later(uint64_t a, uint64_t b) { return ((int64_t)((b - a) << 16) > 0 ? b : a) & SYSVIPC_POSITIONS; }

/* sysvipc_drained moves head to the first position that was not given back. */
static inline uint64_t sysvipc_drained(const struct sysvipc_chan *c)
{
	uint64_t old = sysvipc_get(c, c->head), p = old & SYSVIPC_POSITIONS;
	for (uint64_t i = 0; i <= c->mask && sysvipc_ahead(c, __atomic_load_n(sysvipc_word(c, p), __ATOMIC_SEQ_CST), p) > 0; i++)
		p = (p + 1) & SYSVIPC_POSITIONS;
	if (p != old)
		sysvipc_cas((uint64_t *)(void *)(c->r->base + c->head), old, p);
	return p;
}

/* sysvipc_try_send sends a message if there is room, else it returns EAGAIN. */
static inline int sysvipc_try_send(struct sysvipc_chan *c, const void *message)
{
	uint64_t p = c->send_at;
	c->blocked = 0;
	if (sysvipc_is_closed(c))
		return EPIPE;
	for (uint64_t i = 0; i < 2 * c->mask + 64; i++) {
		uint64_t *word = sysvipc_word(c, p), w = __atomic_load_n(word, __ATOMIC_SEQ_CST), state = w & 7;
		int64_t ahead = sysvipc_ahead(c, w, p);
		c->at = word;
		c->word = w;
		if (ahead == 0 && state == SYSVIPC_EMPTY) {
			uint64_t mine = sysvipc_mine(c, p, SYSVIPC_WRITING);
			if (!sysvipc_cas(word, w, mine))
				continue;
			sysvipc_copy_in((unsigned char *)(word + 1), message, c->size);
			if (!sysvipc_cas(word, mine, sysvipc_mark(c, p, SYSVIPC_FULL)))
				return EPROTO;
			c->send_at = (p + 1) & SYSVIPC_POSITIONS;
			if ((c->send_at & 15) == 0 || c->mask < 15) {
				uint64_t old = sysvipc_get(c, c->tail), next = sysvipc_later(old, c->send_at);
				if (next != old)
					sysvipc_cas((uint64_t *)(void *)(c->r->base + c->tail), old, next);
			}
			sysvipc_notify(c->r, c->news);
			return 0;
		}
		if (ahead == 0 && state == SYSVIPC_SEALED)
			return EPIPE;
		if (ahead >= 0)
			p = sysvipc_later(p + 1 + (ahead > 1 ? (uint64_t)(ahead - 1) << c->shift : 0), sysvipc_get(c, c->tail));
		else {
			c->blocked = w;
			return ahead == -1 && state >= SYSVIPC_WRITING && state <= SYSVIPC_READING ? EAGAIN : EPROTO;
		}
	}
	return EBUSY;
}

/* sysvipc_release gives the cell of a message that was received back to the senders. */
static inline int sysvipc_release(struct sysvipc_chan *c, uint64_t p, uint64_t mine)
{
	if (!sysvipc_cas(sysvipc_word(c, p), mine, sysvipc_mark(c, p + c->mask + 1, SYSVIPC_EMPTY)))
		return EPROTO;
	if (((p + 1) & 15) == 0 || c->mask < 15)
		sysvipc_drained(c);
	sysvipc_notify(c->r, c->room);
	if (sysvipc_is_closed(c))
		sysvipc_notify(c->r, c->news);
	return 0;
}

/* sysvipc_try_receive receives a message if there is one, else it returns EAGAIN. */
static inline int sysvipc_try_receive(struct sysvipc_chan *c, void *message)
{
	uint64_t epoch = sysvipc_get(c, c->epoch);
	uint64_t p = epoch == c->take_epoch ? c->take_at : sysvipc_get(c, c->head) & SYSVIPC_POSITIONS;
	c->blocked = 0;
	for (uint64_t i = 0; i < 2 * c->mask + 64; i++) {
		uint64_t *word = sysvipc_word(c, p), w = __atomic_load_n(word, __ATOMIC_SEQ_CST), state = w & 7;
		int64_t ahead = sysvipc_ahead(c, w, p);
		c->at = word;
		c->word = w;
		if (ahead == 0 && state == SYSVIPC_FULL) {
			uint64_t mine = sysvipc_mine(c, p, SYSVIPC_READING);
			if (!sysvipc_cas(word, w, mine))
				continue;
			c->take_at = (p + 1) & SYSVIPC_POSITIONS;
			c->take_epoch = epoch;
			sysvipc_copy_out(message, (unsigned char *)(word + 1), c->size);
			return sysvipc_release(c, p, mine);
		}
		if (ahead > 0 || (ahead == 0 && state == SYSVIPC_READING)) {
			p = sysvipc_later(p + 1, sysvipc_get(c, c->head));
		} else if (ahead == 0 && state == SYSVIPC_SKIP) {
			if (sysvipc_cas(word, w, sysvipc_mark(c, p + c->mask + 1, SYSVIPC_EMPTY)))
				sysvipc_notify(c->r, c->room);
		} else if (ahead == 0 && state == SYSVIPC_EMPTY) {
			if (!sysvipc_is_closed(c))
				return EAGAIN;
			sysvipc_cas(word, w, sysvipc_mark(c, p, SYSVIPC_SEALED));
		} else if (ahead == 0 && state == SYSVIPC_SEALED) {
			uint64_t q = sysvipc_drained(c);
			if (q == p)
				return ENODATA;
			uint64_t left = __atomic_load_n(sysvipc_word(c, q), __ATOMIC_SEQ_CST);
			if ((left & 7) != SYSVIPC_FULL || sysvipc_ahead(c, left, q)) {
				c->blocked = left;
				return EAGAIN;
			}
			p = q;
		} else {
			bool waits = (ahead == 0 && state == SYSVIPC_WRITING) || (ahead == -1 && (state == SYSVIPC_READING || state == SYSVIPC_FULL));
			c->blocked = w;
			return waits ? EAGAIN : EPROTO;
		}
	}
	return EBUSY;
}

static inline int64_t sysvipc_now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
}

/* The bits of a lock word. */
#define SYSVIPC_WAITERS 0x80000000u
#define SYSVIPC_DIED 0x40000000u
#define SYSVIPC_TID 0x3fffffffu

static inline uint32_t *sysvipc_life(const struct sysvipc_region *r, uint32_t slot) { return &sysvipc_slot_at(r, slot)->life.word; }

struct sysvipc_mender {
	const struct sysvipc_chan *c;
	uint32_t slot;
};

/* sysvipc_mend_cells brings the cells into order that the process in a slot had claimed. It is
 * a thread of its own: it takes the slot, so that nobody else does so meanwhile, and ends with
 * it, so that the kernel marks the slot as that of a dead process again. */
static inline void *sysvipc_mend_cells(void *arg)
{
	const struct sysvipc_mender *m = (const struct sysvipc_mender *)arg;
	const struct sysvipc_chan *c = m->c;
	struct sysvipc_slot *s = sysvipc_slot_at(c->r, m->slot);
	s->life.kind = 0x90; /* robust, shared among processes */
	int err = pthread_mutex_trylock((pthread_mutex_t *)(void *)&s->life);
	if (!err)
		pthread_mutex_unlock((pthread_mutex_t *)(void *)&s->life);
	if (err != EOWNERDEAD)
		return NULL;
	sysvipc_stop_late();
	uint64_t p = sysvipc_drained(c);
	for (uint64_t i = 0; i <= c->mask; i++, p++) {
		uint64_t *word = sysvipc_word(c, p), w = __atomic_load_n(word, __ATOMIC_SEQ_CST), state = w & 7;
		int64_t ahead = sysvipc_ahead(c, w, p);
		if (ahead < 0 || (ahead == 0 && (state == SYSVIPC_EMPTY || state == SYSVIPC_SEALED)))
			break;
		if (ahead || (w >> 3 & 0xfffff) != m->slot)
			continue;
		if (state == SYSVIPC_WRITING)
			sysvipc_cas(word, w, sysvipc_mark(c, p, SYSVIPC_SKIP));
		else if (state == SYSVIPC_READING)
			sysvipc_cas(word, w, sysvipc_mark(c, p, SYSVIPC_FULL));
	}
	__atomic_add_fetch((uint64_t *)(void *)(c->r->base + c->epoch), 1, __ATOMIC_SEQ_CST);
	sysvipc_alarm(c->r);
	return NULL;
}

/* sysvipc_orphan looks after the owner of the cell that blocks a try, and sets *mended if it
 * was dead and its cells have been brought into order. */
static inline int sysvipc_orphan(const struct sysvipc_chan *c, bool *mended)
{
	uint64_t state = c->blocked & 7;
	struct sysvipc_mender m = {c, (uint32_t)(c->blocked >> 3 & 0xfffff)};
	*mended = false;
	if ((state != SYSVIPC_WRITING && state != SYSVIPC_READING) || m.slot >= c->r->slots)
		return 0;
	if (!(__atomic_load_n(sysvipc_life(c->r, m.slot), __ATOMIC_SEQ_CST) & SYSVIPC_DIED))
		return 0;
	pthread_t thread;
	int err = sysvipc_start(&thread, sysvipc_mend_cells, &m);
	if (!err)
		err = pthread_join(thread, NULL);
	*mended = !err;
	return err;
}

/* sysvipc_pass_on tells all of the deaths of which the kernel tells one. */
static inline void sysvipc_pass_on(const struct sysvipc_region *r)
{
	for (uint32_t i = 0; i < r->slots; i++)
		if (__atomic_load_n(sysvipc_life(r, i), __ATOMIC_SEQ_CST) & SYSVIPC_DIED)
			sysvipc_futex_wake(sysvipc_life(r, i), INT_MAX);
	sysvipc_alarm(r);
}

struct sysvipc_waitv { /* struct futex_waitv of linux/futex.h */
	uint64_t val, addr;
	uint32_t flags, pad;
};

/* sysvipc_removed asks the kernel whether the region was removed. */
static inline bool sysvipc_removed(const struct sysvipc_region *r)
{
	struct shmid_ds ds;
	return !shmctl(r->id, IPC_STAT, &ds) && (ds.shm_perm.mode & SHM_DEST);
}

/* sysvipc_sleep sleeps until this process is woken, or another process of the region
 * ends, or to a time, but for a second at most; NULL stands for ever. It may return for no
 * reason. */
static inline void sysvipc_sleep(const struct sysvipc_region *r, uint32_t *waker, uint32_t rung, const struct timespec *end)
{
	struct sysvipc_waitv words[128] = {{rung, (uintptr_t)waker, 2, 0}};
	unsigned n = 1;
	for (uint32_t i = 0; i < r->slots && n < 128; i++) {
		uint32_t *life = sysvipc_life(r, i), w = __atomic_load_n(life, __ATOMIC_SEQ_CST);
		if (i == (uint32_t)r->slot || !(w & SYSVIPC_TID))
			continue; /* free, or of a process whose death is known */
		/* The kernel wakes only if the word asks for it. */
		if (!(w & SYSVIPC_WAITERS) &&
			!__atomic_compare_exchange_n(life, &w, w | SYSVIPC_WAITERS, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
			return;
		struct sysvipc_waitv word = {w | SYSVIPC_WAITERS, (uintptr_t)life, 2, 0};
		words[n++] = word;
	}
	int64_t now = sysvipc_now(), left = end ? end->tv_sec * INT64_C(1000000000) + end->tv_nsec - now : INT64_MAX;
	/* Nobody wakes for those who are more, nor for a region that ipcrm(1) removes. */
	int64_t most = n == 128 ? 100000000 : 1000000000;
	struct timespec soon = {(now + most) / 1000000000, (now + most) % 1000000000};
	if (left > most)
		end = &soon;
	long woken = syscall(449, words, n, 0, end, CLOCK_MONOTONIC); /* futex_waitv, since Linux 5.16 */
	if (woken > 0)
		sysvipc_pass_on(r);
	if (woken < 0 && (errno == ENOSYS || errno == EPERM)) {
		struct timespec t = {0, left < 0 ? 0 : left < 100000000 ? left : 100000000};
		syscall(SYS_futex, waker, 0, rung, &t, NULL, 0);
	}
}

/* sysvipc_wait repeats try_it until it is not EAGAIN, or so many milliseconds are over; -1
 * stands for ever. Nothing polls: it sleeps until its process is woken, or another
 * process has ended. */
static inline int sysvipc_wait(struct sysvipc_chan *c, uint64_t event, int milliseconds, int (*try_it)(struct sysvipc_chan *c, void *message), void *message)
{
	int err0 = try_it(c, message);
	if (err0 != EAGAIN && err0 != EBUSY)
		return err0; /* the time costs more than the rest */
	int64_t ends = sysvipc_now() + milliseconds * INT64_C(1000000);
	struct timespec end = {ends / 1000000000, ends % 1000000000};
	uint32_t *waker = &sysvipc_slot_at(c->r, (uint32_t)c->r->slot)->waker;
	uint64_t *word = (uint64_t *)(void *)(c->r->base + event + (uint64_t)(c->r->slot / 64) * 8);
	uint64_t mended_word = 0;
	uint32_t mended_incarnation = 0;
	int64_t asked = sysvipc_now();
	struct sysvipc_spinner *spinner = event == c->room ? &c->sending : &c->receiving;
	for (int mends = 0;;) {
		uint32_t rung = __atomic_load_n(waker, __ATOMIC_SEQ_CST);
		int err = try_it(c, message);
		if (err == EAGAIN && milliseconds && sysvipc_spin(c->r, spinner, c->at, c->word))
			err = try_it(c, message);
		if (err == EAGAIN && milliseconds) {
			__atomic_or_fetch(word, UINT64_C(1) << c->r->slot % 64, __ATOMIC_SEQ_CST);
			err = try_it(c, message);
		}
		if (err == EBUSY) {
			sched_yield();
			continue;
		}
		if (err != EAGAIN)
			return err;
		bool mended;
		if ((err = sysvipc_orphan(c, &mended)))
			return err;
		if (mended) {
			uint32_t owner = (uint32_t)(c->blocked >> 3 & 0xfffff);
			uint32_t incarnation = __atomic_load_n(&sysvipc_slot_at(c->r, owner)->incarnation, __ATOMIC_SEQ_CST);
			if (c->blocked != mended_word || incarnation != mended_incarnation)
				mends = 0; /* another death */
			mended_word = c->blocked;
			mended_incarnation = incarnation;
			if (++mends > 100)
				return EPROTO; /* no process that keeps to the protocol has left the cells so */
			continue;
		}
		if (!milliseconds)
			return EAGAIN;
		int64_t now = sysvipc_now();
		if (__atomic_load_n(&sysvipc_header_of(c->r)->removed, __ATOMIC_SEQ_CST) || now - asked > 900000000) {
			if (sysvipc_removed(c->r))
				return EIDRM;
			asked = now;
		}
		if (milliseconds > 0 && now >= ends)
			return ETIMEDOUT;
		sysvipc_sleep(c->r, waker, rung, milliseconds > 0 ? &end : NULL);
	}
}

/* sysvipc_listen says that this process waits for an event, and returns what sysvipc_sleep wants to know. What is
 * waited for has to be looked at in between. */
static inline uint32_t sysvipc_listen(const struct sysvipc_region *r, uint64_t event)
{
	uint32_t rung = __atomic_load_n(&sysvipc_slot_at(r, (uint32_t)r->slot)->waker, __ATOMIC_SEQ_CST);
	__atomic_or_fetch((uint64_t *)(void *)(r->base + event + (uint64_t)(r->slot / 64) * 8), UINT64_C(1) << r->slot % 64, __ATOMIC_SEQ_CST);
	return rung;
}

/* sysvipc_await waits until ready says so, which it asks after each event; 0 milliseconds do not wait. */
static inline int sysvipc_await(const struct sysvipc_region *r, uint64_t event, int milliseconds, bool (*ready)(const void *arg), const void *arg)
{
	int64_t asked = sysvipc_now(), ends = asked + milliseconds * INT64_C(1000000);
	struct timespec end = {ends / 1000000000, ends % 1000000000};
	if (ready(arg))
		return 0;
	if (!milliseconds)
		return EAGAIN;
	if (r->slot < 0)
		return EACCES; /* join first */
	for (;;) {
		uint32_t rung = sysvipc_listen(r, event);
		if (ready(arg))
			return 0;
		int64_t now = sysvipc_now();
		if (__atomic_load_n(&sysvipc_header_of(r)->removed, __ATOMIC_SEQ_CST) || now - asked > 900000000) {
			if (sysvipc_removed(r))
				return EIDRM;
			asked = now;
		}
		if (milliseconds > 0 && now >= ends)
			return ETIMEDOUT;
		sysvipc_sleep(r, &sysvipc_slot_at(r, (uint32_t)r->slot)->waker, rung, milliseconds > 0 ? &end : NULL);
	}
}

struct sysvipc_changed {
	const uint64_t *at;
	uint64_t seen;
};

static inline bool sysvipc_has_changed(const void *arg)
{
	const struct sysvipc_changed *c = (const struct sysvipc_changed *)arg;
	return __atomic_load_n(c->at, __ATOMIC_SEQ_CST) != c->seen;
}

/* sysvipc_var_wait waits until the number of a var is not *number, and loads the value with its new number. A
 * value of at most 8 bytes that has changed and changed back is not seen. */
static inline int sysvipc_var_wait(const struct sysvipc_region *r, const struct sysvipc_thing *t, void *value, uint64_t *number, int milliseconds)
{
	struct sysvipc_changed c = {(const uint64_t *)(const void *)(r->base + t->offset), *number};
	struct sysvipc_spinner spinner = {0, 1};
	if (r->slot < 0)
		return EACCES; /* join first */
	if (!sysvipc_has_changed(&c) && !(milliseconds && sysvipc_spin(r, &spinner, c.at, c.seen))) {
		int err = sysvipc_await(r, t->offset + (t->params[1] ? 128 + 4 * t->params[1] : 64), milliseconds, sysvipc_has_changed, &c);
		if (err)
			return err;
	}
	return sysvipc_var_get(r, t, value, number);
}

static inline int sysvipc_try_send_any(struct sysvipc_chan *c, void *message) { return sysvipc_try_send(c, message); }

/* sysvipc_send sends a message, and waits for room; 0 milliseconds do not wait. */
static inline int sysvipc_send(struct sysvipc_chan *c, const void *message, int milliseconds)
{
	return sysvipc_wait(c, c->room, milliseconds, sysvipc_try_send_any, (void *)(uintptr_t)message);
}

/* sysvipc_receive receives a message, and waits for one; 0 milliseconds do not wait. */
static inline int sysvipc_receive(struct sysvipc_chan *c, void *message, int milliseconds)
{
	return sysvipc_wait(c, c->news, milliseconds, sysvipc_try_receive, message);
}

#endif /* SYSVIPC_REGION_H */
