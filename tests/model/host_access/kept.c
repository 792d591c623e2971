/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
#include "model/host_access/kept.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "kvm/core/attr.h"
#include "kvm/mmu/mmu.h"
#include "model/host_access/states.h"
#include "trace/counters.h"

static void look_around(struct world *w, struct side *s, uint64_t n, struct kept_side *k)
{
	struct hw *hw = w->module.hw;
	uint8_t *page = side_page(s, n);
	gfn_t gfn = side_gfn(s, n);

	/* What is not mapped has no frame. */
	if (n || (s->state && s->state->is & STATE_VISIBLE))
		k->has_frame[n] = peek_rmp(hw, phys_publish(hw, page), &k->rmp[n]);
	k->attributes[n] = kvm_get_memory_attributes(w->kvm, gfn);
	k->nested[n].spte = world_spte(w, gfn, &k->nested[n].level).v;
}

/* What the VMM maps has its pages in the descriptor. */
static uint64_t nr_private_pages(const struct side *s)
{
	struct stat st;

	if (!(s->state->is & STATE_MAPPED))
		return kvm_gmem_nr_pages(s->file);
	ENSURE(!fstat(s->fd, &st));
	return (uint64_t)st.st_blocks * 512 / PAGE_SIZE;
}

void kept_look(struct world *w, struct kept *k)
{
	memset(k, 0, sizeof(*k));
	k->generation = kvm_memslots_generation(w->kvm, 0);
	k->splits = counter_read(w->module.counters, COUNTER_HOST_SPLITS);
	k->seq = (uint64_t)atomic64_load(&w->kvm->inv.seq);
	k->in_progress = (uint64_t)atomic64_load(&w->kvm->inv.in_progress);
	for (unsigned i = 0; i < 2; i++) {
		struct side *s = &w->side[i];
		struct kept_side *side = &k->side[i];
		const struct kvm_memory_slot *slot = world_slot(w, s);

		for (uint64_t n = 0; n < NR_AROUND; n++)
			look_around(w, s, n, side);
		side->host_level = peek_mapping(w->module.hw, s->page).level;
		if (s->file)
			side->nr_private = nr_private_pages(s);
		if (!slot)
			continue;
		side->slot.slot = slot;
		side->slot.gfn = slot->base_gfn.v;
		side->slot.npages = slot->npages;
		side->slot.hva = slot->userspace_addr.v;
		side->slot.flags = slot->flags;
		side->slot.file = atomicptr_load_acquire((atomicptr_t *)&slot->gmem.file);
	}
}

#define DIFFER(a, b)	memcmp(&(a), &(b), sizeof(a))

static bool entry_differs(const struct rmp_entry *a, const struct rmp_entry *b)
{
	return a->covered != b->covered || a->assigned != b->assigned || a->is_2m != b->is_2m ||
	       a->immutable != b->immutable || a->vmsa != b->vmsa || a->validated != b->validated ||
	       a->in_use != b->in_use || a->subpages != b->subpages || a->asid != b->asid ||
	       a->gpa != b->gpa || DIFFER(a->perm, b->perm);
}

static bool rmp_differs(const struct kept_side *was, const struct kept_side *is)
{
	for (unsigned n = 0; n < NR_AROUND; n++)
		if (was->has_frame[n] != is->has_frame[n] ||
		    (is->has_frame[n] && entry_differs(&was->rmp[n], &is->rmp[n])))
			return true;
	return false;
}

static const char *side_differs(const struct kept_side *was, const struct kept_side *is,
				enum keeps keeps)
{
	uint64_t filled = keeps == KEEPS_FILLS;

	if (rmp_differs(was, is))
		return "an RMP entry has changed";
	if (DIFFER(was->attributes, is->attributes))
		return "an attribute has changed";
	if (DIFFER(was->nested, is->nested))
		return "a nested entry has changed";
	if (DIFFER(was->slot, is->slot))
		return "the slot has changed";
	if (is->nr_private != was->nr_private + filled)
		return filled ? "guest_memfd has no new page" : "guest_memfd has other pages";
	if (keeps == KEEPS_ANY)
		return NULL;
	if (keeps == KEEPS_SPLIT)
		return was->host_level != PG_LEVEL_2M || is->host_level != PG_LEVEL_4K
		       ? "the host's mapping has not been split" : NULL;
	return was->host_level != is->host_level ? "the host maps by another size" : NULL;
}

const char *kept_differs(const struct kept *was, const struct kept *is, const struct outcome *o)
{
	unsigned splits = 0, any = 0;

	for (unsigned i = 0; i < 2; i++) {
		const char *what = side_differs(&was->side[i], &is->side[i], o->page[i].keeps);

		if (what)
			return what;
		splits += o->page[i].keeps == KEEPS_SPLIT;
		any += o->page[i].keeps == KEEPS_ANY;
	}
	if (was->generation != is->generation)
		return "the memslots have changed";
	if (was->seq != is->seq || was->in_progress != is->in_progress)
		return "something was invalidated";
	if (!any && is->splits != was->splits + splits)
		return "host_splits";
	return NULL;
}

/* Only lines that meet what the slots lead to; the kernel cuts them where protections differ. */
char *kept_mappings(const struct world *w)
{
	uint64_t from = (uintptr_t)side_page(&w->side[0], SLOT_2M - 1);
	uint64_t to = (uintptr_t)side_page(&w->side[1], SLOT_2M);
	FILE *in = fopen("/proc/self/maps", "r");
	char *text = NULL, line[512];
	size_t size;
	FILE *out = open_memstream(&text, &size);

	ENSURE(in && out);
	while (fgets(line, sizeof(line), in)) {
		unsigned long long start, end;

		if (sscanf(line, "%llx-%llx", &start, &end) == 2 && start < to && end > from)
			fputs(line, out);
	}
	fclose(in);
	fclose(out);
	return text;
}
