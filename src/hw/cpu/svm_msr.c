/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * svm_msr.c - the MSRs that a guest reaches without leaving.  APM vol. 2
 * 15.11 and 15.35.
 */
#include "hw/cpu/access.h"
#include "hw/cpu/svm_priv.h"
#include "hw/mem/machine.h"

#define MSR_TSC			0x10u
#define MSR_SPEC_CTRL		0x48u
#define MSR_PRED_CMD		0x49u
#define MSR_FLUSH_CMD		0x10bu
#define MSR_SYSENTER_CS		0x174u
#define MSR_SYSENTER_ESP	0x175u
#define MSR_SYSENTER_EIP	0x176u
#define MSR_DEBUGCTL		0x1d9u
#define MSR_BR_FROM		0x1dbu	/* and BR_TO, LASTEXCP_FROM, LASTEXCP_TO */
#define MSR_PAT			0x277u
#define MSR_XSS			0xda0u
#define MSR_EFER		0xc0000080u
#define MSR_STAR		0xc0000081u
#define MSR_LSTAR		0xc0000082u
#define MSR_CSTAR		0xc0000083u
#define MSR_SFMASK		0xc0000084u
#define MSR_FS_BASE		0xc0000100u
#define MSR_GS_BASE		0xc0000101u
#define MSR_KERNEL_GS_BASE	0xc0000102u
#define MSR_TSC_AUX		0xc0000103u
#define MSR_GHCB		0xc0010130u
#define MSR_SEV_STATUS		0xc0010131u

#define EFER_WRITABLE	(X86_EFER_SCE | X86_EFER_LME | X86_EFER_NX)
#define EFER_KNOWN	(EFER_WRITABLE | X86_EFER_LMA | X86_EFER_SVME)

enum msr_rule { ANY, CANONICAL, LOW_32, MASKED, PAT };

/* Where an MSR that is a plain register lies, and what it may be. */
struct msr_place {
	uint64_t	*at;
	enum msr_rule	 rule;
	uint64_t	 mask;		/* MASKED: the bits that it has */
};

bool svm_intercepts_msr(const struct cpu *cpu, uint32_t nr, bool write)
{
	const struct svm_control *c = cpu->svm;
	int bit = svm_msrpm_bit(nr);

	/* These two cannot be: 15.34.10, 15.35.6. */
	if (nr == MSR_SEV_STATUS && (c->np_control & SVM_NP_SEV))
		return false;
	if (nr == MSR_GHCB && cpu->in_es)
		return false;
	if (!c->msrpm || bit < 0)
		return true;
	bit += write;
	return c->msrpm[bit / 8] >> (bit % 8) & 1;
}

/* Those that x86_state has no room for: of SEV-ES guests alone, in the VMSA. */
static struct msr_place place_in_vmsa(struct vmsa *v, uint32_t nr)
{
	switch (nr) {
	case MSR_SPEC_CTRL:
		return (struct msr_place){ &v->spec_ctrl, MASKED, BITS(2, 0) };
	case MSR_DEBUGCTL:
		return (struct msr_place){ &v->dbgctl, MASKED, BITS(5, 0) };
	case MSR_BR_FROM:
		return (struct msr_place){ &v->br_from, CANONICAL, 0 };
	case MSR_BR_FROM + 1:
		return (struct msr_place){ &v->br_to, CANONICAL, 0 };
	case MSR_BR_FROM + 2:
		return (struct msr_place){ &v->lastexcp_from, CANONICAL, 0 };
	case MSR_BR_FROM + 3:
		return (struct msr_place){ &v->lastexcp_to, CANONICAL, 0 };
	case MSR_XSS:
		return (struct msr_place){ &v->xss, MASKED, 0 };
	default:
		return (struct msr_place){ NULL, ANY, 0 };
	}
}

static struct msr_place place_of(struct cpu *cpu, uint32_t nr)
{
	struct x86_state *s = cpu->x.st;
	struct x86_msrs *m = &s->msr;

	switch (nr) {
	case MSR_SYSENTER_CS:
		return (struct msr_place){ &m->sysenter_cs, LOW_32, 0 };
	case MSR_SYSENTER_ESP:
		return (struct msr_place){ &m->sysenter_esp, CANONICAL, 0 };
	case MSR_SYSENTER_EIP:
		return (struct msr_place){ &m->sysenter_eip, CANONICAL, 0 };
	case MSR_PAT:
		return (struct msr_place){ &m->pat, PAT, 0 };
	case MSR_STAR:
		return (struct msr_place){ &m->star, ANY, 0 };
	case MSR_LSTAR:
		return (struct msr_place){ &m->lstar, CANONICAL, 0 };
	case MSR_CSTAR:
		return (struct msr_place){ &m->cstar, CANONICAL, 0 };
	case MSR_SFMASK:
		return (struct msr_place){ &m->sfmask, LOW_32, 0 };
	case MSR_FS_BASE:
		return (struct msr_place){ &s->seg[X86_FS].base, CANONICAL, 0 };
	case MSR_GS_BASE:
		return (struct msr_place){ &s->seg[X86_GS].base, CANONICAL, 0 };
	case MSR_KERNEL_GS_BASE:
		return (struct msr_place){ &m->kernel_gs_base, CANONICAL, 0 };
	case MSR_TSC_AUX:
		return (struct msr_place){ &m->tsc_aux, LOW_32, 0 };
	default:
		if (cpu->in_es)
			return place_in_vmsa(&cpu->es->vmsa, nr);
		return (struct msr_place){ NULL, ANY, 0 };
	}
}

/* APM vol. 2 table 15-32; SEV_FEATURES follow from bit 2 on. */
static uint64_t sev_status(const struct cpu *cpu)
{
	return BIT(0) | (cpu->in_es ? BIT(1) | cpu->es->vmsa.sev_features << 2 : 0);
}

bool svm_rdmsr(struct cpu *cpu, uint32_t nr, uint64_t *v)
{
	struct msr_place p;

	switch (nr) {
	case MSR_EFER:
		*v = cpu->x.st->efer;
		return true;
	case MSR_TSC:
		*v = env_tsc(&cpu->x);
		return true;
	case MSR_GHCB:
		*v = cpu->in_es ? cpu->es->ghcb : 0;
		return cpu->in_es;
	case MSR_SEV_STATUS:
		*v = sev_status(cpu);
		return cpu->svm->np_control & SVM_NP_SEV;
	default:
		p = place_of(cpu, nr);
		*v = p.at ? *p.at : 0;
		return p.at;
	}
}

/* SVME stays as it is: only VMRUN's check sees it. */
static bool write_efer(struct cpu *cpu, uint64_t v)
{
	struct x86_state *s = cpu->x.st;
	uint64_t old = s->efer;

	if (v & ~EFER_KNOWN || ((v ^ old) & X86_EFER_LME && s->cr0 & X86_CR0_PG))
		return false;
	s->efer = (v & EFER_WRITABLE) | (old & (X86_EFER_LMA | X86_EFER_SVME));
	mmu_efer_written(&cpu->mmu, old);
	if (cpu->in_es && cpu->svm->trap_efer_write)
		svm_trap_write(cpu, SVM_EXIT_EFER_WRITE_TRAP, s->efer);
	return true;
}

/* Memory types 2, 3 and above 7 are reserved, APM vol. 2 7.8.1. */
static bool is_pat(uint64_t v)
{
	for (; v; v >>= 8)
		if ((v & 0xff) > 7 || (v & 0xfe) == 2)
			return false;
	return true;
}

static bool obeys(const struct cpu *cpu, const struct msr_place *p, uint64_t v)
{
	switch (p->rule) {
	case CANONICAL:
		return x86_is_canonical(cpu->x.st, v);
	case LOW_32:
		return !(v >> 32);
	case MASKED:
		return !(v & ~p->mask);
	case PAT:
		return is_pat(v);
	default:
		return true;
	}
}

bool svm_wrmsr(struct cpu *cpu, uint32_t nr, uint64_t v)
{
	struct msr_place p;

	switch (nr) {
	case MSR_EFER:
		return write_efer(cpu, v);
	case MSR_PRED_CMD: case MSR_FLUSH_CMD:	/* nothing is predicted, nothing cached */
		return !(v & ~1ull);
	case MSR_GHCB:
		if (!cpu->in_es)
			return false;
		cpu->es->ghcb = v;
		return true;
	default:
		p = place_of(cpu, nr);
		if (!p.at || !obeys(cpu, &p, v))
			return false;
		*p.at = v;
		return true;
	}
}
