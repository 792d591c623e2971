/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
#include "abi/mapped_file.h"

#include <stdlib.h>
#include <string.h>

#include "base/page.h"

void mapped_files_init(struct mapped_files *f)
{
	memset(f, 0, sizeof(*f));
	mutex_init(&f->lock, "mapped files", RANK_LEAF);
}

void mapped_files_fini(struct mapped_files *f)
{
	free(f->pieces);
	mutex_fini(&f->lock);
}

struct list_of_pieces {
	struct os_mapping *pieces;
	size_t nr, room;
};

static bool collect(const struct os_mapping *m, void *arg)
{
	struct list_of_pieces *l = arg;

	if (l->nr == l->room) {
		size_t room = l->room ? 2 * l->room : 64;
		void *more = realloc(l->pieces, room * sizeof(*l->pieces));

		if (!more) {
			l->room = 0;
			return false;
		}
		l->pieces = more;
		l->room = room;
	}
	l->pieces[l->nr] = *m;
	l->pieces[l->nr++].path = NULL;
	return true;
}

static int by_file(const void *a, const void *b)
{
	const struct os_mapping *x = a, *y = b;

	if (x->ino != y->ino)
		return x->ino < y->ino ? -1 : 1;
	if (x->dev != y->dev)
		return x->dev < y->dev ? -1 : 1;
	return x->start < y->start ? -1 : x->start > y->start;
}

static bool is_same_file(const struct os_mapping *a, const struct os_mapping *b)
{
	return a->ino == b->ino && a->dev == b->dev;
}

/* Keeps the files of which a slot uses a piece.  Sorted by file. */
static size_t drop_unused(struct os_mapping *p, size_t nr, const struct kvm_host_map *map)
{
	size_t kept = 0;

	for (size_t i = 0, end; i < nr; i = end) {
		bool is_used = false;

		for (end = i; end < nr && is_same_file(&p[i], &p[end]); end++)
			is_used |= kvm_host_map_uses(map, p[end].start, p[end].end);
		if (!is_used)
			continue;
		memmove(&p[kept], &p[i], (end - i) * sizeof(*p));
		kept += end - i;
	}
	return kept;
}

/* False: no list can be had. */
static bool refresh_locked(struct mapped_files *f, const struct kvm_host_map *map)
{
	uint64_t version = atomic64_load(&map->version) + 1;
	struct list_of_pieces l = { 0 };

	if (likely(f->version == version))
		return true;
	if (os_for_each_mapping(collect, &l) || (l.nr && !l.room)) {
		free(l.pieces);
		return false;
	}
	if (l.nr)
		qsort(l.pieces, l.nr, sizeof(*l.pieces), by_file);
	free(f->pieces);
	f->pieces = l.pieces;
	f->nr = drop_unused(l.pieces, l.nr, map);
	f->version = version;
	return true;
}

/* Adds where bytes [start, end) of @file are mapped; false without memory. */
static bool add_places(const struct mapped_files *f, const struct os_mapping *file, uint64_t start,
		       uint64_t end, struct mapped_places *out)
{
	for (size_t i = 0; i < f->nr; i++) {
		const struct os_mapping *p = &f->pieces[i];
		uint64_t p_end = p->offset + (p->end - p->start);
		uint64_t from = MAX(start, p->offset), to = MIN(end, p_end);
		struct kvm_hva_range *more;

		if (!is_same_file(p, file) || from >= to)
			continue;
		more = realloc(out->ranges, (out->nr + 1) * sizeof(*more));
		if (!more)
			return false;
		out->ranges = more;
		more[out->nr++] = (struct kvm_hva_range){
			p->start + ALIGN_DOWN(from - p->offset, PAGE_SIZE),
			p->start + ALIGN_UP(to - p->offset, PAGE_SIZE),
		};
	}
	return true;
}

bool mapped_file_find(struct mapped_files *f, const struct kvm_host_map *map, dev_t dev,
		      ino_t ino, uint64_t start, uint64_t end, struct mapped_places *out)
{
	const struct os_mapping file = { .dev = dev, .ino = ino };
	bool ok;

	mutex_lock(&f->lock);
	ok = refresh_locked(f, map) && add_places(f, &file, start, end, out);
	mutex_unlock(&f->lock);
	return ok;
}

bool mapped_file_find_behind(struct mapped_files *f, const struct kvm_host_map *map,
			     uint64_t start, uint64_t end, struct mapped_places *out)
{
	bool ok;

	mutex_lock(&f->lock);
	ok = refresh_locked(f, map);
	for (size_t i = 0; ok && i < f->nr; i++) {
		const struct os_mapping *p = &f->pieces[i];
		uint64_t from = MAX(start, p->start), to = MIN(end, p->end);

		if (from < to)
			ok = add_places(f, p, p->offset + (from - p->start),
					p->offset + (to - p->start), out);
	}
	mutex_unlock(&f->lock);
	return ok;
}
