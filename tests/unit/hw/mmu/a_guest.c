/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
#include "hw/mmu/a_guest.h"

#include <string.h>

uint64_t nested_all(const struct guest *g)
{
	return g->m->amd ? NPT_ALL : EPT_ALL;
}

uint64_t guest_hpa(struct guest *g, uint64_t gpa)
{
	return phys_publish(g->hw, g->bytes + gpa).v;
}

void guest_init(struct guest *g, enum hw_vendor vendor)
{
	guest_init_on(g, (struct hw_config){ .vendor = vendor, .phys_bits = 46 });
}

void guest_init_on(struct guest *g, struct hw_config config)
{
	memset(g, 0, sizeof(*g));
	g->hw = a_machine(config);
	mutex_lock(&g->hw->lock);
	g->m = machine_alloc_locked(g->hw, sizeof(*g->m));
	assert_non_null(g->m);
	assert_true(mmu_init(g->m, g->hw));
	mutex_unlock(&g->hw->lock);
	g->bytes = os_map_private(GUEST_SIZE, 2 << 20);
	g->next_table = GUEST_TABLES;
	g->nested = (struct mmu_nested){ .asid = 1, .levels = 4, .ad = true,
					 .root = phys_page_alloc(g->hw) };
	for (uint64_t gpa = 0; gpa < GUEST_SIZE; gpa += PAGE_SIZE)
		nested_set(g, gpa, 1, guest_hpa(g, gpa) | nested_all(g));
	g->state.cr0 = X86_CR0_PE | X86_CR0_PG | X86_CR0_WP;
	g->state.cr3 = GUEST_PML4;
	g->state.cr4 = X86_CR4_PAE | X86_CR4_PGE;
	g->state.efer = X86_EFER_LMA | X86_EFER_LME | X86_EFER_NX;
	guest_enter(g);
}

void guest_fini(struct guest *g)
{
	assert_int_equal(hw_nr_findings(g->hw), 0);
	os_unmap(g->bytes, GUEST_SIZE);
	no_machine(g->hw);
}

void guest_enter(struct guest *g)
{
	mmu_enter(g->m, &g->nested, &g->state);
}

hpa_t nested_at(struct guest *g, uint64_t gpa, unsigned level)
{
	hpa_t table = g->nested.root;

	for (unsigned l = g->nested.levels;; l--) {
		hpa_t at = HPA(table.v + ((gpa >> PG_LEVEL_SHIFT(l)) & 511) * 8);

		if (l == level)
			return at;
		if (!phys_load64(g->hw, at))
			phys_store64(g->hw, at, phys_page_alloc(g->hw).v | 7);
		table.v = phys_load64(g->hw, at) & BITS(51, 12);
	}
}

void nested_set(struct guest *g, uint64_t gpa, unsigned level, uint64_t entry)
{
	phys_store64(g->hw, nested_at(g, gpa, level), entry);
}

uint64_t nested_get(struct guest *g, uint64_t gpa, unsigned level)
{
	return phys_load64(g->hw, nested_at(g, gpa, level));
}

uint64_t *guest_entry(struct guest *g, uint64_t linear, unsigned level)
{
	uint64_t table = g->state.cr3 & BITS(51, 12);

	for (unsigned l = g->state.cr4 & X86_CR4_LA57 ? 5 : 4;; l--) {
		uint64_t *at = (uint64_t *)(void *)(g->bytes + table +
						    ((linear >> PG_LEVEL_SHIFT(l)) & 511) * 8);

		if (l == level)
			return at;
		if (!*at) {
			*at = g->next_table | P | W | U;
			g->next_table += PAGE_SIZE;
		}
		table = *at & BITS(51, 12);
	}
}

void map(struct guest *g, uint64_t linear, uint64_t target_and_flags, unsigned level)
{
	*guest_entry(g, linear, level) = target_and_flags;
}

enum mmu_result touch(struct guest *g, uint64_t linear, enum mmu_access access)
{
	const struct tlb_entry *e;
	void *host;

	if (access == MMU_EXEC) {
		e = tlb_code(&g->m->tlb, linear, 1);
		host = e ? (void *)(uintptr_t)(e->addend + linear) : NULL;
	} else {
		host = tlb_data(&g->m->tlb, linear, 1, access);
	}
	if (host) {
		g->page.host = host;
		return MMU_OK;
	}
	return mmu_translate(g->m, linear, access, &g->page, &g->fault);
}

int64_t reach(struct guest *g, uint64_t linear, enum mmu_access access)
{
	return touch(g, linear, access) == MMU_OK ? (uint8_t *)g->page.host - g->bytes : -1;
}
