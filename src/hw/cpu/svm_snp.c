/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * svm_snp.c - the instructions of an SNP guest on the RMP: PVALIDATE, RMPADJUST
 * and RMPQUERY.  APM vol. 3.
 */
#include "hw/cpu/access.h"
#include "hw/cpu/svm_priv.h"
#include "hw/snp/guest.h"
#include "x86/handlers.h"

#define PF_PRESENT	BIT(0)
#define PF_RSVD		BIT(3)

/* As by a comparison of EAX with 0; @carry: PVALIDATE had nothing to change. */
static void set_result(struct x86_exec *x, enum rmp_status eax, bool carry)
{
	uint64_t flags = x86_rflags(x) & ~(uint64_t)X86_FLAGS_STATUS;

	x->r[X86_RAX] = (uint32_t)eax;
	if (!eax)
		flags |= X86_FLAGS_ZF;
	if (!(__builtin_popcount((uint32_t)eax & 0xff) & 1))
		flags |= X86_FLAGS_PF;
	x86_set_rflags(x, flags | (carry ? X86_FLAGS_CF : 0));
}

static uint64_t linear_of(const struct x86_exec *x, const struct x86_op *op)
{
	uint64_t a = x->r[X86_RAX];

	if (op->flags & (X86_OP_A32 | X86_OP_LEGACY))
		a = (uint32_t)a;
	if (op->flags & X86_OP_LEGACY)
		a = (uint32_t)(a + x->seg_base[X86_DS]);
	return a;
}

/* False: stopped. */
static MUST_CHECK bool translate(struct cpu *cpu, uint64_t lin, struct rmp_target *t)
{
	struct mmu_fault fault;
	struct mmu_target to;

	if (!mmu_is_canonical(&cpu->mmu, lin))
		return x86_fault(&cpu->x, X86_GP, 0);
	switch (mmu_locate(&cpu->mmu, lin, &to, &fault)) {
	case MMU_OK:
		break;
	case MMU_GUEST_FAULT:
		return x86_page_fault(&cpu->x, lin, fault.pf_error);
	default:
		return cpu_nested_fault(cpu, lin, MMU_READ, &fault);
	}
	if (to.shared)
		return x86_page_fault(&cpu->x, lin, PF_PRESENT | PF_RSVD);
	*t = (struct rmp_target){ .hpa = to.hpa, .gpa = to.gpa.v, .level = to.level,
				  .asid = (uint16_t)cpu->mmu.nested.asid,
				  .vmpl = cpu->mmu.nested.vmpl };
	return true;
}

static enum rmp_status operands(const struct cpu *cpu, uint64_t lin, enum x86_snp what)
{
	const uint64_t *r = cpu->x.r;
	uint8_t vmpl = cpu->mmu.nested.vmpl;

	switch (what) {
	case X86_PVALIDATE:
		return snp_pvalidate_operands(lin, (uint32_t)r[X86_RCX], (uint32_t)r[X86_RDX]);
	case X86_RMPADJUST:
		return snp_rmpadjust_operands(lin, r[X86_RCX], r[X86_RDX], vmpl);
	default:
		return snp_rmpquery_operands(r[X86_RDX], vmpl);
	}
}

static struct rmp_done perform(struct cpu *cpu, const struct rmp_target *t, enum x86_snp what)
{
	const uint64_t *r = cpu->x.r;

	switch (what) {
	case X86_PVALIDATE:
		return snp_pvalidate(cpu->hw, t, (uint32_t)r[X86_RCX], (uint32_t)r[X86_RDX]);
	case X86_RMPADJUST:
		return snp_rmpadjust(cpu->hw, t, r[X86_RCX], r[X86_RDX]);
	default:
		return snp_rmpquery(cpu->hw, t, r[X86_RDX]);
	}
}

bool env_is_snp(struct x86_exec *x)
{
	return cpu_of(x)->in_es && cpu_of(x)->mmu.nested.snp;
}

bool env_snp(struct x86_exec *x, const struct x86_op *op, enum x86_snp what)
{
	struct cpu *cpu = cpu_of(x);
	uint64_t lin = linear_of(x, op);
	enum rmp_status eax = operands(cpu, lin, what);
	struct mmu_fault fault = { .result = MMU_NESTED_FAULT };
	struct rmp_target t;
	struct rmp_done d;

	if (what == X86_PVALIDATE && cpu->mmu.nested.vmpl)
		return x86_fault(x, X86_GP, 0);
	if (eax != RMP_SUCCESS) {
		set_result(x, eax, false);
		return true;
	}
	if (!translate(cpu, lin, &t))
		return false;
	d = perform(cpu, &t, what);
	if (d.fault.verdict != RMP_PASS) {
		fault.gpa = GPA(t.gpa);
		fault.info = d.fault.info;
		fault.pf_error = (uint32_t)d.fault.info;
		if (d.fault.verdict == RMP_VC)
			fault.result = MMU_GUEST_VC;
		return cpu_nested_fault(cpu, lin, MMU_READ, &fault);
	}
	if (what == X86_RMPQUERY && d.eax == RMP_SUCCESS) {
		x->r[X86_RDX] = d.rdx;
		x->r[X86_RCX] = d.is_2m;
	}
	set_result(x, d.eax, d.no_change);
	return true;
}
