/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * veil_alias.c - who else maps a page of a file that is watched.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "os/veil_priv.h"

static const struct aliases *aliases_now(const struct veil *v)
{
	return __atomic_load_n(&v->aliases, __ATOMIC_ACQUIRE);
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

void *veil_next_alias(struct veil *v, const void *p, size_t *iter)
{
	const struct aliases *a = aliases_now(v);
	const struct os_mapping *m = mapping_of(a, p);
	uint64_t at;

	if (!m)
		return NULL;
	at = m->offset + ((uintptr_t)p - m->start);
	while (*iter < a->nr) {
		const struct os_mapping *o = &a->of[(*iter)++];

		if (o != m && o->dev == m->dev && o->ino == m->ino && at >= o->offset &&
		    at - o->offset < o->end - o->start)
			return (void *)(uintptr_t)(o->start + (at - o->offset));
	}
	return NULL;
}

bool veil_has_aliases(struct veil *v, const void *p, size_t size)
{
	const struct aliases *a = aliases_now(v);

	for (size_t i = 0; a && i < a->nr; i++)
		if (a->of[i].start < (uintptr_t)p + size && (uintptr_t)p < a->of[i].end)
			return true;
	return false;
}

int veil_for_each_alias(struct veil *v, void *p, size_t size,
			int (*fn)(struct veil *v, void *p, size_t size, int arg), int arg)
{
	const struct aliases *a = aliases_now(v);
	const struct os_mapping *m = mapping_of(a, p);
	int r = fn(v, p, size, arg);
	uint64_t from, to;

	if (!m)
		return r;
	from = m->offset + ((uintptr_t)p - m->start);
	to = from + size;
	for (size_t i = 0; i < a->nr; i++) {
		const struct os_mapping *o = &a->of[i];
		uint64_t first = MAX(from, o->offset);
		uint64_t end = MIN(to, o->offset + (o->end - o->start));

		/* One that has gone meanwhile says so, and it is nothing to us. */
		if (o != m && o->dev == m->dev && o->ino == m->ino && first < end)
			(void)fn(v, (void *)(uintptr_t)(o->start + (first - o->offset)),
				 (size_t)(end - first), arg);
	}
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
	k.out->older = v->aliases;
	__atomic_store_n(&v->aliases, k.out, __ATOMIC_RELEASE);
	return 0;
}

bool veil_knows_file(const struct veil *v, const struct os_mapping *m)
{
	return is_known_file(&(struct look){ .known = aliases_now(v) }, m);
}

void veil_free_aliases(struct veil *v)
{
	for (struct aliases *a = v->aliases, *older; a; a = older) {
		older = a->older;
		free(a);
	}
}
