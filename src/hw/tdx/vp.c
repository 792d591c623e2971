/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* vp.c - a TD's vCPUs come and go: TDH.VP.CREATE, ADDCX, INIT, FLUSH.  docs/facts/tdx-life.tsv. */
#include "hw/tdx/vp.h"

#include <stdlib.h>

#include "hw/cpu/seam.h"
#include "hw/insn/machine.h"

#define RESET_RIP	0xfffffff0ull
#define CS_FLAT		0xc09bu
#define DATA_FLAT	0xc093u
#define LDTR_RESET	0x10082u
#define TR_RESET	0x8bu
#define PAT_RESET	0x0007040600070406ull
#define DR6_RESET	0xffff0ff0ull
#define DR7_RESET	0x400ull
#define SFMASK_RESET	0x20200ull

void td_vcpu_free(struct td_vcpu *vp)
{
	free(vp);
}

/* The vCPU whose TDVPR is in @reg, exclusively, and its TD in @mode. */
static uint64_t vcpu(struct seam_call *c, enum seam_gpr reg, enum tdx_lock_mode mode,
		     struct td_vcpu **vp)
{
	struct pamt_held *h;
	hpa_t tdvpr;

	TRY(call_page(c, reg, TDX_4K, &tdvpr));
	TRY(call_hold(c, tdvpr, TDX_4K, TDX_PT_TDVPR, TDX_EXCLUSIVE, reg, &h));
	TRY(call_owner(c, h->entry, mode));
	*vp = h->entry->object;
	return TDX_SUCCESS;
}

uint64_t tdh_vp_create(struct seam_call *c)
{
	struct pamt_held *h;
	struct td_vcpu *vp;
	hpa_t page;

	TRY(call_tdr(c, SEAM_RDX, TDX_SHARED));
	TRY(call_state(c, OP_INITIALIZED, true));
	TRY(call_page(c, SEAM_RCX, TDX_4K, &page));
	TRY(call_hold_free(c, page, TDX_4K, TDX_OPERAND_RCX, &h));
	vp = calloc(1, sizeof(*vp));
	if (!vp)
		return TDX_RND_NO_ENTROPY;
	*vp = (struct td_vcpu){ .td = c->td, .tdvpr = page, .lp = NO_LP };
	td_owns(c->td, h, TDX_PT_TDVPR, vp);
	return TDX_SUCCESS;
}

uint64_t tdh_vp_addcx(struct seam_call *c)
{
	struct pamt_held *h;
	struct td_vcpu *vp;
	hpa_t page;

	TRY(vcpu(c, SEAM_RDX, TDX_SHARED, &vp));
	TRY(call_state(c, OP_INITIALIZED, true));
	if (vp->state != VCPU_UNINITIALIZED)
		return TDX_VCPU_STATE_INCORRECT;
	if (vp->nr_tdcx + 1 >= TDX_TDVPS_PAGES_MAX)
		return TDX_TDCX_NUM_INCORRECT;
	TRY(call_page(c, SEAM_RCX, TDX_4K, &page));
	TRY(call_hold_free(c, page, TDX_4K, TDX_OPERAND_RCX, &h));
	td_owns(c->td, h, TDX_PT_TDCX, NULL);
	vp->nr_tdcx++;
	return TDX_SUCCESS;
}

/* docs/facts/tdx-life.tsv; all vCPUs begin alike, at the reset vector. */
static void reset(struct td_vcpu *vp, uint64_t rcx)
{
	const struct cpuid_regs id = hw_cpuid(vp->td->m->hw, 1, 0);
	struct x86_state *s = &vp->state_of_guest;

	*s = (struct x86_state){
		.rip = RESET_RIP, .rflags = X86_FLAGS_FIXED,
		.cr0 = X86_CR0_PE | X86_CR0_NE, .cr4 = X86_CR4_MCE,
		.efer = X86_EFER_SCE | X86_EFER_LME | X86_EFER_NX,
		.dr6 = DR6_RESET, .dr7 = DR7_RESET, .xcr0 = 1,
		.gdtr = { .limit = 0xffff }, .idtr = { .limit = 0xffff },
	};
	for (unsigned i = 0; i < X86_NR_SEGS; i++)
		s->seg[i] = (struct x86_segment){ .ar = i == X86_CS ? CS_FLAT : DATA_FLAT,
						  .limit = ~0u };
	s->seg[X86_LDTR] = (struct x86_segment){ .ar = LDTR_RESET };
	s->seg[X86_TR] = (struct x86_segment){ .ar = TR_RESET, .limit = 0xffff };
	s->gpr[X86_RBX] = vp->td->gpaw;
	s->gpr[X86_RCX] = s->gpr[X86_R8] = rcx;
	s->gpr[X86_RDX] = id.eax;
	s->gpr[X86_RSI] = vp->index;
	s->msr.sfmask = SFMASK_RESET;
	s->msr.pat = PAT_RESET;
	s->fpu.fcw = 0x37f;
	s->fpu.mxcsr = 0x1f80;
}

static bool is_unique(const struct td *td, uint32_t x2apic_id)
{
	for (uint32_t i = 0; i < atomic32_load(&td->nr_vcpus); i++)
		if (td->vcpus[i]->x2apic_id == x2apic_id)
			return false;
	return true;
}

static bool take_index(struct td *td, struct td_vcpu *vp)
{
	vp->index = atomic32_add(&td->nr_vcpus, 1);
	if (vp->index < td->max_vcpus) {
		td->vcpus[vp->index] = vp;
		return true;
	}
	atomic32_sub(&td->nr_vcpus, 1);
	return false;
}

/* Version 1 says the x2APIC id, and has the TD to itself to compare it. */
uint64_t tdh_vp_init(struct seam_call *c)
{
	const bool v1 = IN(c, RAX) >> 16 & 0xff;
	struct td_vcpu *vp;

	TRY(vcpu(c, SEAM_RCX, v1 ? TDX_EXCLUSIVE : TDX_SHARED, &vp));
	TRY(call_state(c, OP_INITIALIZED, true));
	if (vp->nr_tdcx + 1 < TDX_TDVPS_PAGES)
		return TDX_TDCX_NUM_INCORRECT;
	if (vp->state != VCPU_UNINITIALIZED)
		return TDX_VCPU_STATE_INCORRECT;
	if (v1 && IN(c, R8) >> 32)
		return TDX_OPERAND_INVALID | TDX_OPERAND_R8;
	if (v1 && !is_unique(c->td, (uint32_t)IN(c, R8)))
		return TDX_X2APIC_ID_NOT_UNIQUE;
	if (!take_index(c->td, vp))
		return TDX_MAX_VCPUS_EXCEEDED;
	vp->x2apic_id = v1 ? (uint32_t)IN(c, R8) : vp->index;
	reset(vp, IN(c, RDX));
	vp->state = VCPU_READY;
	vp->lp = cpu_number(c->cpu);
	atomic32_add(&c->td->nr_associated, 1);
	return TDX_SUCCESS;
}

uint64_t tdh_vp_flush(struct seam_call *c)
{
	struct td_vcpu *vp;

	TRY(vcpu(c, SEAM_RCX, TDX_SHARED, &vp));
	if (c->td->life != TD_KEYS_CONFIGURED)
		return TDX_TD_KEYS_NOT_CONFIGURED;
	if (vp->nr_tdcx + 1 < TDX_TDVPS_PAGES)
		return TDX_TDCX_NUM_INCORRECT;
	if (vp->lp != cpu_number(c->cpu))
		return TDX_VCPU_NOT_ASSOCIATED;
	vmx_invept(c->cpu, VMX_INVEPT_SINGLE, c->td->sept_root.v);
	vp->lp = NO_LP;
	atomic32_sub(&c->td->nr_associated, 1);
	return TDX_SUCCESS;
}
