/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * svm_es.c - a guest whose registers the hypervisor does not see: its state
 * comes from the VMSA and goes there, and what would be an exit is #VC for it.
 * APM vol. 2 15.35.
 *
 * cpu->es is the processor's own; between two runs it has nothing that the next
 * guest could find (svm_es_load overwrites it all) but DR0 to DR3, which are
 * the processor's without DebugSwap, as on silicon.
 */
#include "hw/cpu/svm_priv.h"

#include <string.h>

#include "hw/mem/machine.h"
#include "hw/mem/rmp_check.h"
#include "hw/mem/tmr.h"
#include "hw/mem/view.h"
#include "hw/snp/guest.h"
#include "os/uaccess.h"

#define SUPPORTED_FEATURES	VMSA_DEBUG_SWAP
#define EFER_RESERVED		(~(X86_EFER_SCE | X86_EFER_LME | X86_EFER_LMA | X86_EFER_NX | \
				   X86_EFER_SVME | X86_EFER_FFXSR))
#define DR_ALL			0xfu

/* NO_LOCK_ANALYSIS: as code_init_locked(). */
NO_LOCK_ANALYSIS struct svm_es *svm_es_create_locked(struct hw *hw)
{
	return machine_alloc_locked(hw, sizeof(struct svm_es));
}

/* The fields that are the same on both sides: of x86_state, of the VMSA. */
#define SAME(X)								\
	X(rip, rip) X(rflags, rflags) X(cpl, cpl) X(efer, efer) X(xcr0, xcr0)	\
	X(cr0, cr0) X(cr2, cr2) X(cr3, cr3) X(cr4, cr4) X(dr6, dr6) X(dr7, dr7)	\
	X(gpr[X86_RAX], rax) X(gpr[X86_RCX], rcx) X(gpr[X86_RDX], rdx)	\
	X(gpr[X86_RBX], rbx) X(gpr[X86_RSP], rsp) X(gpr[X86_RBP], rbp)	\
	X(gpr[X86_RSI], rsi) X(gpr[X86_RDI], rdi)			\
	X(gpr[X86_R8], r8_to_r15[0]) X(gpr[X86_R9], r8_to_r15[1])	\
	X(gpr[X86_R10], r8_to_r15[2]) X(gpr[X86_R11], r8_to_r15[3])	\
	X(gpr[X86_R12], r8_to_r15[4]) X(gpr[X86_R13], r8_to_r15[5])	\
	X(gpr[X86_R14], r8_to_r15[6]) X(gpr[X86_R15], r8_to_r15[7])	\
	X(msr.star, star) X(msr.lstar, lstar) X(msr.cstar, cstar) X(msr.sfmask, sfmask)	\
	X(msr.kernel_gs_base, kernel_gs_base) X(msr.sysenter_cs, sysenter_cs)	\
	X(msr.sysenter_esp, sysenter_esp) X(msr.sysenter_eip, sysenter_eip)	\
	X(msr.pat, g_pat)						\
	X(fpu.fcw, x87_fcw) X(fpu.fsw, x87_fsw) X(fpu.fop, x87_fop)	\
	X(fpu.fip, x87_rip) X(fpu.fdp, x87_dp) X(fpu.mxcsr, mxcsr)

struct segment_pair { uint8_t seg; uint16_t offset; };

static const struct segment_pair segments[] = {
	{ X86_ES, offsetof(struct vmsa, es) }, { X86_CS, offsetof(struct vmsa, cs) },
	{ X86_SS, offsetof(struct vmsa, ss) }, { X86_DS, offsetof(struct vmsa, ds) },
	{ X86_FS, offsetof(struct vmsa, fs) }, { X86_GS, offsetof(struct vmsa, gs) },
	{ X86_LDTR, offsetof(struct vmsa, ldtr) }, { X86_TR, offsetof(struct vmsa, tr) },
};

static struct x86_segment load_segment(const struct vmsa_segment *v)
{
	uint32_t ar = (v->attributes & 0xffu) | (v->attributes & 0xf00u) << 4;

	return (struct x86_segment){
		.selector = v->selector, .limit = v->limit, .base = v->base,
		.ar = ar & X86_AR_P ? ar : ar | (uint32_t)X86_AR_UNUSABLE,
	};
}

static struct vmsa_segment save_segment(const struct x86_segment *s)
{
	uint32_t ar = s->ar & X86_AR_UNUSABLE ? s->ar & ~(uint32_t)X86_AR_P : s->ar;

	return (struct vmsa_segment){
		.selector = s->selector, .limit = s->limit, .base = s->base,
		.attributes = (uint16_t)((ar & 0xff) | (ar >> 4 & 0xf00)),
	};
}

static void load_fpu(const struct vmsa *v, struct x86_fpu *f)
{
	f->ftw = (uint8_t)v->x87_ftw;
	memset(f->st, 0, sizeof(f->st));
	for (unsigned i = 0; i < 8; i++) {
		memcpy(f->st[i], v->fpreg_x87 + i * 8, 8);
		memcpy(f->st[i] + 8, v->fpreg_x87 + 64 + i * 2, 2);
	}
	memcpy(f->xmm, v->fpreg_xmm, sizeof(f->xmm));
	memcpy(f->ymm_hi, v->fpreg_ymm, sizeof(f->ymm_hi));
}

static void save_fpu(const struct x86_fpu *f, struct vmsa *v)
{
	v->x87_ftw = f->ftw;
	for (unsigned i = 0; i < 8; i++) {
		memcpy(v->fpreg_x87 + i * 8, f->st[i], 8);
		memcpy(v->fpreg_x87 + 64 + i * 2, f->st[i] + 8, 2);
	}
	memcpy(v->fpreg_xmm, f->xmm, sizeof(f->xmm));
	memcpy(v->fpreg_ymm, f->ymm_hi, sizeof(f->ymm_hi));
}

static void load_state(const struct vmsa *v, struct x86_state *s)
{
	const char *base = (const char *)v;

#define LOAD(a, b) s->a = v->b;
	SAME(LOAD)
#undef LOAD
	for (size_t i = 0; i < ARRAY_SIZE(segments); i++)
		s->seg[segments[i].seg] = load_segment((const struct vmsa_segment *)(const void *)
						       (base + segments[i].offset));
	s->gdtr = (struct x86_table){ (uint16_t)v->gdtr.limit, v->gdtr.base };
	s->idtr = (struct x86_table){ (uint16_t)v->idtr.limit, v->idtr.base };
	s->msr.tsc_aux = v->tsc_aux;
	if (v->sev_features & VMSA_DEBUG_SWAP)
		memcpy(s->dr, v->dr, sizeof(s->dr));
	s->has_pdpte = false;
	load_fpu(v, &s->fpu);
}

static void save_state(const struct x86_state *s, struct vmsa *v)
{
	char *base = (char *)v;

#define SAVE(a, b) v->b = s->a;
	SAME(SAVE)
#undef SAVE
	for (size_t i = 0; i < ARRAY_SIZE(segments); i++)
		*(struct vmsa_segment *)(void *)(base + segments[i].offset) =
			save_segment(&s->seg[segments[i].seg]);
	v->gdtr.limit = s->gdtr.limit;
	v->gdtr.base = s->gdtr.base;
	v->idtr.limit = s->idtr.limit;
	v->idtr.base = s->idtr.base;
	v->tsc_aux = (uint32_t)s->msr.tsc_aux;
	if (v->sev_features & VMSA_DEBUG_SWAP)
		memcpy(v->dr, s->dr, sizeof(s->dr));
	save_fpu(&s->fpu, v);
}

/* 15.35.10: no software interrupts, and no exceptions that are an instruction's. */
static bool is_valid_event(uint64_t inj)
{
	uint64_t type = inj & (7ull << 8);
	uint8_t vector = (uint8_t)inj;

	if (!(inj & SVM_EVENT_VALID) || type == SVM_EVENT_TYPE_INTR || type == SVM_EVENT_TYPE_NMI)
		return true;
	return type == SVM_EVENT_TYPE_EXCEPTION && vector < 32 && vector != X86_NMI &&
	       vector != X86_BP && vector != X86_OF && vector != X86_VC;
}

/* What VMRUN checks beyond a plain guest's state. */
static bool is_valid_vmsa(const struct hw *hw, const struct vmsa *v)
{
	uint64_t features = SUPPORTED_FEATURES | (hw->frames.rmp ? VMSA_SNP_ACTIVE : 0);

	return !(v->sev_features & ~features) &&
	       (!(v->sev_features & VMSA_SNP_ACTIVE) || v->vmpl < RMP_NR_VMPLS) && (v->efer & X86_EFER_SVME) &&
	       !(v->efer & EFER_RESERVED) && !(v->cr4 >> 32) && v->cpl < 4;
}

/* Its page as the guest's key sees it; a look of somebody else's makes this slow, once. */
static bool fetch(struct cpu *cpu, const struct svm_control *c, struct vmsa *v)
{
	const uint8_t *page = view_host(cpu->hw, c->vmsa_pa, (keyslot_t)c->asid);

	return page && !os_copy_from(v, page, sizeof(*v));
}

static bool put_back(struct cpu *cpu, const struct svm_control *c, const struct vmsa *v)
{
	uint8_t *page = view_host(cpu->hw, c->vmsa_pa, (keyslot_t)c->asid);

	return page && !os_copy_to(page, v, sizeof(*v));
}

/*
 * Table 15-41; an SNP guest's page is protected by the RMP and needs no checksum.
 * False: not to be run.
 */
static bool take(struct cpu *cpu, const struct svm_control *c)
{
	struct rmp_look look = { 0 };

	if (cpu->es->snp)
		return snp_vmsa_take(cpu->hw, c->vmsa_pa, (uint16_t)c->asid) == RMP_VMRUN_PASS;
	if (cpu->hw->frames.rmp)
		rmp_look(cpu->hw->frames.rmp, c->vmsa_pa, 0, &look);
	return rmp_check_structure(&look.page, RMP_VMSA_PAGE, 0) == RMP_VMRUN_PASS &&
	       tmr_matches(cpu->hw, (const uint8_t *)&cpu->es->vmsa);
}

void svm_es_abandon(struct cpu *cpu, const struct svm_control *c)
{
	if (cpu->es->snp)
		snp_vmsa_give(cpu->hw, c->vmsa_pa);
}

/* Another processor may have run the guest's VMSA until it was taken: what it left there counts. */
static bool fetch_again(struct cpu *cpu, const struct svm_control *c)
{
	struct vmsa *v = &cpu->es->vmsa;

	if (!cpu->es->snp ||
	    (fetch(cpu, c, v) && is_valid_vmsa(cpu->hw, v) && (v->sev_features & VMSA_SNP_ACTIVE)))
		return true;
	svm_es_abandon(cpu, c);
	return false;
}

/* What a hypervisor must not ask for: the guest gets #VC for it all the same. */
static void find_misuse(struct cpu *cpu, const struct svm_control *c)
{
	if (c->intercept_exceptions & BIT(X86_VC))
		hw_finding(cpu->hw, "APM vol. 2 15.35.5", "#VC of a SEV-ES guest is intercepted");
	if (c->intercept_iret)
		hw_finding(cpu->hw, "APM vol. 2 15.35.5", "IRET of a SEV-ES guest is intercepted");
}

struct x86_state *svm_es_load(struct cpu *cpu, const struct svm_control *c)
{
	struct svm_es *es = cpu->es;
	struct x86_state *s = &es->state;

	if (c->vmsa_pa.v & ~PAGE_MASK || !is_valid_event(c->event_inj))
		return NULL;
	if (!fetch(cpu, c, &es->vmsa))
		return NULL;
	es->snp = cpu->hw->frames.rmp && (es->vmsa.sev_features & VMSA_SNP_ACTIVE);
	if (!is_valid_vmsa(cpu->hw, &es->vmsa) || !take(cpu, c) || !fetch_again(cpu, c))
		return NULL;
	find_misuse(cpu, c);
	load_state(&es->vmsa, s);
	s->fpu.mxcsr &= hw_mxcsr_mask(cpu->hw);
	s->cr8 = c->v_tpr & 15;
	s->shadow = (uint8_t)((c->int_state & SVM_INT_SHADOW ? X86_SHADOW_STI : 0) |
			      (c->v_nmi_blocked ? X86_SHADOW_NMI : 0));
	es->ghcb = c->ghcb_gpa;
	return s;
}

/* HLT, PAUSE and VMGEXIT are done; write traps come when the instruction is. */
static void advance(const struct cpu *cpu, struct x86_state *s)
{
	s->rip += cpu->exit.len;
	if (!x86_in_64bit_mode(s))
		s->rip = (uint32_t)s->rip;
	s->rflags &= ~X86_FLAGS_RF;
	s->shadow &= (uint8_t)~(X86_SHADOW_STI | X86_SHADOW_MOV_SS);
}

void svm_es_save(struct cpu *cpu, const struct svm_control *c, struct svm_exit *out)
{
	struct svm_es *es = cpu->es;
	struct x86_state *s = &es->state;

	if (cpu->exit.cause == CPU_INTERCEPT && svm_advances_rip(out->exitcode))
		advance(cpu, s);
	save_state(s, &es->vmsa);
	/* A frame that is gone, or a place of the checksum: the next VMRUN finds out. */
	if ((es->snp || tmr_store(cpu->hw, (const uint8_t *)&es->vmsa)) &&
	    !put_back(cpu, c, &es->vmsa))
		hw_finding(cpu->hw, "APM vol. 2 15.35.8", "the VMSA at %#llx went while it ran",
			   (unsigned long long)c->vmsa_pa.v);
	if (es->snp)
		snp_vmsa_give(cpu->hw, c->vmsa_pa);
	out->ghcb_gpa = es->ghcb;
	out->v_tpr = (uint8_t)s->cr8;
	out->v_nmi_blocked = s->shadow & X86_SHADOW_NMI;
	out->int_state = (s->shadow & (X86_SHADOW_STI | X86_SHADOW_MOV_SS) ? SVM_INT_SHADOW : 0) |
			 (s->rflags & X86_FLAGS_IF ? SVM_GUEST_INTERRUPT_MASK : 0);
	/* 15.35.4: neither the instruction nor where in the page it reached is told. */
	out->nrip = 0;
	out->nr_bytes = 0;
	memset(out->bytes, 0, sizeof(out->bytes));
	if (out->exitcode == SVM_EXIT_NPF)
		out->exitinfo2 &= PAGE_MASK;
}

bool svm_reflects(struct cpu *cpu, enum x86_intercept what, uint64_t info)
{
	uint64_t code = svm_exit_code(what, info);

	if (what == X86_ICPT_VMMCALL && info)
		return false;		/* VMGEXIT */
	if (svm_is_automatic(code))
		return false;
	x86_fault(&cpu->x, X86_VC, (uint32_t)code);
	return true;
}

bool svm_reflects_exception(const struct cpu *cpu, struct x86_event *ev)
{
	struct x86_state *s = cpu->x.st;

	if (!cpu->in_es || svm_is_automatic(SVM_EXIT_EXCP0 + ev->vector))
		return false;
	if (ev->vector == X86_DB)
		s->dr6 = (s->dr6 & ~(uint64_t)DR_ALL) | ev->payload;
	*ev = (struct x86_event){ .kind = X86_EVENT_EXCEPTION, .vector = X86_VC, .has_error = true,
				  .error = SVM_EXIT_EXCP0 + ev->vector };
	return true;
}

void svm_trap_write(struct cpu *cpu, uint16_t code, uint64_t value)
{
	cpu->trapped = true;
	cpu->trap_code = code;
	cpu->trap_value = value;
}
