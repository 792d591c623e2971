/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
#include "kvm/mmu/spte.h"

/* EPT (SDM vol. 3C 29.3.2) */
#define EPT_READ		BIT(0)
#define EPT_EXECUTE		BIT(2)
#define EPT_MEMTYPE_WB		(6ull << 3)
#define EPT_IGNORE_PAT		BIT(6)
#define EPT_ACCESSED		BIT(8)
#define EPT_DIRTY		BIT(9)
#define EPT_HOST_WRITABLE	BIT(57)
#define EPT_MMU_WRITABLE	BIT(58)
#define EPT_SUPPRESS_VE		BIT(63)
#define EPT_RWX			BITS(2, 0)
#define EPT_MISCONFIG_WX	(SPTE_WRITABLE | EPT_EXECUTE)	/* writable, not readable */

/* NPT (APM vol. 2, 5.4 and 15.25) */
#define NPT_PRESENT		BIT(0)
#define NPT_USER		BIT(2)
#define NPT_ACCESSED		BIT(5)
#define NPT_DIRTY		BIT(6)
#define NPT_HOST_WRITABLE	BIT(9)
#define NPT_MMU_WRITABLE	BIT(10)
#define NPT_NX			BIT(63)

static void ept_layout(struct spte_layout *l)
{
	l->present = EPT_READ | EPT_SUPPRESS_VE;
	l->user = EPT_READ;
	l->x = EPT_EXECUTE;
	l->accessed = EPT_ACCESSED;
	l->dirty = EPT_DIRTY;
	l->host_writable = EPT_HOST_WRITABLE;
	l->mmu_writable = EPT_MMU_WRITABLE;
	l->memtype = EPT_MEMTYPE_WB | EPT_IGNORE_PAT;
	l->mmio_value = EPT_MISCONFIG_WX;
	l->mmio_mask = EPT_RWX | EPT_SUPPRESS_VE;
	l->mmio_access = 0;
}

/* Bits that no physical address of this machine has, for an #NPF with RSVD. */
static uint64_t npt_mmio_mask(const struct hw_config *config)
{
	unsigned bit = config->phys_bits - config->phys_reduction;

	if (!config->c_bit)
		return config->phys_bits < 52 ? BIT(51) | NPT_PRESENT : 0;
	if (bit == config->c_bit)
		bit++;
	return bit < 52 ? BITS(51, bit) | NPT_PRESENT : 0;
}

static void npt_layout(struct spte_layout *l, const struct hw_config *config)
{
	l->present = NPT_PRESENT;
	l->user = NPT_USER;
	l->nx = NPT_NX;
	l->accessed = NPT_ACCESSED;
	l->dirty = NPT_DIRTY;
	l->host_writable = NPT_HOST_WRITABLE;
	l->mmu_writable = NPT_MMU_WRITABLE;
	l->mmio_value = l->mmio_mask = npt_mmio_mask(config);
	l->mmio_access = SPTE_WRITABLE | NPT_USER;
}

void spte_layout_init(struct spte_layout *l, const struct hw_config *config)
{
	*l = (struct spte_layout){ .is_ept = config->vendor == HW_VENDOR_INTEL };
	l->root_level = config->phys_bits > PG_LEVEL_SHIFT(PG_LEVEL_256T) ? 5 : 4;
	if (l->is_ept)
		ept_layout(l);
	else
		npt_layout(l, config);
}

bool spte_layout_can_cache_mmio(const struct spte_layout *l)
{
	return l->mmio_value && !(l->mmio_mask & ~SPTE_MMIO_ALLOWED) &&
	       !(l->mmio_value & ~l->mmio_mask) &&
	       (SPTE_FROZEN.v & l->mmio_mask) != l->mmio_value;
}

spte_t spte_make_leaf(const struct spte_layout *l, const struct spte_leaf *what)
{
	uint64_t v = what->page.v | l->me | SPTE_MMU_PRESENT | l->present | l->user | l->x |
		     l->memtype;

	assert(IS_ALIGNED(what->page.v, PG_LEVEL_SIZE(what->level)));
	if (what->level > PG_LEVEL_4K)
		v |= SPTE_PAGE_SIZE;
	if (what->nx)
		v = (v & ~l->x) | l->nx;
	if (!what->prefetch)
		v |= l->accessed;
	if (what->writable)
		v |= l->host_writable | l->mmu_writable | SPTE_WRITABLE | l->dirty;
	return SPTE(v);
}

spte_t spte_make_nonleaf(const struct spte_layout *l, hpa_t table)
{
	return SPTE(table.v | l->me | SPTE_MMU_PRESENT | l->present | SPTE_WRITABLE | l->user |
		    l->x | l->accessed);
}

spte_t spte_make_split_child(const struct spte_layout *l, spte_t huge, uint8_t level,
			     unsigned index)
{
	uint64_t v = huge.v + index * PG_LEVEL_SIZE(level - 1);

	/* Only what is huge may have been made not executable. */
	if (level - 1 == PG_LEVEL_4K)
		v = ((v & ~SPTE_PAGE_SIZE) | l->x) & ~l->nx;
	return SPTE(v);
}

spte_t spte_make_mmio(const struct kvm *kvm, gfn_t gfn, uint64_t generation)
{
	const struct spte_layout *l = kvm->module->spte;
	uint64_t v = kvm->mmu.mmio_value | l->mmio_access | gfn.v << PAGE_SHIFT;

	v |= FIELD_PUT(SPTE_MMIO_GEN_LOW, generation);
	v |= FIELD_PUT(SPTE_MMIO_GEN_HIGH, generation >> 8);
	return SPTE(v);
}

bool spte_is_mmio(const struct kvm *kvm, spte_t spte)
{
	return kvm->module->enable_mmio_caching &&
	       (spte.v & kvm->module->spte->mmio_mask) == kvm->mmu.mmio_value;
}

gfn_t spte_mmio_gfn(const struct kvm *kvm, spte_t spte)
{
	return GFN((spte.v & SPTE_ADDRESS & ~kvm->module->spte->mmio_mask) >> PAGE_SHIFT);
}

uint64_t spte_mmio_generation(spte_t spte)
{
	return FIELD_GET(SPTE_MMIO_GEN_LOW, spte.v) | FIELD_GET(SPTE_MMIO_GEN_HIGH, spte.v) << 8;
}

bool spte_allows(const struct spte_layout *l, spte_t spte, bool write, bool exec)
{
	if (write && !spte_is_writable(spte))
		return false;
	return !exec || ((spte.v & l->x) == l->x && !(spte.v & l->nx));
}

bool spte_can_be_made_writable(const struct spte_layout *l, spte_t spte)
{
	uint64_t both = l->host_writable | l->mmu_writable;

	return (spte.v & both) == both;
}
