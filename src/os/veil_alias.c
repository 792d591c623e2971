/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * veil_alias.c - who else maps a page of a file that is watched.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "os/veil_priv.h"

/* Counted before it is looked at: who counts none after a change can free what was before. */
static const struct aliases *begin(struct veil *v)
{
	__atomic_fetch_add(&v->readers, 1, __ATOMIC_SEQ_CST);
	return __atomic_load_n(&v->aliases, __ATOMIC_SEQ_CST);
}

static void end(struct veil *v)
{
	__atomic_fetch_sub(&v->readers, 1, __ATOMIC_SEQ_CST);
}

static bool is_in(const struct os_mapping *m, const void *p)
{
	return (uintptr_t)p >= m->start && (uintptr_t)p < m->end;
}

static const struct os_mapping *mapping_of(const struct aliases *a, const void *p)
{
	for (size_t i = 0; a && i < a->nr; i++)
		if (is_in(&a->of[i], p))
			return &a->of[i];
	return NULL;
}

/* @m shows the byte at @p. */
static void *next_of(const struct aliases *a, const struct os_mapping *m, const void *p,
		     size_t *iter)
{
	uint64_t at = m->offset + ((uintptr_t)p - m->start);

	while (*iter < a->nr) {
		const struct os_mapping *o = &a->of[(*iter)++];

		if (o != m && o->dev == m->dev && o->ino == m->ino && at >= o->offset &&
		    at - o->offset < o->end - o->start)
			return (void *)(uintptr_t)(o->start + (at - o->offset));
	}
	return NULL;
}

void *veil_next_alias(struct veil *v, const void *p, size_t *iter)
{
	const struct aliases *a = begin(v);
	const struct os_mapping *m = mapping_of(a, p);
	void *next = m ? next_of(a, m, p, iter) : NULL;

	end(v);
	return next;
}

bool veil_has_aliases(struct veil *v, const void *p, size_t size)
{
	const struct aliases *a = begin(v);
	bool has = false;

	for (size_t i = 0; a && i < a->nr && !has; i++)
		has = a->of[i].start < (uintptr_t)p + size && (uintptr_t)p < a->of[i].end;
	end(v);
	return has;
}

int veil_for_each_alias(struct veil *v, void *p, size_t size,
			int (*fn)(struct veil *v, void *p, size_t size, int arg), int arg)
{
	const struct aliases *a = begin(v);
	const struct os_mapping *m = mapping_of(a, p);
	uint64_t from = m ? m->offset + ((uintptr_t)p - m->start) : 0, to = from + size;
	int r = fn(v, p, size, arg);

	for (size_t i = 0; m && i < a->nr; i++) {
		const struct os_mapping *o = &a->of[i];
		uint64_t first = MAX(from, o->offset);
		uint64_t last = MIN(to, o->offset + (o->end - o->start));

		/* One that has gone meanwhile says so, and it is nothing to us. */
		if (o != m && o->dev == m->dev && o->ino == m->ino && first < last)
			(void)fn(v, (void *)(uintptr_t)(o->start + (first - o->offset)),
				 (size_t)(last - first), arg);
	}
	end(v);
	return r;
}

struct look {
	struct aliases		*out;
	size_t			 room, want;
	const struct aliases	*known;
	const struct os_mapping	*file;		/* one more, or NULL */
};

static bool is_same_file(const struct os_mapping *a, const struct os_mapping *b)
{
	return a->dev == b->dev && a->ino == b->ino;
}

static bool is_known_file(const struct look *k, const struct os_mapping *m)
{
	if (k->file && is_same_file(k->file, m))
		return true;
	for (size_t i = 0; k->known && i < k->known->nr; i++)
		if (is_same_file(&k->known->of[i], m))
			return true;
	return false;
}

static bool collect(const struct os_mapping *m, void *arg)
{
	struct look *k = arg;

	if (!m->is_shared || !is_known_file(k, m))
		return true;
	if (k->want++ < k->room)
		k->out->of[k->out->nr++] = *m;
	return true;
}

static bool is_same_list(const struct aliases *a, const struct aliases *b)
{
	return a && a->nr == b->nr && !memcmp(a->of, b->of, a->nr * sizeof(a->of[0]));
}

static void free_all(struct aliases *a)
{
	for (struct aliases *older; a; a = older) {
		older = a->older;
		free(a);
	}
}

static void publish(struct veil *v, struct aliases *a)
{
	a->older = v->aliases;
	__atomic_store_n(&v->aliases, a, __ATOMIC_SEQ_CST);
	/* Who begins now finds the new one; while somebody looks, the next writer frees them. */
	if (__atomic_load_n(&v->readers, __ATOMIC_SEQ_CST))
		return;
	free_all(a->older);
	a->older = NULL;
}

int veil_renew_aliases(struct veil *v, const struct os_mapping *file)
{
	struct look k = { .known = v->aliases, .file = file };
	int r = 0;

	do {
		free(k.out);
		k.room = k.want + 16;
		k.out = calloc(1, sizeof(*k.out) + k.room * sizeof(k.out->of[0]));
		if (!k.out)
			return -ENOMEM;
		k.want = 0;
		r = os_for_each_mapping(collect, &k);
	} while (!r && k.want > k.room);
	if (r || is_same_list(v->aliases, k.out)) {
		free(k.out);
		return r;
	}
	publish(v, k.out);
	return 0;
}

bool veil_knows_file(struct veil *v, const struct os_mapping *m)
{
	bool knows = is_known_file(&(struct look){ .known = begin(v) }, m);

	end(v);
	return knows;
}

void veil_free_aliases(struct veil *v)
{
	free_all(v->aliases);
}
