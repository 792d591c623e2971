/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * snp_psc.c - page state changes: a SNP guest says which of its pages are to be
 * private or shared, and the VMM is asked to make them so.  GHCB specification
 * 2.3.1 (0x014) and 4.1.6; facts: docs/facts/snp-psc.tsv.
 *
 *   scratch area   | cur_entry | end_entry | reserved | entry 0 | entry 1 | ...
 *                  0           2           4          8         16
 *   entry          63:57 -   56 2M   55:52 operation   51:12 GFN   11:0 pages done
 *
 * KVM changes neither the RMP nor its own tables here.  All of the area was
 * copied when the guest exited, and what is looked at is the copy; the guest
 * finds its progress (cur_entry, pages done) in its own page.
 */
#include "softcvm/uapi/kvm_para.h"

#include <string.h>

#include "base/bits.h"
#include "kvm/types/sev_vcpu.h"
#include "kvm/types/snp.h"
#include "kvm/vcpu/vcpu.h"
#include "trace/counters.h"

enum page_operation { TO_PRIVATE = 1, TO_SHARED = 2 };	/* others count as done */

#define MSR_PSC_RESP		0x015ull
#define MSR_PSC_RESP_ERROR	(BIT(63) | MSR_PSC_RESP)
#define MSR_PSC_OP_HI		55
#define MSR_PSC_OP_LO		52
#define MSR_PSC_GFN_HI		51
#define MSR_PSC_GFN_LO		12

/* SW_EXITINFO2 */
#define PSC_DONE		0ull
#define PSC_INVALID_HEADER	(1ull << 32 | 1)
#define PSC_INVALID_ENTRY	(1ull << 32 | 2)
#define PSC_FAILED		(0x100ull << 32)

#define PSC_CUR_ENTRY		0u
#define PSC_END_ENTRY		2u
#define PSC_ENTRIES		8u
#define PSC_ENTRY_SIZE		8u

#define PSC_ENTRY_DONE_HI	11
#define PSC_ENTRY_DONE_LO	0
#define PSC_ENTRY_GFN_HI	51
#define PSC_ENTRY_GFN_LO	12
#define PSC_ENTRY_OP_HI		55
#define PSC_ENTRY_OP_LO		52
#define PSC_ENTRY_2M_HI		56
#define PSC_ENTRY_2M_LO		56

/* Pages of one kind, one behind the other: what an exit is about. */
struct page_range {
	uint64_t gfn, npages;
	uint8_t	 op;
	bool	 is_2m;
};

static bool vmm_wants_to_know(const struct vcpu *v)
{
	return v->base.kvm->caps.exit_hypercalls & BIT(KVM_HC_MAP_GPA_RANGE);
}

static int ask_vmm(struct vcpu *v, const struct page_range *p, int (*complete)(struct vcpu *v))
{
	struct kvm_run *run = v->base.run;

	run->exit_reason = KVM_EXIT_HYPERCALL;
	run->hypercall.nr = KVM_HC_MAP_GPA_RANGE;
	run->hypercall.args[0] = p->gfn << PAGE_SHIFT;
	run->hypercall.args[1] = p->npages;
	run->hypercall.args[2] = (p->op == TO_PRIVATE ? KVM_MAP_GPA_RANGE_ENCRYPTED :
							KVM_MAP_GPA_RANGE_DECRYPTED) |
				 (p->is_2m ? KVM_MAP_GPA_RANGE_PAGE_SZ_2M :
					     KVM_MAP_GPA_RANGE_PAGE_SZ_4K);
	/* 6.12 leaves what the VMM had there. */
	if (v->base.kvm->module->abi > KERNEL_ABI_6_12)
		run->hypercall.ret = 0;
	v->complete = complete;
	counter_add(v->base.kvm->module->counters, COUNTER_HYPERCALL_EXITS, 1);
	return 0;
}

static int complete_msr(struct vcpu *v)
{
	bool is_done = !v->base.run->hypercall.ret;

	v->svm.ghcb_gpa = is_done ? MSR_PSC_RESP : MSR_PSC_RESP_ERROR;
	if (is_done)
		snp_check_converted(&v->base);
	return 1;
}

int ghcb_psc_msr(struct vcpu *v)
{
	const uint64_t msr = v->svm.ghcb_gpa;
	const struct page_range page = {
		.gfn = FIELD_GET(MSR_PSC_GFN, msr), .npages = 1,
		.op = (uint8_t)FIELD_GET(MSR_PSC_OP, msr),
	};

	if ((page.op == TO_PRIVATE || page.op == TO_SHARED) && vmm_wants_to_know(v))
		return ask_vmm(v, &page, complete_msr);
	v->svm.ghcb_gpa = MSR_PSC_RESP_ERROR;
	return 1;
}

static struct sev_ghcb *ghcb_of(const struct vcpu *v)
{
	return &to_sev_vcpu(&v->base)->ghcb;
}

static uint32_t entry_at(unsigned i)
{
	return PSC_ENTRIES + i * PSC_ENTRY_SIZE;
}

static uint64_t entry(const struct sev_ghcb *g, unsigned i)
{
	uint64_t e;

	memcpy(&e, g->scratch.data + entry_at(i), sizeof(e));
	return e;
}

static uint64_t pages_of(uint64_t e)
{
	return FIELD_GET(PSC_ENTRY_2M, e) ? PG_LEVEL_PAGES(PG_LEVEL_2M) : 1;
}

/* What is left of it, page by page once it has been begun. */
static struct page_range rest_of(uint64_t e)
{
	const uint64_t done = FIELD_GET(PSC_ENTRY_DONE, e);

	return (struct page_range){
		.gfn = FIELD_GET(PSC_ENTRY_GFN, e) + done,
		.npages = pages_of(e) - done,
		.op = (uint8_t)FIELD_GET(PSC_ENTRY_OP, e),
		.is_2m = FIELD_GET(PSC_ENTRY_2M, e),
	};
}

static bool is_legal(uint64_t e)
{
	return FIELD_GET(PSC_ENTRY_DONE, e) <= pages_of(e) &&
	       IS_ALIGNED(FIELD_GET(PSC_ENTRY_GFN, e), pages_of(e));
}

static void move_cursor(struct vcpu *v, uint16_t to)
{
	struct sev_ghcb *g = ghcb_of(v);

	g->psc.cur = to;
	memcpy(g->scratch.data + PSC_CUR_ENTRY, &to, sizeof(to));
	ghcb_scratch_changed(v, PSC_CUR_ENTRY, sizeof(to));
}

/* All of the batch, and only that: as it was copied, whatever is in the page now. */
static void batch_is_done(struct vcpu *v)
{
	struct sev_ghcb *g = ghcb_of(v);
	unsigned end = g->psc.first + g->psc.batch;

	for (unsigned i = g->psc.first; i < end; i++) {
		uint64_t e = entry(g, i);

		e = (e & ~FIELD_MASK(PSC_ENTRY_DONE)) | FIELD_PUT(PSC_ENTRY_DONE, pages_of(e));
		memcpy(g->scratch.data + entry_at(i), &e, sizeof(e));
		ghcb_scratch_changed(v, entry_at(i), sizeof(uint16_t));
	}
	move_cursor(v, (uint16_t)end);
}

static int finish(struct vcpu *v, uint64_t result)
{
	ghcb_of(v)->psc = (struct ghcb_psc){ 0 };
	ghcb_answer(&v->base, 0, result);
	return 1;
}

/* To the first entry with something left.  PSC_DONE: it is there, or there is none. */
static uint64_t skip_done(struct vcpu *v)
{
	const struct ghcb_psc *psc = &ghcb_of(v)->psc;
	uint16_t i;

	for (i = psc->cur; i <= psc->end; i++) {
		const uint64_t e = entry(ghcb_of(v), i);

		if (!is_legal(e))
			return PSC_INVALID_ENTRY;
		if (rest_of(e).npages)
			break;
		move_cursor(v, (uint16_t)(i + 1));
	}
	return PSC_DONE;
}

/*
 * The entries that go out together, from the cursor on: neighbours upwards, for
 * the same.  One that has been begun is 4K pages from then on.
 */
static struct page_range make_batch(struct sev_ghcb *g)
{
	const uint64_t first = entry(g, g->psc.cur);
	const uint64_t gfn = FIELD_GET(PSC_ENTRY_GFN, first);
	const bool is_2m = FIELD_GET(PSC_ENTRY_2M, first) && !FIELD_GET(PSC_ENTRY_DONE, first);
	struct page_range p = rest_of(first);

	g->psc.first = g->psc.cur;
	g->psc.batch = 1;
	for (unsigned i = g->psc.first + 1u; i <= g->psc.end; i++) {
		const uint64_t e = entry(g, i);

		/* 6.12 counts from the entry's own number, although pages of it are done. */
		if (FIELD_GET(PSC_ENTRY_OP, e) != p.op || FIELD_GET(PSC_ENTRY_DONE, e) ||
		    FIELD_GET(PSC_ENTRY_2M, e) != is_2m ||
		    FIELD_GET(PSC_ENTRY_GFN, e) != gfn + p.npages)
			break;
		g->psc.batch++;
		p.npages += pages_of(e);
	}
	return p;
}

static int complete_batch(struct vcpu *v);

/* Until the VMM has to be asked, or nothing is left. */
static int next_batch(struct vcpu *v)
{
	struct sev_ghcb *g = ghcb_of(v);

	if (!vmm_wants_to_know(v))
		return finish(v, PSC_FAILED);
	for (;;) {
		uint64_t error = skip_done(v);
		struct page_range p;

		if (error || g->psc.cur > g->psc.end)
			return finish(v, error);
		p = make_batch(g);
		if (p.op == TO_PRIVATE || p.op == TO_SHARED)
			return ask_vmm(v, &p, complete_batch);
		batch_is_done(v);
	}
}

static int complete_batch(struct vcpu *v)
{
	if (v->base.run->hypercall.ret)
		return finish(v, PSC_FAILED);
	batch_is_done(v);
	snp_check_converted(&v->base);
	return next_batch(v);
}

int ghcb_psc(struct vcpu *v)
{
	struct sev_ghcb *g = ghcb_of(v);
	int r = ghcb_take_scratch(v, PSC_ENTRIES, true);

	if (r)
		return r;
	g->psc = (struct ghcb_psc){ 0 };
	memcpy(&g->psc.cur, g->scratch.data + PSC_CUR_ENTRY, sizeof(g->psc.cur));
	memcpy(&g->psc.end, g->scratch.data + PSC_END_ENTRY, sizeof(g->psc.end));
	if (!vmm_wants_to_know(v))
		return finish(v, PSC_FAILED);
	/* What the area holds, not what the specification has room for. */
	if (g->psc.end >= (g->scratch.len - PSC_ENTRIES) / PSC_ENTRY_SIZE)
		return finish(v, PSC_INVALID_HEADER);
	return next_batch(v);
}
