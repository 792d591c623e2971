/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * mmu.c - which context a processor is in, what its mode forbids, and which
 * instruction forgets what: SDM vol. 3A 4.10.4, vol. 3C 29.4.3; APM vol. 2
 * 5.5.2 and 15.16.
 */
#include "hw/mmu/flush.h"
#include "hw/mmu/look.h"
#include "hw/mmu/tlb_priv.h"
#include "hw/mmu/translate.h"
#include "trace/counters.h"

bool mmu_init(struct mmu *m, struct hw *hw)
{
	unsigned bits = machine_phys_bits(hw);

	m->hw = hw;
	m->amd = hw->config.vendor == HW_VENDOR_AMD;
	m->guest_phys_bits = (uint8_t)bits;
	m->npt_c_bit = hw->config.c_bit ? BIT(hw->config.c_bit) : 0;
	m->npt_reserved = (bits < 52 ? BITS(51, bits) : 0) & ~m->npt_c_bit;
	m->void_page = machine_alloc_locked(hw, PAGE_SIZE);
	if (!m->void_page)
		return false;
	tlb_init(&m->tlb);
	m->tlb.next = hw->tlbs;
	m->tlb.number = hw->tlbs ? hw->tlbs->number + 1 : 1;
	rcu_assign_pointer(hw->tlbs, &m->tlb);
	return true;
}

static uint16_t current_pcid(const struct x86_state *s)
{
	return s->cr4 & X86_CR4_PCIDE ? s->cr3 & 0xfff : 0;
}

static void select_context(struct mmu *m)
{
	uint64_t root = m->amd ? 0 : m->nested.root.v;

	tlb_select(&m->tlb, m->nested.asid, root,
		   m->nested.shared_bit ? m->nested.shared_root.v : root, current_pcid(m->state));
	tlb_describe(&m->tlb, m->nested.root.v, m->state->cr3);
}

void mmu_enter(struct mmu *m, const struct mmu_nested *nested, const struct x86_state *state)
{
	m->nested = *nested;
	m->nested.ad |= m->amd;
	m->guest_c_bit = nested->key ? m->npt_c_bit : 0;
	m->state = state;
	m->in_guest = true;
	select_context(m);
	mmu_mode_changed(m);
}

void mmu_leave(struct mmu *m)
{
	m->in_guest = false;
	m->state = NULL;
	tlb_deselect(&m->tlb);
}

/* SDM vol. 3A 4.6.1: which reasons forbid which access now. */
void mmu_mode_changed(struct mmu *m)
{
	const struct x86_state *s = m->state;
	bool user = s->cpl == 3, smap = s->cr4 & X86_CR4_SMAP;
	uint64_t explicit = smap && !(s->rflags & X86_FLAGS_AC) ? TLB_U1 : 0;
	uint64_t implicit = smap ? TLB_U1 : 0;
	uint64_t wp = s->cr0 & X86_CR0_WP ? TLB_W0 : 0;
	uint64_t write = TLB_NESTED_W0 | TLB_CLEAN;
	uint64_t exec = TLB_NESTED_X0 | TLB_NX;
	uint64_t *deny = m->tlb.deny;
	/* SDM vol. 3A 6.15, #AC: what a hit would not see (hw/cpu/access.c looks). */
	bool align = user && (s->cr0 & X86_CR0_AM) && (s->rflags & X86_FLAGS_AC);
	uint64_t look = align ? TLB_ENTRY : 0;

	deny[MMU_READ] = look | TLB_NESTED_R0 | (user ? TLB_U0 : explicit);
	deny[MMU_WRITE] = look | write | (user ? TLB_U0 | TLB_W0 : explicit | wp);
	m->checks_alignment = align;
	deny[MMU_EXEC] = exec | (user ? TLB_U0 : s->cr4 & X86_CR4_SMEP ? TLB_U1 : 0);
	deny[MMU_SYS_READ] = TLB_NESTED_R0 | implicit;
	deny[MMU_SYS_WRITE] = write | implicit | wp;
}

static void flush(struct mmu *m, struct tlb_flush f)
{
	tlb_flush(&m->tlb, &f);
	counter_add(m->hw->config.counters, COUNTER_TLB_FLUSHES, 1);
}

/* Every linear translation of the guest that is running. */
static void flush_guest_linear(struct mmu *m, bool global)
{
	flush(m, (struct tlb_flush){ .asid = m->nested.asid, .any_root = true, .any_pcid = true,
				     .linear = true, .global = global });
}

void mmu_cr0_written(struct mmu *m, uint64_t old)
{
	if ((m->state->cr0 ^ old) & X86_CR0_PG)
		flush_guest_linear(m, true);
	mmu_mode_changed(m);
}

void mmu_cr3_written(struct mmu *m, bool keep)
{
	if (!keep)
		flush(m, (struct tlb_flush){ .asid = m->nested.asid, .any_root = true,
					     .pcid = current_pcid(m->state), .linear = true });
	select_context(m);
}

void mmu_cr4_written(struct mmu *m, uint64_t old)
{
	const uint64_t flushing = X86_CR4_PGE | X86_CR4_PAE | X86_CR4_PSE | X86_CR4_PCIDE |
				  X86_CR4_SMEP | X86_CR4_LA57;

	if ((m->state->cr4 ^ old) & flushing)
		flush_guest_linear(m, true);
	select_context(m);
	mmu_mode_changed(m);
}

void mmu_efer_written(struct mmu *m, uint64_t old)
{
	if ((m->state->efer ^ old) & (X86_EFER_NX | X86_EFER_LMA))
		flush_guest_linear(m, true);
}

void mmu_invlpg(struct mmu *m, uint64_t linear)
{
	struct tlb_flush f = { .asid = m->nested.asid, .any_root = true, .linear = true,
			       .global = true, .pcid = current_pcid(m->state) };

	tlb_flush_address(&m->tlb, &f, linear);
}

void mmu_invpcid(struct mmu *m, enum mmu_invpcid type, uint16_t pcid, uint64_t linear)
{
	struct tlb_flush f = { .asid = m->nested.asid, .any_root = true, .linear = true,
			       .pcid = pcid };

	switch (type) {
	case MMU_INVPCID_ADDRESS:
		tlb_flush_address(&m->tlb, &f, linear);
		break;
	case MMU_INVPCID_SINGLE:
		flush(m, f);
		break;
	default:
		flush_guest_linear(m, type == MMU_INVPCID_ALL_GLOBAL);
	}
}

void mmu_flush_all(struct mmu *m)
{
	flush(m, (struct tlb_flush){ .any_asid = true, .any_root = true, .any_pcid = true,
				     .linear = true, .global = true, .nested = true });
}

void mmu_flush_asid(struct mmu *m, uint32_t asid)
{
	flush(m, (struct tlb_flush){ .asid = asid, .any_root = true, .any_pcid = true,
				     .linear = true, .global = true, .nested = true });
}

void mmu_flush_asid_nonglobal(struct mmu *m, uint32_t asid)
{
	flush(m, (struct tlb_flush){ .asid = asid, .any_root = true, .any_pcid = true,
				     .linear = true });
}

void mmu_flush_address(struct mmu *m, uint32_t asid, uint64_t linear)
{
	struct tlb_flush f = { .asid = asid, .any_root = true, .any_pcid = true, .linear = true,
			       .global = true };

	tlb_flush_address(&m->tlb, &f, linear);
}

void mmu_invvpid_single(struct mmu *m, uint32_t vpid)
{
	flush(m, (struct tlb_flush){ .asid = vpid, .any_root = true, .any_pcid = true,
				     .linear = true, .global = true });
}

void mmu_invvpid_nonglobal(struct mmu *m, uint32_t vpid)
{
	mmu_flush_asid_nonglobal(m, vpid);
}

void mmu_invvpid_all(struct mmu *m)
{
	flush(m, (struct tlb_flush){ .any_asid = true, .any_root = true, .any_pcid = true,
				     .linear = true, .global = true });
}

void mmu_invept_single(struct mmu *m, uint64_t eptp)
{
	flush(m, (struct tlb_flush){ .any_asid = true, .root = eptp & BITS(51, 12),
				     .any_pcid = true, .linear = true, .global = true,
				     .nested = true });
}

void mmu_invept_all(struct mmu *m)
{
	mmu_flush_all(m);
}

static void peek_entries(const struct mmu *m, const struct tlb_entry *e, size_t n,
			 void (*fn)(const struct peek_tlb_entry *e, void *arg), void *arg)
{
	for (size_t i = 0; i < n; i++) {
		const struct tlb_tag *g = &m->tlb.tags[e[i].key & (TLB_NR_TAGS - 1)];
		struct peek_tlb_entry p = {
			.tag = g->asid, .root = g->nested_root,
			.shared_root = g->shared_root, .cr3 = g->cr3,
			.linear = GVA(e[i].key & PAGE_MASK),
			.guest = GPA(e[i].guest & PAGE_MASK),
			.host = HPA(e[i].frame & PAGE_MASK),
			.user = !(e[i].frame & TLB_U0),
			.write = !(e[i].frame & (TLB_W0 | TLB_NESTED_W0)),
			.execute = !(e[i].frame & (TLB_NX | TLB_NESTED_X0)),
			.global = e[i].guest & TLB_GLOBAL,
			.dirty = !(e[i].frame & TLB_CLEAN),
		};

		if (e[i].key && g->live)
			fn(&p, arg);
	}
}

void mmu_peek_tlb(const struct mmu *m, void (*fn)(const struct peek_tlb_entry *e, void *arg),
		  void *arg)
{
	peek_entries(m, m->tlb.data, TLB_DATA_ENTRIES, fn, arg);
	peek_entries(m, m->tlb.code, TLB_CODE_ENTRIES, fn, arg);
}
