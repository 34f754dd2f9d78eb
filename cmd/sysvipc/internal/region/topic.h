#ifndef SYSVIPC_TOPIC_H
#define SYSVIPC_TOPIC_H

/* A topic: the publishers' lock, intent and tail; the events of a message and of a gate that has moved; the
 * gates of subscribers for whom publishers wait; and cells. A message has a position, and lies in the cell
 * of it. What is below tail is published, and what is copied from position p is whole if intent
 * is not beyond p + N afterwards. */
enum { SYSVIPC_TOPIC = 7 };

struct sysvipc_topic_head {
	struct sysvipc_node lock;
	unsigned char pad1[24];
	uint64_t intent, tail;
	unsigned char pad2[48];
	uint32_t gates; /* from this one on they were never taken */
	unsigned char pad3[60];
};

struct sysvipc_gate {
	uint64_t owner, joined, cursor;
	unsigned char pad[40];
};
_Static_assert(sizeof(struct sysvipc_topic_head) == 192 && offsetof(struct sysvipc_topic_head, gates) == 128 && sizeof(struct sysvipc_gate) == 64, "topic");

struct sysvipc_topic {
	struct sysvipc_region *r;
	struct sysvipc_topic_head *head;
	uint64_t size, stride, mask, count; /* bytes of a message and of a cell; messages less 1; gates */
	uint64_t news, room, gates, cells;  /* offsets in the region */
};

/* A subscription. Missed counts the messages that it has lost in all. */
struct sysvipc_subscription {
	const struct sysvipc_topic *t;
	uint64_t cursor, missed;
	struct sysvipc_gate *gate; /* or NULL: then it may lose messages */
	struct sysvipc_spinner spinner;
};

static inline int sysvipc_topic_find(struct sysvipc_region *r, const char *name, uint64_t fingerprint, const char *shape, uint64_t size, struct sysvipc_topic *c)
{
	struct sysvipc_thing t;
	int err = sysvipc_find(r, name, SYSVIPC_TOPIC, fingerprint, shape, &t);
	if (err)
		return err;
	uint64_t n = t.params[1], event = sysvipc_round(r->events, 64);
	if (t.params[0] != size || n < 4 || n > 1 << 30 || (n & (n - 1)) || t.params[2] > 1 << 20)
		return EPROTOTYPE;
	memset(c, 0, sizeof *c);
	c->r = r;
	c->head = (struct sysvipc_topic_head *)(void *)(r->base + t.offset);
	c->size = size;
	c->stride = sysvipc_round(size, 64);
	if (size <= 64)
		for (c->stride = 8; c->stride < size;)
			c->stride *= 2;
	c->mask = n - 1;
	c->count = t.params[2];
	c->news = t.offset + sizeof(struct sysvipc_topic_head);
	c->room = c->news + event;
	c->gates = c->room + event;
	c->cells = c->gates + c->count * sizeof(struct sysvipc_gate);
	return c->cells + n * c->stride - t.offset == t.size ? 0 : EPROTO;
}

static inline uint64_t sysvipc_read(const uint64_t *at) { return __atomic_load_n(at, __ATOMIC_SEQ_CST); }

static inline void sysvipc_write(uint64_t *at, uint64_t n) { __atomic_store_n(at, n, __ATOMIC_SEQ_CST); }

static inline unsigned char *sysvipc_topic_cell(const struct sysvipc_topic *c, uint64_t p) { return c->r->base + c->cells + (p & c->mask) * c->stride; }

static inline struct sysvipc_gate *sysvipc_gate_at(const struct sysvipc_topic *c, uint64_t i)
{
	return (struct sysvipc_gate *)(void *)(c->r->base + c->gates + i * sizeof(struct sysvipc_gate));
}

static inline bool sysvipc_beyond(uint64_t a, uint64_t b) { return (int64_t)(a - b) > 0; }

/* sysvipc_alive reports whether the participant lives that took its slot with this number. */
static inline bool sysvipc_alive(const struct sysvipc_region *r, uint64_t owner)
{
	uint32_t slot = (uint32_t)owner - 1;
	return slot < r->slots && (__atomic_load_n(sysvipc_life(r, slot), __ATOMIC_SEQ_CST) & SYSVIPC_TID) &&
		__atomic_load_n(&sysvipc_slot_at(r, slot)->incarnation, __ATOMIC_SEQ_CST) == owner >> 32;
}

/* sysvipc_open reports whether no gate of a process that lives is in the way of messages up to end. */
static inline bool sysvipc_open(const struct sysvipc_topic *c, uint64_t end)
{
	uint64_t n = __atomic_load_n(&c->head->gates, __ATOMIC_SEQ_CST);
	for (uint64_t i = 0; i < n && i < c->count; i++) {
		const struct sysvipc_gate *g = sysvipc_gate_at(c, i);
		if (sysvipc_read(&g->joined) && sysvipc_beyond(end, sysvipc_read(&g->cursor) + c->mask + 1) && sysvipc_alive(c->r, sysvipc_read(&g->owner)))
			return false;
	}
	return true;
}

struct sysvipc_publish {
	const struct sysvipc_topic *c;
	uint64_t end;
};

static inline bool sysvipc_may_publish(const void *arg)
{
	const struct sysvipc_publish *p = (const struct sysvipc_publish *)arg;
	return sysvipc_open(p->c, p->end);
}

/* sysvipc_publish publishes a message, and waits for gated subscribers whose next message is in its place. */
static inline int sysvipc_publish(const struct sysvipc_topic *c, const void *message, int milliseconds)
{
	if (c->r->slot < 0)
		return EACCES; /* join first */
	int64_t ends = sysvipc_now() + milliseconds * INT64_C(1000000);
	for (;;) {
		pthread_mutex_t *lock = (pthread_mutex_t *)(void *)&c->head->lock;
		int err = sysvipc_mutex_lock(lock);
		if (err == EOWNERDEAD)
			err = pthread_mutex_consistent(lock); /* what the dead publisher has written is not published, and counts as intended */
		if (err)
			return err;
		uint64_t p = sysvipc_read(&c->head->tail);
		if (sysvipc_beyond(p + 1, sysvipc_read(&c->head->intent)))
			sysvipc_write(&c->head->intent, p + 1);
		bool open = sysvipc_open(c, p + 1);
		if (open) {
			sysvipc_copy_in(sysvipc_topic_cell(c, p), message, c->size);
			sysvipc_write(&c->head->tail, p + 1);
		}
		err = pthread_mutex_unlock(lock);
		if (open) {
			sysvipc_notify(c->r, c->news);
			return err;
		}
		struct sysvipc_publish publish = {c, p + 1};
		int left = milliseconds;
		if (milliseconds > 0 && (left = (int)((ends - sysvipc_now() + 999999) / 1000000)) < 0)
			left = 0;
		if ((err = sysvipc_await(c->r, c->room, left, sysvipc_may_publish, &publish)))
			return milliseconds && err == EAGAIN ? ETIMEDOUT : err;
	}
}

/* sysvipc_unsubscribe ends a subscription. */
static inline void sysvipc_unsubscribe(struct sysvipc_subscription *s)
{
	if (s->gate) {
		s->t->r->gated--;
		sysvipc_write(&s->gate->joined, 0);
		sysvipc_write(&s->gate->owner, 0);
		sysvipc_notify(s->t->r, s->t->room);
	}
	s->gate = NULL;
}

/* sysvipc_subscribe begins a subscription to what is published from now on. A gated one loses nothing:
 * publishers wait for it, until its process ends or sysvipc_unsubscribe. EAGAIN says that all gates are taken. */
static inline int sysvipc_subscribe(const struct sysvipc_topic *c, bool gated, struct sysvipc_subscription *s)
{
	memset(s, 0, sizeof *s);
	s->t = c;
	if (!gated) {
		s->cursor = sysvipc_read(&c->head->tail);
		return 0;
	}
	if (c->r->slot < 0)
		return EACCES; /* join first */
	uint64_t me = (uint64_t)__atomic_load_n(&sysvipc_slot_at(c->r, (uint32_t)c->r->slot)->incarnation, __ATOMIC_SEQ_CST) << 32 | (uint32_t)(c->r->slot + 1);
	for (uint64_t i = 0; i < c->count; i++) {
		struct sysvipc_gate *g = sysvipc_gate_at(c, i);
		if (sysvipc_read(&g->owner) || !sysvipc_cas(&g->owner, 0, me))
			continue;
		uint32_t up_to = __atomic_load_n(&c->head->gates, __ATOMIC_SEQ_CST);
		while (up_to <= i && !__atomic_compare_exchange_n(&c->head->gates, &up_to, (uint32_t)i + 1, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
			;
		s->gate = g;
		c->r->gated++;
		for (int tries = 0; tries < 1000000; tries++) {
			s->cursor = sysvipc_read(&c->head->tail);
			sysvipc_write(&g->cursor, s->cursor);
			sysvipc_write(&g->joined, 1);
			/* Until no publisher has begun that did not see the gate, and overwrites what comes next. */
			if (!sysvipc_beyond(sysvipc_read(&c->head->intent), s->cursor + c->mask + 1))
				return 0;
		}
		sysvipc_unsubscribe(s);
		return EPROTO;
	}
	return EAGAIN;
}

static inline bool sysvipc_published(const void *arg)
{
	const struct sysvipc_subscription *s = (const struct sysvipc_subscription *)arg;
	return sysvipc_read(&s->t->head->tail) != s->cursor;
}

/* sysvipc_next copies the next message, and waits for one; 0 milliseconds do not wait. */
static inline int sysvipc_next(struct sysvipc_subscription *s, void *message, int milliseconds)
{
	const struct sysvipc_topic *c = s->t;
	for (;;) {
		uint64_t tail = sysvipc_read(&c->head->tail);
		if (tail == s->cursor) {
			if (milliseconds && c->r->slot >= 0 && sysvipc_spin(c->r, &s->spinner, &c->head->tail, tail))
				continue;
			int err = c->r->slot < 0 && milliseconds ? EACCES : sysvipc_await(c->r, c->news, milliseconds, sysvipc_published, s);
			if (err)
				return err;
			continue;
		}
		if (!sysvipc_beyond(tail, s->cursor))
			return EPROTO;
		sysvipc_copy_out(message, sysvipc_topic_cell(c, s->cursor), c->size);
		if (!s->gate && sysvipc_beyond(sysvipc_read(&c->head->intent), s->cursor + c->mask + 1)) {
			/* Overrun: it goes on halfway between the oldest and the newest. */
			uint64_t half = sysvipc_read(&c->head->tail) - (c->mask + 1) / 2;
			if (!sysvipc_beyond(half, s->cursor))
				return EPROTO;
			s->missed += half - s->cursor;
			s->cursor = half;
			continue;
		}
		s->cursor++;
		if (s->gate) {
			sysvipc_write(&s->gate->cursor, s->cursor);
			sysvipc_notify(c->r, c->room);
		}
		return 0;
	}
}

#endif /* SYSVIPC_TOPIC_H */
