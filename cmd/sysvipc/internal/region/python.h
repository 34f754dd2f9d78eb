
/* What the Python file calls: each call does a change whole, so that no exception comes between its steps. */

#include <stdlib.h>

#define SYSVIPC_PY __attribute__((visibility("default"), used)) extern

/* sysvipc_py_word loads a word, and lets no load before or after pass. */
SYSVIPC_PY uint64_t sysvipc_py_word(const uint64_t *at)
{
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	uint64_t word = __atomic_load_n(at, __ATOMIC_SEQ_CST);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	return word;
}

/* sysvipc_py_open attaches a region and joins it, if it is not attached for reading only. */
SYSVIPC_PY int sysvipc_py_open(int key, const char *name, int flags, struct sysvipc_region **to, void **base, uint64_t *size)
{
	struct sysvipc_region *r = (struct sysvipc_region *)calloc(1, sizeof *r);
	if (!r)
		return ENOMEM;
	int err = sysvipc_attach(r, (key_t)key, name, flags);
	if (!err && !(flags & SHM_RDONLY) && (err = sysvipc_join(r)))
		sysvipc_detach(r);
	if (err) {
		free(r);
		return err;
	}
	*to = r;
	*base = r->base;
	*size = r->size;
	return 0;
}

SYSVIPC_PY int sysvipc_py_close(struct sysvipc_region *r)
{
	int err = sysvipc_detach(r);
	if (!err)
		free(r);
	return err;
}

SYSVIPC_PY bool sysvipc_py_removed(const struct sysvipc_region *r) { return sysvipc_removed(r); }

SYSVIPC_PY uint32_t sysvipc_py_listen(const struct sysvipc_region *r, uint64_t event) { return sysvipc_listen(r, event); }

/* sysvipc_py_sleep sleeps for so many milliseconds at most, and may return for no reason. */
SYSVIPC_PY void sysvipc_py_sleep(const struct sysvipc_region *r, uint32_t rung, int milliseconds)
{
	int64_t ends = sysvipc_now() + milliseconds * INT64_C(1000000);
	struct timespec end = {ends / 1000000000, ends % 1000000000};
	sysvipc_sleep(r, &sysvipc_slot_at(r, (uint32_t)r->slot)->waker, rung, &end);
}

/* sysvipc_py_word_store stores a word, if it is *old, or old is NULL: else EAGAIN. */
SYSVIPC_PY int sysvipc_py_word_store(const struct sysvipc_region *r, uint64_t offset, const uint64_t *old, uint64_t word)
{
	uint64_t *at = (uint64_t *)(void *)(r->base + offset);
	if (!old)
		__atomic_store_n(at, word, __ATOMIC_SEQ_CST);
	else if (!sysvipc_cas(at, *old, word))
		return EAGAIN;
	sysvipc_notify(r, offset + 64);
	return 0;
}

SYSVIPC_PY int64_t sysvipc_py_add(const struct sysvipc_region *r, uint64_t offset, int64_t delta)
{
	struct sysvipc_counter c = {r, (int64_t *)(void *)(r->base + offset), offset + 64};
	return sysvipc_counter_add(&c, delta);
}

/* sysvipc_py_cells_store stores a value of more than 8 bytes, if its number is *old, or old is NULL: else EAGAIN. */
SYSVIPC_PY int sysvipc_py_cells_store(const struct sysvipc_region *r, uint64_t offset, uint64_t size, uint64_t stride, const uint64_t *old, const void *value)
{
	unsigned char *at = r->base + offset;
	uint64_t *seq = (uint64_t *)(void *)at;
	pthread_mutex_t *lock = (pthread_mutex_t *)(void *)(at + 64);
	int err = sysvipc_mutex_lock(lock);
	if (err == EOWNERDEAD)
		err = pthread_mutex_consistent(lock); /* as in sysvipc_var_update */
	if (err)
		return err;
	uint64_t s = __atomic_load_n(seq, __ATOMIC_SEQ_CST);
	bool stores = !old || *old == s;
	if (stores) {
		sysvipc_copy_in(at + 128 + (s + 1) % 4 * stride, value, size);
		__atomic_store_n(seq, s + 1, __ATOMIC_SEQ_CST);
	}
	err = pthread_mutex_unlock(lock);
	if (stores)
		sysvipc_notify(r, offset + 128 + 4 * stride);
	return err ? err : stores ? 0 : EAGAIN;
}

SYSVIPC_PY int sysvipc_py_chan(const struct sysvipc_region *r, const char *name, uint64_t fingerprint, const char *shape, uint64_t size, struct sysvipc_chan **to)
{
	struct sysvipc_chan c;
	int err = sysvipc_chan_find(r, name, fingerprint, shape, size, &c);
	if (err)
		return err;
	if (!(*to = (struct sysvipc_chan *)malloc(sizeof c)))
		return ENOMEM;
	**to = c;
	return 0;
}

SYSVIPC_PY int sysvipc_py_send(struct sysvipc_chan *c, const void *message, int milliseconds) { return sysvipc_send(c, message, milliseconds); }

SYSVIPC_PY int sysvipc_py_receive(struct sysvipc_chan *c, void *message, int milliseconds) { return sysvipc_receive(c, message, milliseconds); }

SYSVIPC_PY int sysvipc_py_map(const struct sysvipc_region *r, const char *name, uint64_t fingerprint, const char *shape, uint64_t key, uint64_t val, struct sysvipc_map **to)
{
	struct sysvipc_map m;
	int err = sysvipc_map_find(r, name, fingerprint, shape, key, val, NULL, 0, &m);
	if (err)
		return err;
	if (!(*to = (struct sysvipc_map *)malloc(sizeof m)))
		return ENOMEM;
	**to = m;
	return 0;
}

SYSVIPC_PY int sysvipc_py_map_load(const struct sysvipc_map *m, void *key, void *value) { return sysvipc_map_load(m, key, value); }

SYSVIPC_PY int sysvipc_py_map_store(const struct sysvipc_map *m, void *key, const void *value) { return sysvipc_map_store(m, key, value); }

SYSVIPC_PY int sysvipc_py_map_delete(const struct sysvipc_map *m, void *key) { return sysvipc_map_delete(m, key); }

/* sysvipc_py_map_entries keeps the writers of a stripe out, for as long as it takes to copy the cells that
 * have an entry: the key and the value of each, one behind the other. There is room for all cells. */
SYSVIPC_PY int sysvipc_py_map_entries(const struct sysvipc_map *m, uint64_t stripe, unsigned char *to, uint64_t *n)
{
	unsigned char *s = sysvipc_stripe_of(m, stripe);
	int err = sysvipc_stripe_lock(m, s);
	if (err)
		return err;
	*n = 0;
	for (uint64_t slot = 0; slot < m->slots && *n < m->cells; slot++) {
		uint64_t cell = sysvipc_word_at(sysvipc_index(m, s, slot)) & SYSVIPC_CELL;
		if (!cell || cell > m->cells)
			continue;
		sysvipc_copy_out(to, sysvipc_cell(m, s, cell - 1), m->key);
		sysvipc_copy_out(to + m->key, sysvipc_cell(m, s, cell - 1) + m->value, m->val);
		to += m->key + m->val;
		++*n;
	}
	return sysvipc_stripe_unlock(s);
}

SYSVIPC_PY int sysvipc_py_topic(struct sysvipc_region *r, const char *name, uint64_t fingerprint, const char *shape, uint64_t size, struct sysvipc_topic **to)
{
	struct sysvipc_topic c;
	int err = sysvipc_topic_find(r, name, fingerprint, shape, size, &c);
	if (err)
		return err;
	if (!(*to = (struct sysvipc_topic *)malloc(sizeof c)))
		return ENOMEM;
	**to = c;
	return 0;
}

SYSVIPC_PY int sysvipc_py_publish(const struct sysvipc_topic *c, const void *message, int milliseconds) { return sysvipc_publish(c, message, milliseconds); }

SYSVIPC_PY int sysvipc_py_subscribe(const struct sysvipc_topic *c, bool gated, struct sysvipc_subscription **to)
{
	if (!(*to = (struct sysvipc_subscription *)malloc(sizeof **to)))
		return ENOMEM;
	int err = sysvipc_subscribe(c, gated, *to);
	if (err)
		free(*to);
	return err;
}

SYSVIPC_PY int sysvipc_py_next(struct sysvipc_subscription *s, void *message, uint64_t *missed, int milliseconds)
{
	int err = sysvipc_next(s, message, milliseconds);
	*missed = s->missed;
	return err;
}

SYSVIPC_PY void sysvipc_py_unsubscribe(struct sysvipc_subscription *s)
{
	sysvipc_unsubscribe(s);
	free(s);
}
