/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * gate.c - which pages of a guest's memory the VMM's mappings of it show.
 */
#include "hw/insn/gate.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "base/bits.h"
#include "hw/mem/gate_priv.h"
#include "hw/mem/machine.h"
#include "os/clock.h"
#include "os/maps.h"
#include "os/memory.h"
#include "os/process.h"

#define SPINS	64

static void lock_pages(struct gate *g, uint64_t page)
{
	atomic32_t *lock = &g->lock[page / GATE_RUN % GATE_LOCKS];

	for (unsigned i = 1; atomic32_xchg(lock, 1); i++) {
		sync_relax();
		if (!(i % SPINS))
			os_yield();
	}
}

static void unlock_pages(struct gate *g, uint64_t page)
{
	atomic32_store_release(&g->lock[page / GATE_RUN % GATE_LOCKS], 0);
}

/* -- The object -- */

static size_t pages_size(const struct gate *g)
{
	return ALIGN_UP(g->nr_pages * sizeof(g->pages[0]), PAGE_SIZE);
}

static void gate_free(struct gate *g)
{
	os_unmap(g->pages, pages_size(g));
	free(g);
}

bool gate_is_possible(struct hw *hw)
{
	const struct views *v = views_make(hw);

	return v && veil_can_gate(v->veil);
}

struct gate *gate_create(struct hw *hw, void *base, uint64_t nr_pages, const char *name)
{
	struct gate *g = gate_is_possible(hw) ? calloc(1, sizeof(*g)) : NULL;
	struct views *v;

	if (!g)
		return NULL;
	v = views_of(&hw->frames);
	g->hw = hw;
	g->base = (uintptr_t)base;
	g->nr_pages = nr_pages;
	snprintf(g->name, sizeof(g->name), "%s", name);
	g->pages = os_map_private(pages_size(g), PAGE_SIZE);
	if (!g->pages) {
		free(g);
		return NULL;
	}
	spin_lock(&v->lock);
	g->next = v->gates;
	v->gates = g;
	spin_unlock(&v->lock);
	return g;
}

/* Those whose file is gone, and whose last mapping. */
static void bury(struct views *v)
{
	struct gate *dead = NULL, **at, *g;

	spin_lock(&v->lock);
	for (at = &v->gates; (g = *at);) {
		if (sync_word_load(&g->base) || g->nr_moves || veil_gate_has(v->veil, g)) {
			at = &g->next;
			continue;
		}
		*at = g->next;
		g->next = dead;
		dead = g;
	}
	spin_unlock(&v->lock);
	for (; dead; dead = g) {
		g = dead->next;
		gate_free(dead);
	}
}

void gate_drop(struct gate *g)
{
	struct views *v = views_of(&g->hw->frames);

	sync_word_store(&g->base, 0);
	/* Who has seen the address holds a lock. */
	for (unsigned i = 0; i < GATE_LOCKS; i++) {
		uint64_t mask;

		veil_enter(&mask);
		lock_pages(g, (uint64_t)i * GATE_RUN);
		unlock_pages(g, (uint64_t)i * GATE_RUN);
		veil_leave(&mask);
	}
	bury(v);
}

void gates_destroy(struct views *v)
{
	for (struct gate *g = v->gates, *next; g; g = next) {
		next = g->next;
		gate_free(g);
	}
	v->gates = NULL;
}

/* -- Pages -- */

bool gate_is_closed(const struct gate *g, uint64_t page)
{
	return sync_word_load(&g->pages[page].state) & GATE_CLOSED;
}

static void close_run(struct gate *g, uint64_t first, uint64_t n, uint64_t gfn, uint64_t since)
{
	struct views *v = views_of(&g->hw->frames);
	bool some = false;
	uint64_t mask;

	veil_enter(&mask);
	lock_pages(g, first);
	for (uint64_t i = first; i < first + n; i++, gfn++) {
		struct gate_page *p = &g->pages[i];

		sync_word_store(&p->gfn, gfn);
		if (p->state & GATE_CLOSED)
			continue;
		some = true;
		sync_word_store(&p->state, since);
	}
	if (some)
		veil_gate_take(v->veil, g, first * PAGE_SIZE, n * PAGE_SIZE);
	unlock_pages(g, first);
	veil_leave(&mask);
}

void gate_close(struct gate *g, uint64_t first, uint64_t n, uint64_t gfn)
{
	uint64_t nr = sync_word_load(&g->changes) + 1, done = 0, step;
	uint64_t since = GATE_CLOSED | FIELD_PUT(GATE_NR, nr & FIELD_MASK(GATE_NR) >> GATE_NR_LO) |
			 FIELD_PUT(GATE_WHEN, (uint32_t)(os_monotonic_ns() / 1000000));

	sync_word_store(&g->changes, nr);
	for (; done < n; done += step) {
		step = MIN(n - done, GATE_RUN - (first + done) % GATE_RUN);
		close_run(g, first + done, step, gfn + done, since);
	}
}

void gate_open(struct gate *g, uint64_t first, uint64_t n)
{
	uint64_t mask, done = 0, step;

	sync_word_store(&g->changes, sync_word_load(&g->changes) + 1);
	for (; done < n; done += step) {
		step = MIN(n - done, GATE_RUN - (first + done) % GATE_RUN);
		veil_enter(&mask);
		lock_pages(g, first + done);
		for (uint64_t i = first + done; i < first + done + step; i++)
			if (gate_is_closed(g, i))
				sync_word_store(&g->pages[i].state, 0);
		unlock_pages(g, first + done);
		veil_leave(&mask);
	}
}

/* What a key has of it becomes raw.  The frame's lock stays with the caller while @word is not NULL. */
static bool make_raw(struct views *v, uint64_t raw, atomic32_t **word, uint32_t *w)
{
	struct region *r = raw ? frames_region_of_host(v->frames, raw) : NULL;
	uint64_t page = page_in_region(raw);

	*word = NULL;
	if (!r || !rcu_dereference(r->view))
		return true;
	*w = frame_lock(owner_word(r, page));
	if (region_has(r, page << PAGE_SHIFT) && (*w & OWNER_KEY) &&
	    !frame_move(v, r, page, w, NULL, no_patch(), false)) {
		frame_unlock(owner_word(r, page), *w);
		return false;
	}
	*word = owner_word(r, page);
	return true;
}

bool gate_touched(struct views *v, struct gate *g, uint64_t page, void *host, bool write)
{
	uint64_t base;
	atomic32_t *word;
	bool ok = false;
	uint32_t w = 0;

	lock_pages(g, page);
	base = sync_word_load(&g->base);
	if (!gate_is_closed(g, page) &&
	    make_raw(v, base ? base + page * PAGE_SIZE : 0, &word, &w)) {
		ok = veil_gate_show(v->veil, host);
		/* Nobody moves it now: a protection is of before. */
		if (ok && write)
			veil_thaw(v->veil, (void *)((uintptr_t)host & PAGE_MASK), PAGE_SIZE, VEIL_FAULT);
		if (word)
			frame_unlock(word, w);
	}
	unlock_pages(g, page);
	return ok;
}

bool gate_denies(struct gate *g, uint64_t page, struct view_denial *out)
{
	const struct gate_page *p = &g->pages[page];
	uint64_t state = sync_word_or(&g->pages[page].state, GATE_TOLD), now;

	if (!(state & GATE_CLOSED)) {
		sync_word_and(&g->pages[page].state, ~GATE_TOLD);
		return false;
	}
	now = (uint32_t)(os_monotonic_ns() / 1000000);
	*out = (struct view_denial){
		.gfn = sync_word_load(&p->gfn),
		.change = FIELD_GET(GATE_NR, state),
		.ms_ago = (uint32_t)(now - FIELD_GET(GATE_WHEN, state)),
		.is_first = !(state & GATE_TOLD),
	};
	snprintf(out->text, sizeof(out->text), "gfn 0x%llx, private to %s since change %llu, "
		 "%llu.%03llu s ago", (unsigned long long)out->gfn, g->name,
		 (unsigned long long)out->change, (unsigned long long)out->ms_ago / 1000,
		 (unsigned long long)out->ms_ago % 1000);
	return true;
}

/* -- Mappings -- */

int gate_map(struct gate *g, void *at, size_t size, int prot, uint64_t first)
{
	struct views *v = views_of(&g->hw->frames);
	uint64_t n = (ALIGN_UP(size, PAGE_SIZE)) >> PAGE_SHIFT;
	int r;

	if (first >= g->nr_pages)
		return 0;
	n = MIN(n, g->nr_pages - first);
	/* Without rights, until all that traps does. */
	r = os_map_again_closed((char *)(uintptr_t)g->base + (first << PAGE_SHIFT), n << PAGE_SHIFT,
				at);
	if (!r)
		r = veil_gate_add(v->veil, at, n << PAGE_SHIFT, g, first << PAGE_SHIFT);
	return r ? r : os_protect(at, n << PAGE_SHIFT, prot);
}

bool gate_is_there(struct hw *hw, const void *at, size_t size)
{
	struct views *v = views_of(&hw->frames);
	struct veil_gate m;

	return unlikely(v) && veil_gate_next(v->veil, at, &m) && (char *)m.start < (char *)at + size;
}

struct gate_move {
	struct hw	*hw;
	uint64_t	 mask;		/* of signals, before */
	char		*at;
	size_t		 nr;
	struct gate_piece {
		struct veil_gate m;
		int		 prot;
	} of[];
};

/* Of [@from, @stop), the part at its beginning that has one protection: its end. */
static char *alike_until(char *from, char *stop, int *prot)
{
	struct os_mapping m;

	*prot = 0;
	if (os_mapping_of(from, &m))
		return stop;
	*prot = m.rights;
	return MIN(stop, (char *)(uintptr_t)m.end);
}

/* What gates have of [@at, @at + @size), @max at most; how many there are. */
static size_t pieces_of(struct views *v, char *at, size_t size, struct gate_piece *to, size_t max)
{
	char *end = at + size, *p = at;
	struct veil_gate m;
	size_t n = 0;

	while (p < end && veil_gate_next(v->veil, p, &m) && (char *)m.start < end) {
		char *from = MAX((char *)m.start, at), *stop = MIN((char *)m.start + m.size, end);
		int prot;

		from = MAX(from, p);
		stop = alike_until(from, stop, &prot);
		if (n < max) {
			to[n].m = (struct veil_gate){ from, (size_t)(stop - from), m.owner,
						      m.offset + (size_t)(from - (char *)m.start) };
			to[n].prot = prot;
		}
		n++;
		p = stop;
	}
	return n;
}

/* Meanwhile the gates stay. */
static void hold(struct views *v, const struct gate_move *m, bool on)
{
	spin_lock(&v->lock);
	for (size_t i = 0; i < m->nr; i++) {
		struct gate *g = m->of[i].m.owner;

		g->nr_moves += on ? 1u : -1u;
	}
	spin_unlock(&v->lock);
}

static void end_move(struct views *v, struct gate_move *m)
{
	uint64_t mask = m->mask;

	atomic64_add(&v->moves_ended, 1);
	hold(v, m, false);
	bury(v);
	free(m);
	veil_leave(&mask);
}

bool gate_leave(struct hw *hw, void *at, size_t size, struct gate_move **out)
{
	struct views *v = views_of(&hw->frames);
	struct gate_move *m;
	size_t n;

	*out = NULL;
	if (!gate_is_there(hw, at, size))
		return true;
	n = pieces_of(v, at, size, NULL, 0);
	m = malloc(sizeof(*m) + n * sizeof(m->of[0]));
	if (!m)
		return false;
	m->hw = hw;
	m->at = at;
	m->nr = MIN(pieces_of(v, at, size, m->of, n), n);
	hold(v, m, true);
	veil_enter(&m->mask);
	atomic64_add(&v->moves_begun, 1);
	for (size_t i = 0; i < m->nr; i++)
		(void)!os_protect(m->of[i].m.start, m->of[i].m.size, 0);
	if (!veil_gate_remove(v->veil, at, size)) {
		*out = m;
		return true;
	}
	for (size_t i = 0; i < m->nr; i++)
		(void)!os_protect(m->of[i].m.start, m->of[i].m.size, m->of[i].prot);
	end_move(v, m);
	return false;
}

/* @size bytes are at @at; what they cannot be made a gate's stays without rights. */
static void make_again(struct views *v, const struct gate_piece *p, char *at, size_t size)
{
	const struct gate *g = p->m.owner;

	size = MIN(size, (g->nr_pages << PAGE_SHIFT) - p->m.offset);
	if (size && !veil_gate_add(v->veil, at, size, p->m.owner, p->m.offset))
		(void)!os_protect(at, size, p->prot);
}

void gate_arrive(struct gate_move *m, void *to, size_t size, bool stays)
{
	struct views *v;

	if (!m)
		return;
	v = views_of(&m->hw->frames);
	for (size_t i = 0; i < m->nr; i++) {
		const struct gate_piece *p = &m->of[i];
		size_t offset = (size_t)((char *)p->m.start - m->at);
		/* The last one grows with the mapping. */
		size_t n = i + 1 == m->nr ? size - MIN(size, offset) : p->m.size;

		if (to && offset < size)
			make_again(v, p, (char *)to + offset, MIN(n, size - offset));
		if (stays)
			make_again(v, p, p->m.start, p->m.size);
	}
	end_move(v, m);
}

/* How many have ended: one of before that has not makes a difference to those begun. */
uint64_t gate_moves(struct hw *hw)
{
	struct views *v = views_of(&hw->frames);

	return likely(!v) ? 0 : atomic64_load(&v->moves_ended);
}

bool gate_have_moved(struct hw *hw, uint64_t moves)
{
	struct views *v = views_of(&hw->frames);
	uint64_t begun;

	if (likely(!v) || !veil_is_here(v->veil))
		return false;
	begun = atomic64_load(&v->moves_begun);
	while (atomic64_load(&v->moves_ended) < begun)
		os_yield();
	return begun != moves;
}

bool gate_is_protected(struct hw *hw, void *at, int need)
{
	struct os_mapping m;

	return gate_is_there(hw, at, 1) && (os_mapping_of(at, &m) || !(m.rights & need));
}

void *gate_bytes(struct hw *hw, void *host)
{
	struct views *v = views_of(&hw->frames);
	unsigned section;
	uint64_t offset, base;
	struct gate *g;

	if (likely(!v) || !gate_is_there(hw, host, 1))
		return host;
	g = veil_gate_enter(v->veil, host, &offset, &section);
	if (!g)
		return host;
	base = sync_word_load(&g->base);
	veil_gate_leave(v->veil, section);
	return base ? (void *)(uintptr_t)(base + offset) : host;
}
