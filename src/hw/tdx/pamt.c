/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
#include "hw/tdx/pamt.h"

#include "base/page.h"
#include "hw/mem/machine.h"
#include "sync/rcu.h"

#define NR_LEVELS	3u	/* TDX_4K, TDX_2M, TDX_1G */

bool pamt_init_locked(struct pamt *p, struct hw *hw)
{
	p->hw = hw;
	p->nr_regions = (1ull << machine_phys_bits(hw)) >> PAMT_REGION_SHIFT;
	p->regions = machine_alloc_locked(hw, p->nr_regions * sizeof(*p->regions));
	return p->regions;
}

static struct pamt_region *region_at(const struct pamt *p, hpa_t page)
{
	uint64_t i = page.v >> PAMT_REGION_SHIFT;

	return i < p->nr_regions ? rcu_dereference(p->regions[i]) : NULL;
}

/* NULL: beyond the memory that there can be, or no memory for it. */
static struct pamt_region *region_make(struct pamt *p, hpa_t page)
{
	struct pamt_region *r = region_at(p, page);
	uint64_t i = page.v >> PAMT_REGION_SHIFT;

	if (r || i >= p->nr_regions)
		return r;
	mutex_lock(&p->hw->lock);
	r = p->regions[i];
	if (!r) {
		r = machine_alloc_locked(p->hw, sizeof(*r));
		if (r)
			rcu_assign_pointer(p->regions[i], r);
	}
	mutex_unlock(&p->hw->lock);
	return r;
}

static struct pamt_entry *entry_in(struct pamt_region *r, hpa_t page, uint8_t level)
{
	switch (level) {
	case TDX_4K:
		return &r->of_4k[(page.v >> 12) % PAMT_REGION_4K];
	case TDX_2M:
		return &r->of_2m[(page.v >> 21) % PAMT_REGION_2M];
	default:
		return &r->of_1g;
	}
}

struct pamt_entry *pamt_entry(const struct pamt *p, hpa_t page, uint8_t level)
{
	struct pamt_region *r = region_at(p, page);

	return r && level < NR_LEVELS ? entry_in(r, page, level) : NULL;
}

struct pamt_entry *pamt_find(const struct pamt *p, hpa_t page, uint8_t *level)
{
	struct pamt_region *r = region_at(p, page);
	struct pamt_entry *e;

	if (!r)
		return NULL;
	for (uint8_t l = TDX_1G;; l--) {
		e = entry_in(r, page, l);
		if (l == TDX_4K || e->type != TDX_PT_NDA) {
			*level = l;
			return e;
		}
	}
}

void pamt_drop(struct pamt_held *h)
{
	if (h->entry)
		tdx_unlock(&h->entry->lock, h->mode);
	for (unsigned i = 0; i < ARRAY_SIZE(h->above); i++)
		if (h->above[i])
			tdx_unlock(&h->above[i]->lock, TDX_SHARED);
	*h = (struct pamt_held){ 0 };
}

static uint64_t give_up(struct pamt_held *h, uint64_t status, uint32_t operand)
{
	pamt_drop(h);
	return status | operand;
}

/* Entries above @level, from the largest on, held shared.  One of them may be the page itself. */
static uint64_t hold_above(struct pamt_region *r, struct pamt_held *h, uint32_t operand)
{
	for (uint8_t l = TDX_1G; l > h->level; l--) {
		struct pamt_entry *e = entry_in(r, h->page, l);

		if (tdx_try_host(&e->lock, TDX_SHARED) != TDX_LOCKED)
			return give_up(h, TDX_OPERAND_BUSY, operand);
		h->above[l - TDX_2M] = e;
		if (e->type != TDX_PT_NDA)
			return give_up(h, TDX_PAGE_METADATA_INCORRECT, operand);
	}
	return TDX_SUCCESS;
}

/* Above 4K the entry is first held shared: who uses a piece of it holds it so, too. */
static bool hold_entry(struct pamt_held *h, struct pamt_entry *e, enum tdx_lock_mode mode)
{
	bool promote = mode == TDX_EXCLUSIVE && h->level > TDX_4K;

	if (tdx_try_host(&e->lock, promote ? TDX_SHARED : mode) != TDX_LOCKED)
		return false;
	if (promote && !tdx_try_promote(&e->lock)) {
		tdx_unlock(&e->lock, TDX_SHARED);
		return false;
	}
	h->entry = e;
	h->mode = mode;
	return true;
}

uint64_t pamt_hold(struct pamt *p, hpa_t page, uint8_t level, enum tdx_page_type type,
		   enum tdx_lock_mode mode, uint32_t operand, struct pamt_held *out)
{
	struct pamt_region *r = region_make(p, page);
	uint64_t status;

	*out = (struct pamt_held){ .level = level, .page = page };
	if (!r)
		return TDX_OPERAND_ADDR_RANGE_ERROR | operand;
	status = hold_above(r, out, operand);
	if (status)
		return status;
	if (!hold_entry(out, entry_in(r, page, level), mode))
		return give_up(out, TDX_OPERAND_BUSY, operand);
	if (out->entry->type != type)
		return give_up(out, TDX_PAGE_METADATA_INCORRECT, operand);
	return TDX_SUCCESS;
}

uint64_t pamt_hold_free(struct pamt *p, hpa_t page, uint8_t level, uint32_t operand,
			struct pamt_held *out)
{
	uint64_t status = pamt_hold(p, page, level, TDX_PT_NDA, TDX_EXCLUSIVE, operand, out);

	if (status || level == TDX_4K)
		return status;
	for (uint64_t i = 0; i < 512; i++)
		if (pamt_entry(p, HPA(page.v + (i << 12)), TDX_4K)->type != TDX_PT_NDA)
			return give_up(out, TDX_PAGE_METADATA_INCORRECT, operand);
	return TDX_SUCCESS;
}

uint64_t pamt_hold_found(struct pamt *p, hpa_t page, uint8_t level, enum tdx_lock_mode mode,
			 uint32_t operand, struct pamt_held *out)
{
	struct pamt_entry *e = pamt_entry(p, page, level);

	*out = (struct pamt_held){ .level = level, .page = page, .mode = mode };
	if (tdx_try_host(&e->lock, mode) != TDX_LOCKED)
		return TDX_OPERAND_BUSY | operand;
	out->entry = e;
	return TDX_SUCCESS;
}

void pamt_give(struct pamt_held *h, enum tdx_page_type type, hpa_t owner, void *object)
{
	h->entry->type = type;
	h->entry->owner = owner.v;
	h->entry->bepoch = 0;
	h->entry->object = object;
}

void pamt_free(struct pamt_held *h)
{
	pamt_give(h, TDX_PT_NDA, HPA(0), NULL);
}

void pamt_demote(struct pamt *p, struct pamt_held *h)
{
	const uint64_t step = PAGE_SIZE << 9 * (h->level - 1);

	for (uint64_t i = 0; i < 512; i++) {
		struct pamt_entry *e = pamt_entry(p, HPA(h->page.v + i * step),
						  (uint8_t)(h->level - 1));

		e->type = h->entry->type;
		e->owner = h->entry->owner;
		e->bepoch = 0;
	}
	pamt_free(h);
}

void pamt_promote(struct pamt *p, struct pamt_held *h)
{
	const uint64_t step = PAGE_SIZE << 9 * (h->level - 1);
	struct pamt_entry *first = pamt_entry(p, h->page, (uint8_t)(h->level - 1));

	pamt_give(h, first->type, HPA(first->owner), NULL);
	for (uint64_t i = 0; i < 512; i++) {
		struct pamt_entry *e = pamt_entry(p, HPA(h->page.v + i * step),
						  (uint8_t)(h->level - 1));

		e->type = TDX_PT_NDA;
		e->owner = 0;
	}
}
