/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * veil_gate.c - mappings of a shared file of which only some pages may be
 * touched.
 *
 * A page that is in the file, and in no page table of the mapping, is a minor
 * fault (UFFDIO_REGISTER_MODE_MINOR): MADV_DONTNEED on the mapping takes it
 * away, UFFDIO_CONTINUE gives it back, and the file does not change.
 */
#include <errno.h>
#include <linux/userfaultfd.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/page.h"
#include "os/process.h"
#include "os/veil_priv.h"

#ifndef _UFFDIO_CONTINUE		/* Linux 5.13 */
#define _UFFDIO_CONTINUE	0x07
struct uffdio_continue {
	struct uffdio_range	range;
	__u64			mode;
	__s64			mapped;
};
#define UFFDIO_CONTINUE		_IOWR(UFFDIO, _UFFDIO_CONTINUE, struct uffdio_continue)
#define UFFDIO_CONTINUE_MODE_DONTWAKE	1
#endif

/* -- Readers, in signal handlers too, are counted; who takes a list away waits for them -- */

static const struct gates *begin(struct veil *v, unsigned *phase)
{
	*phase = __atomic_load_n(&v->gate_phase, __ATOMIC_SEQ_CST) & 1;
	__atomic_fetch_add(&v->gate_readers[*phase], 1, __ATOMIC_SEQ_CST);
	return __atomic_load_n(&v->gates, __ATOMIC_SEQ_CST);
}

static void end(struct veil *v, unsigned phase)
{
	__atomic_fetch_sub(&v->gate_readers[phase], 1, __ATOMIC_SEQ_CST);
}

/* Twice: who has read the phase may count himself late. */
static void wait_for_readers(struct veil *v)
{
	for (unsigned i = 0; i < 2; i++) {
		unsigned old = __atomic_fetch_add(&v->gate_phase, 1, __ATOMIC_SEQ_CST) & 1;

		while (__atomic_load_n(&v->gate_readers[old], __ATOMIC_SEQ_CST))
			os_yield();
	}
}

/* -- The list; its writers are one at a time -- */

static void publish(struct veil *v, struct gates *fresh)
{
	struct gates *old = v->gates;

	__atomic_store_n(&v->gates, fresh, __ATOMIC_SEQ_CST);
	wait_for_readers(v);
	free(old);
}

/* What there is without [@start, @end), with room for one more. */
static struct gates *copy_without(const struct gates *old, uintptr_t start, uintptr_t end)
{
	size_t nr = old ? old->nr : 0;
	struct gates *g = malloc(sizeof(*g) + (2 * nr + 1) * sizeof(g->of[0]));

	if (!g)
		return NULL;
	g->nr = 0;
	for (size_t i = 0; i < nr; i++) {
		const struct gated *m = &old->of[i];

		if (m->start < start) {
			g->of[g->nr] = *m;
			g->of[g->nr++].end = MIN(m->end, start);
		}
		if (m->end > end) {
			g->of[g->nr] = *m;
			g->of[g->nr].start = MAX(m->start, end);
			g->of[g->nr].offset += g->of[g->nr].start - m->start;
			g->nr++;
		}
	}
	return g;
}

static bool is_touched(const struct gates *g, uintptr_t start, uintptr_t end)
{
	for (size_t i = 0; g && i < g->nr; i++)
		if (g->of[i].start < end && start < g->of[i].end)
			return true;
	return false;
}

/* Every signal waits: a handler that looks into the list would wait for us. */
static void lock(struct veil *v, uint64_t *mask)
{
	veil_enter(mask);
	while (__atomic_exchange_n(&v->gate_writer, 1, __ATOMIC_ACQUIRE))
		os_yield();
}

static void unlock(struct veil *v, const uint64_t *mask)
{
	__atomic_store_n(&v->gate_writer, 0, __ATOMIC_RELEASE);
	veil_leave(mask);
}

static void take_here(void *p, size_t size)
{
	int saved = errno;

	/* Locked ones have to be asked for apart. */
	if (syscall(SYS_madvise, p, size, MADV_DONTNEED) && !syscall(SYS_munlock, p, size))
		syscall(SYS_madvise, p, size, MADV_DONTNEED);
	errno = saved;
}

bool veil_can_gate(const struct veil *v)
{
	return v->uffd >= 0;
}

int veil_gate_add(struct veil *v, void *p, size_t size, void *owner, uint64_t offset)
{
	const struct gated m = { (uintptr_t)p, (uintptr_t)p + size, offset, owner };
	struct gates *fresh;
	uint64_t mask;
	int r = -ENOMEM;

	if (!veil_can_gate(v))
		return -EOPNOTSUPP;
	lock(v, &mask);
	fresh = copy_without(v->gates, m.start, m.end);
	if (fresh) {
		fresh->of[fresh->nr++] = m;
		publish(v, fresh);
		r = veil_register(v, p, size, VEIL_WATCH);
		if (!r)
			take_here(p, size);
	}
	unlock(v, &mask);
	if (fresh && r)
		(void)!veil_gate_remove(v, p, size);
	return r;
}

int veil_gate_remove(struct veil *v, void *p, size_t size)
{
	uintptr_t start = (uintptr_t)p, stop = start + size;
	struct gates *fresh;
	uint64_t mask;
	int r = 0;

	lock(v, &mask);
	if (is_touched(v->gates, start, stop)) {
		fresh = copy_without(v->gates, start, stop);
		if (fresh)
			publish(v, fresh);
		else
			r = -ENOMEM;
	}
	unlock(v, &mask);
	return r;
}

void veil_free_gates(struct veil *v)
{
	free(v->gates);
}

/* -- Looking -- */

bool veil_is_gated(struct veil *v, const void *p, size_t size)
{
	unsigned phase;
	bool is;

	if (!__atomic_load_n(&v->gates, __ATOMIC_RELAXED))
		return false;
	is = is_touched(begin(v, &phase), (uintptr_t)p, (uintptr_t)p + size);
	end(v, phase);
	return is;
}

void *veil_gate_enter(struct veil *v, const void *p, uint64_t *offset, unsigned *section)
{
	uintptr_t at = (uintptr_t)p;
	const struct gates *g;

	if (!__atomic_load_n(&v->gates, __ATOMIC_RELAXED))
		return NULL;
	g = begin(v, section);
	for (size_t i = 0; g && i < g->nr; i++) {
		if (at < g->of[i].start || at >= g->of[i].end)
			continue;
		*offset = g->of[i].offset + (at - g->of[i].start);
		return g->of[i].owner;
	}
	end(v, *section);
	return NULL;
}

void veil_gate_leave(struct veil *v, unsigned section)
{
	end(v, section);
}

bool veil_gate_next(struct veil *v, const void *p, struct veil_gate *out)
{
	const struct gated *best = NULL;
	const struct gates *g;
	unsigned phase;

	if (!__atomic_load_n(&v->gates, __ATOMIC_RELAXED))
		return false;
	g = begin(v, &phase);
	for (size_t i = 0; g && i < g->nr; i++)
		if (g->of[i].end > (uintptr_t)p && (!best || g->of[i].start < best->start))
			best = &g->of[i];
	if (best)
		*out = (struct veil_gate){ (void *)best->start, best->end - best->start,
					   best->owner, best->offset };
	end(v, phase);
	return best;
}

bool veil_gate_has(struct veil *v, const void *owner)
{
	const struct gates *g;
	unsigned phase;
	bool has = false;

	g = begin(v, &phase);
	for (size_t i = 0; g && i < g->nr && !has; i++)
		has = g->of[i].owner == owner;
	end(v, phase);
	return has;
}

/* -- Pages -- */

static int continue_at(struct veil *v, uintptr_t page)
{
	struct uffdio_continue c = {
		.range = { .start = page, .len = PAGE_SIZE },
		.mode = UFFDIO_CONTINUE_MODE_DONTWAKE,
	};

	return veil_uffd(v, UFFDIO_CONTINUE, &c);
}

static int zero_at(struct veil *v, uintptr_t page)
{
	struct uffdio_zeropage z = {
		.range = { .start = page, .len = PAGE_SIZE },
		.mode = UFFDIO_ZEROPAGE_MODE_DONTWAKE,
	};

	return veil_uffd(v, UFFDIO_ZEROPAGE, &z);
}

bool veil_gate_show(struct veil *v, void *p)
{
	uintptr_t page = (uintptr_t)p & PAGE_MASK;
	int r;

	/* -EFAULT: the file has no such page yet; then -EEXIST: it has one now. */
	do {
		r = continue_at(v, page);
		if (r == -EFAULT)
			r = zero_at(v, page) == -EEXIST ? -EAGAIN : 0;
	} while (r == -EAGAIN);
	return !r || r == -EEXIST;
}

void veil_gate_take(struct veil *v, const void *owner, uint64_t offset, uint64_t size)
{
	const struct gates *g;
	unsigned phase;

	g = begin(v, &phase);
	for (size_t i = 0; g && i < g->nr; i++) {
		const struct gated *m = &g->of[i];
		uint64_t from = MAX(offset, m->offset);
		uint64_t to = MIN(offset + size, m->offset + (m->end - m->start));

		if (m->owner == owner && from < to)
			take_here((void *)(m->start + (from - m->offset)), (size_t)(to - from));
	}
	end(v, phase);
}
