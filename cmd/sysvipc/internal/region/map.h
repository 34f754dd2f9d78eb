#ifndef SYSVIPC_MAP_H
#define SYSVIPC_MAP_H

/* A map: stripes by the hash of the key, each with the writers' lock, an index of words, a stack of free
 * cells, the cells, and the event of a change. A word has, from the lowest bit, 28 bits for the number
 * of the cell plus 1, 8 bits of the hash, and how often the word has changed. */
enum { SYSVIPC_MAP = 5 };

#define SYSVIPC_CELL UINT64_C(0xfffffff)
#define SYSVIPC_HOLE SYSVIPC_CELL
#define SYSVIPC_TAG (UINT64_C(0xff) << 28)

struct sysvipc_stripe {
	struct sysvipc_node lock;
	unsigned char pad1[24];
	uint64_t moves, count;
	uint32_t top, fresh;
	unsigned char pad2[40];
};
_Static_assert(sizeof(struct sysvipc_stripe) == 128 && offsetof(struct sysvipc_stripe, moves) == 64, "stripe");

struct sysvipc_map {
	const struct sysvipc_region *r;
	uint64_t offset, capacity, key, val; /* entries, and bytes of a key and of a value */
	uint64_t stripes, slots, cells;      /* of one stripe: slots and cells */
	uint64_t value, stride;              /* where a cell's value is, and a cell's length */
	uint64_t free, data, event, stripe;  /* where a stripe's parts are, and its length */
	const uint32_t (*blank)[2];          /* bytes of keys that do not count, from and to */
	unsigned blanks;
};

static inline uint64_t sysvipc_power(uint64_t n)
{
	uint64_t p = 1;
	while (p < n)
		p *= 2;
	return p;
}

static inline int sysvipc_map_find(const struct sysvipc_region *r, const char *name, uint64_t fingerprint, const char *shape, uint64_t key, uint64_t val, const uint32_t (*blank)[2], unsigned blanks, struct sysvipc_map *m)
{
	struct sysvipc_thing t;
	int err = sysvipc_find(r, name, SYSVIPC_MAP, fingerprint, shape, &t);
	if (err)
		return err;
	memset(m, 0, sizeof *m);
	m->r = r;
	m->offset = t.offset;
	m->capacity = t.params[0];
	m->key = key;
	m->val = val;
	m->blank = blank;
	m->blanks = blanks;
	if (t.params[1] != key || t.params[2] != val || !m->capacity || m->capacity > 1 << 27)
		return EPROTOTYPE;
	for (m->stripes = 1; m->stripes < 64 && m->capacity / m->stripes >= 1024;)
		m->stripes *= 2;
	m->cells = m->capacity;
	if (m->stripes > 1) {
		uint64_t share = m->capacity / m->stripes, root = 0;
		while ((root + 1) * (root + 1) <= share)
			root++;
		m->cells = share + 8 * root + 16;
	}
	m->slots = sysvipc_power(m->cells + m->cells / 2 > 4 ? m->cells + m->cells / 2 : 4);
	m->cells++;
	m->value = sysvipc_round(key, 8);
	m->stride = m->value + sysvipc_round(val, 8);
	m->stride = m->stride <= 64 ? sysvipc_power(m->stride) : sysvipc_round(m->stride, 64);
	m->free = sizeof(struct sysvipc_stripe) + sysvipc_round(8 * m->slots, 64);
	m->data = m->free + sysvipc_round(4 * m->cells, 64);
	m->event = m->data + sysvipc_round(m->cells * m->stride, 64);
	m->stripe = m->event + sysvipc_round(r->events, 64);
	return m->stripes * m->stripe == t.size ? 0 : EPROTO;
}

static inline uint64_t sysvipc_turned(uint64_t n, unsigned by) { return n << by | n >> (64 - by); }

/* sysvipc_xxh64 is XXH64 with seed 0 (xxhash.com). */
static inline uint64_t sysvipc_xxh64(const void *data, uint64_t size)
{
	const uint64_t p1 = UINT64_C(0x9E3779B185EBCA87), p2 = UINT64_C(0xC2B2AE3D27D4EB4F), p3 = UINT64_C(0x165667B19E3779F9),
		p4 = UINT64_C(0x85EBCA77C2B2AE63), p5 = UINT64_C(0x27D4EB2F165667C5);
	const unsigned char *p = (const unsigned char *)data;
	uint64_t h = p5, left = size, word;
	if (left >= 32) {
		uint64_t v[4] = {p1 + p2, p2, 0, 0 - p1};
		static const unsigned turns[4] = {1, 7, 12, 18};
		for (; left >= 32; left -= 32)
			for (int i = 0; i < 4; i++, p += 8) {
				memcpy(&word, p, 8);
				v[i] = sysvipc_turned(v[i] + word * p2, 31) * p1;
			}
		h = 0;
		for (int i = 0; i < 4; i++)
			h += sysvipc_turned(v[i], turns[i]);
		for (int i = 0; i < 4; i++)
			h = (h ^ sysvipc_turned(v[i] * p2, 31) * p1) * p1 + p4;
	}
	h += size;
	for (; left >= 8; left -= 8, p += 8) {
		memcpy(&word, p, 8);
		h = sysvipc_turned(h ^ sysvipc_turned(word * p2, 31) * p1, 27) * p1 + p4;
	}
	if (left >= 4) {
		uint32_t half;
		memcpy(&half, p, 4);
		h = sysvipc_turned(h ^ half * p1, 23) * p2 + p3;
		left -= 4;
		p += 4;
	}
	for (; left; left--, p++)
		h = sysvipc_turned(h ^ *p * p5, 11) * p1;
	h = (h ^ h >> 33) * p2;
	h = (h ^ h >> 29) * p3;
	return h ^ h >> 32;
}

/* sysvipc_map_hash clears what does not count in a key, and returns the key's hash. */
static inline uint64_t sysvipc_map_hash(const struct sysvipc_map *m, void *key)
{
	for (unsigned i = 0; i < m->blanks; i++)
		memset((unsigned char *)key + m->blank[i][0], 0, m->blank[i][1] - m->blank[i][0]);
	return sysvipc_xxh64(key, m->key);
}

static inline unsigned char *sysvipc_stripe_of(const struct sysvipc_map *m, uint64_t hash)
{
	return m->r->base + m->offset + (hash & (m->stripes - 1)) * m->stripe;
}

static inline struct sysvipc_stripe *sysvipc_stripe_head(unsigned char *s) { return (struct sysvipc_stripe *)(void *)s; }

static inline uint64_t *sysvipc_index(const struct sysvipc_map *m, unsigned char *s, uint64_t slot)
{
	return (uint64_t *)(void *)(s + sizeof(struct sysvipc_stripe) + 8 * (slot & (m->slots - 1)));
}

/* sysvipc_cell returns the cell with this number, which is less than m->cells. */
static inline unsigned char *sysvipc_cell(const struct sysvipc_map *m, unsigned char *s, uint64_t n) { return s + m->data + n * m->stride; }

static inline uint32_t *sysvipc_stack(const struct sysvipc_map *m, unsigned char *s) { return (uint32_t *)(void *)(s + m->free); }

static inline uint64_t sysvipc_word_at(const uint64_t *at) { return __atomic_load_n(at, __ATOMIC_SEQ_CST); }

/* sysvipc_succeed replaces a word of the index, whose version grows. */
static inline void sysvipc_succeed(uint64_t *at, uint64_t tagged)
{
	uint64_t word = sysvipc_word_at(at);
	__atomic_store_n(at, ((word >> 36) + 1) << 36 | (tagged & (SYSVIPC_TAG | SYSVIPC_CELL)), __ATOMIC_SEQ_CST);
}

static inline void sysvipc_add(uint64_t *at, uint64_t n) { __atomic_add_fetch(at, n, __ATOMIC_SEQ_CST); }

static inline bool sysvipc_equal(const unsigned char *in, const void *key, uint64_t size)
{
	for (uint64_t i = 0; i < size; i += 8) {
		uint64_t word = sysvipc_word_at((const uint64_t *)(const void *)(in + i));
		if (memcmp(&word, (const unsigned char *)key + i, size - i < 8 ? size - i : 8))
			return false;
	}
	return true;
}

/* sysvipc_probe looks for a key: 0 if *slot, with *word, has it; ENOENT if *slot is free; ENOSPC if no slot
 * is, and EBUSY if the index changed meanwhile. */
static inline int sysvipc_probe(const struct sysvipc_map *m, unsigned char *s, uint64_t hash, const void *key, uint64_t *slot, uint64_t *word)
{
	for (uint64_t i = 0; i < m->slots; i++) {
		*slot = (hash >> 8) + i;
		uint64_t *at = sysvipc_index(m, s, *slot), w = sysvipc_word_at(at), cell = w & SYSVIPC_CELL;
		*word = w;
		if (!cell)
			return ENOENT;
		if (cell == SYSVIPC_HOLE || (w & SYSVIPC_TAG) != hash >> 56 << 28)
			continue;
		if (cell > m->cells)
			return EPROTO;
		if (sysvipc_equal(sysvipc_cell(m, s, cell - 1), key, m->key))
			return 0;
		if (sysvipc_word_at(at) != w)
			return EBUSY;
	}
	return ENOSPC;
}

static inline uint64_t sysvipc_distance(const struct sysvipc_map *m, unsigned char *s, uint64_t slot, uint64_t cell)
{
	return (slot - (sysvipc_xxh64(sysvipc_cell(m, s, cell), m->key) >> 8)) & (m->slots - 1);
}

/* sysvipc_close moves entries up until a hole can be empty. A reader may find an entry on its way twice,
 * and if it misses it, moves has changed. */
static inline void sysvipc_close(const struct sysvipc_map *m, unsigned char *s, uint64_t hole)
{
	uint64_t slot = hole;
	for (uint64_t i = 1; i < m->slots; i++) {
		slot++;
		uint64_t word = sysvipc_word_at(sysvipc_index(m, s, slot)), cell = word & SYSVIPC_CELL;
		if (!cell)
			break;
		if (cell > m->cells || sysvipc_distance(m, s, slot, cell - 1) < slot - hole)
			continue; /* a hole, or it cannot be that far up */
		sysvipc_succeed(sysvipc_index(m, s, hole), word);
		sysvipc_add(&sysvipc_stripe_head(s)->moves, 1);
		sysvipc_succeed(sysvipc_index(m, s, slot), SYSVIPC_HOLE);
		hole = slot;
	}
	sysvipc_succeed(sysvipc_index(m, s, hole), 0);
}

/* sysvipc_give_cell puts a cell on the stack, to which no word points any more. */
static inline void sysvipc_give_cell(const struct sysvipc_map *m, unsigned char *s, uint64_t cell)
{
	struct sysvipc_stripe *h = sysvipc_stripe_head(s);
	if (h->top < m->cells)
		sysvipc_stack(m, s)[h->top++] = (uint32_t)cell;
}

/* sysvipc_sweep brings a stripe into order whose writer was killed. The lock is held; the next holder after
 * a sweeper that was killed begins again. */
static inline void sysvipc_sweep(const struct sysvipc_map *m, unsigned char *s)
{
	struct sysvipc_stripe *h = sysvipc_stripe_head(s);
	uint32_t *where = sysvipc_stack(m, s); /* of each cell, the slot that has it, plus 1, until the stack is made again */
	h->top = 0;
	memset(where, 0, 4 * m->cells);
	for (uint64_t slot = 0; slot < m->slots; slot++) {
		uint64_t cell = sysvipc_word_at(sysvipc_index(m, s, slot)) & SYSVIPC_CELL, out = slot;
		if (!cell || cell == SYSVIPC_HOLE)
			continue;
		if (cell <= m->cells) {
			uint64_t other = where[cell - 1];
			where[cell - 1] = (uint32_t)slot + 1;
			if (!other)
				continue;
			/* It was on its way from one slot to another: it stays in the nearer one. */
			out = other - 1;
			if (sysvipc_distance(m, s, out, cell - 1) < sysvipc_distance(m, s, slot, cell - 1)) {
				out = slot;
				where[cell - 1] = (uint32_t)other;
			}
		}
		sysvipc_add(&h->moves, 1);
		sysvipc_succeed(sysvipc_index(m, s, out), SYSVIPC_HOLE);
	}
	for (uint64_t slot = 0; slot < m->slots; slot++)
		if ((sysvipc_word_at(sysvipc_index(m, s, slot)) & SYSVIPC_CELL) == SYSVIPC_HOLE)
			sysvipc_close(m, s, slot);
	uint64_t count = 0, fresh = h->fresh < m->cells ? h->fresh : m->cells;
	for (uint64_t cell = 0; cell < m->cells; cell++)
		if (where[cell]) {
			count++;
			fresh = fresh > cell ? fresh : cell + 1;
		}
	for (uint64_t cell = 0; cell < fresh; cell++)
		if (!where[cell])
			sysvipc_give_cell(m, s, cell); /* at or below where[cell] */
	h->fresh = (uint32_t)fresh;
	__atomic_store_n(&h->count, count, __ATOMIC_SEQ_CST);
}

static inline int sysvipc_stripe_lock(const struct sysvipc_map *m, unsigned char *s)
{
	if (m->r->slot < 0)
		return EACCES; /* join first */
	pthread_mutex_t *lock = (pthread_mutex_t *)(void *)s;
	int err = sysvipc_mutex_lock(lock);
	if (err != EOWNERDEAD)
		return err;
	sysvipc_sweep(m, s);
	return pthread_mutex_consistent(lock);
}

static inline int sysvipc_stripe_unlock(unsigned char *s) { return pthread_mutex_unlock((pthread_mutex_t *)(void *)s); }

/* sysvipc_map_load copies the value for a key, or returns ENOENT: then the value is spoiled. */
static inline int sysvipc_map_load(const struct sysvipc_map *m, void *key, void *value)
{
	uint64_t hash = sysvipc_map_hash(m, key), slot, word;
	unsigned char *s = sysvipc_stripe_of(m, hash);
	struct sysvipc_stripe *h = sysvipc_stripe_head(s);
	for (int tries = 0; tries < 1000; tries++) {
		uint64_t moves = sysvipc_word_at(&h->moves);
		int err = sysvipc_probe(m, s, hash, key, &slot, &word);
		if (err == EPROTO)
			return err;
		if (!err) {
			sysvipc_copy_out(value, sysvipc_cell(m, s, (word & SYSVIPC_CELL) - 1) + m->value, m->val);
			if (sysvipc_word_at(sysvipc_index(m, s, slot)) == word)
				return 0;
		} else if (err != EBUSY && sysvipc_word_at(&h->moves) == moves)
			return ENOENT;
		if (tries % 10 == 9)
			sched_yield();
	}
	/* Writers are always in its way: it takes its turn with them. */
	int err = sysvipc_stripe_lock(m, s);
	if (err)
		return err == EACCES ? EBUSY : err;
	if (!(err = sysvipc_probe(m, s, hash, key, &slot, &word)))
		sysvipc_copy_out(value, sysvipc_cell(m, s, (word & SYSVIPC_CELL) - 1) + m->value, m->val);
	sysvipc_stripe_unlock(s);
	return err == ENOSPC ? ENOENT : err;
}

/* sysvipc_map_room reports whether there may be one more entry than the stripe's count. */
static inline bool sysvipc_map_room(const struct sysvipc_map *m, uint64_t count)
{
	if (count >= m->cells - 1)
		return false;
	if (count * m->stripes < m->capacity / 2)
		return true;
	uint64_t all = 0;
	for (uint64_t i = 0; i < m->stripes; i++) {
		uint64_t n = sysvipc_word_at(&sysvipc_stripe_head(sysvipc_stripe_of(m, i))->count);
		all += n < m->cells ? n : m->cells;
	}
	return all < m->capacity;
}

/* sysvipc_put stores an entry whose slot sysvipc_probe has found. The lock is held. */
static inline int sysvipc_put(const struct sysvipc_map *m, unsigned char *s, uint64_t hash, uint64_t slot, uint64_t word, bool exists, const void *key, const void *value)
{
	struct sysvipc_stripe *h = sysvipc_stripe_head(s);
	if (!exists && !sysvipc_map_room(m, sysvipc_word_at(&h->count)))
		return ENOSPC;
	uint64_t cell = h->fresh;
	if (h->top > 0) {
		if (h->top > m->cells || (cell = sysvipc_stack(m, s)[h->top - 1]) >= m->cells)
			return EPROTO;
		h->top--;
	} else if (cell >= m->cells)
		return ENOSPC;
	else
		h->fresh++;
	sysvipc_copy_in(sysvipc_cell(m, s, cell), key, m->key);
	sysvipc_copy_in(sysvipc_cell(m, s, cell) + m->value, value, m->val);
	sysvipc_succeed(sysvipc_index(m, s, slot), hash >> 56 << 28 | (cell + 1));
	if (exists)
		sysvipc_give_cell(m, s, (word & SYSVIPC_CELL) - 1);
	else
		sysvipc_add(&h->count, 1);
	return 0;
}

/* sysvipc_map_store sets the value for a key. ENOSPC says that the map is full. */
static inline int sysvipc_map_store(const struct sysvipc_map *m, void *key, const void *value)
{
	uint64_t hash = sysvipc_map_hash(m, key), slot, word;
	unsigned char *s = sysvipc_stripe_of(m, hash);
	int err = sysvipc_stripe_lock(m, s);
	if (err)
		return err;
	err = sysvipc_probe(m, s, hash, key, &slot, &word);
	if (!err || err == ENOENT)
		err = sysvipc_put(m, s, hash, slot, word, !err, key, value);
	if (!err)
		sysvipc_notify(m->r, (uint64_t)(s - m->r->base) + m->event);
	int failed = sysvipc_stripe_unlock(s);
	return err ? err : failed;
}

/* sysvipc_map_delete deletes an entry, or returns ENOENT. */
static inline int sysvipc_map_delete(const struct sysvipc_map *m, void *key)
{
	uint64_t hash = sysvipc_map_hash(m, key), slot, word;
	unsigned char *s = sysvipc_stripe_of(m, hash);
	struct sysvipc_stripe *h = sysvipc_stripe_head(s);
	int err = sysvipc_stripe_lock(m, s);
	if (err)
		return err;
	err = sysvipc_probe(m, s, hash, key, &slot, &word);
	if (!err) {
		sysvipc_succeed(sysvipc_index(m, s, slot), SYSVIPC_HOLE);
		sysvipc_add(&h->moves, 1);
		sysvipc_close(m, s, slot);
		sysvipc_add(&h->count, ~UINT64_C(0));
		sysvipc_give_cell(m, s, (word & SYSVIPC_CELL) - 1);
		sysvipc_notify(m->r, (uint64_t)(s - m->r->base) + m->event);
	}
	int failed = sysvipc_stripe_unlock(s);
	return err == ENOSPC ? ENOENT : err ? err : failed;
}

#endif /* SYSVIPC_MAP_H */
