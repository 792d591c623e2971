/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * sev_vcpu.c - vCPUs of SEV and SEV-ES guests: control area, save area.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "hw/insn/phys.h"
#include "hw/insn/vmsa.h"
#include "kvm/types/sev_vcpu.h"
#include "kvm/types/snp.h"
#include "kvm/vcpu/backend.h"
#include "kvm/vcpu/vcpu.h"

#define DR7_FIXED	0x400ull
#define GHCB_MSR_SEV_INFO_RESP	0x001ull

/* GHCB specification 2.3.1: versions and the C-bit, what a fresh vCPU finds in the MSR. */
uint64_t sev_ghcb_info(const struct kvm *kvm)
{
	return (uint64_t)to_kvm_sev(kvm)->ghcb_version << 48 | (uint64_t)GHCB_VERSION_MIN << 32 |
	       (uint64_t)hw_config(kvm->module->hw)->c_bit << 24 | GHCB_MSR_SEV_INFO_RESP;
}

static void init_es_control(struct vcpu *v)
{
	struct sev_vcpu *es = to_sev_vcpu(&v->base);

	v->svm.np_control |= SVM_NP_SEV_ES;
	v->svm.vmsa_pa = es ? es->vmsa : HPA_INVALID;
	v->svm.msrpm = sev_module(v->base.kvm)->es_msrpm;
	v->debug_swap = to_kvm_sev(v->base.kvm)->vmsa_features & SEV_FEATURE_DEBUG_SWAP;
}

void sev_init_vmcb(struct kvm_vcpu *vcpu)
{
	struct vcpu *v = to_vcpu(vcpu);

	/* All vCPUs run under the guest's one ASID: it names the key. */
	vcpu->tag = to_kvm_sev(vcpu->kvm)->asid;
	v->svm.asid = vcpu->tag;
	v->svm.np_control = SVM_NP_ENABLE | SVM_NP_SEV;
	if (sev_es_guest(vcpu->kvm))
		init_es_control(v);
	v->backend->intercepts_changed(v);
}

int sev_vcpu_create(struct kvm_vcpu *vcpu)
{
	struct vcpu *v = to_vcpu(vcpu);
	struct sev_vcpu *es;

	if (!sev_guest(vcpu->kvm))
		return 0;
	if (sev_es_guest(vcpu->kvm)) {
		es = calloc(1, sizeof(*es));
		if (!es)
			return -ENOMEM;
		es->vmsa = snp_safe_alloc_page(vcpu->kvm->module);
		if (!hpa_is_valid(es->vmsa)) {
			free(es);
			return -ENOMEM;
		}
		snp_ap_init(&es->ap);
		vcpu->type_state = es;
		v->svm.ghcb_gpa = sev_ghcb_info(vcpu->kvm);
	}
	sev_init_vmcb(vcpu);
	return 0;
}

void sev_vcpu_free(struct kvm_vcpu *vcpu)
{
	struct sev_vcpu *es = to_sev_vcpu(vcpu);

	if (!es)
		return;
	sev_es_free_ghcb(vcpu);
	/* An SNP guest's page is the guest's, once it has been launched. */
	if (sev_snp_guest(vcpu->kvm) && rmp_make_shared(vcpu->kvm->module, es->vmsa, PG_LEVEL_4K))
		snp_lose_page(vcpu->kvm->module, es->vmsa);
	else
		phys_page_free(vcpu->kvm->module->hw, es->vmsa);
	snp_ap_fini(&es->ap);
	free(es);
	vcpu->type_state = NULL;
}

void sev_es_take_state(struct kvm_vcpu *dst, struct kvm_vcpu *src)
{
	struct vcpu *d = to_vcpu(dst), *s = to_vcpu(src);
	void *had = dst->type_state;

	dst->type_state = src->type_state;
	src->type_state = had;
	kvm_map_move(&to_sev_vcpu(dst)->ghcb.map, dst);
	/* One of a VM without KVM_SEV_INIT2 had nothing. */
	if (had)
		kvm_map_move(&to_sev_vcpu(src)->ghcb.map, src);
	d->svm.ghcb_gpa = s->svm.ghcb_gpa;
	d->svm.vmsa_pa = s->svm.vmsa_pa;
	dst->guest_state_protected = true;
	s->svm.ghcb_gpa = HPA_INVALID.v;
	s->svm.vmsa_pa = HPA_INVALID;
	src->guest_state_protected = false;
	/* What its guest had asked for went with it. */
	s->complete = NULL;
}

/* Attributes as the VMCB packs them: 12 bits, nothing for an unusable one but its type. */
static struct vmsa_segment segment(const struct x86_segment *s)
{
	uint32_t ar = s->ar & X86_AR_UNUSABLE ? s->ar & ~(uint32_t)X86_AR_P : s->ar;

	return (struct vmsa_segment){
		.selector = s->selector,
		.attributes = (uint16_t)((ar & 0xff) | (ar >> 12 & 0xf) << 8),
		.limit = s->limit,
		.base = s->base,
	};
}

static void fill_segments(struct vmsa *a, const struct x86_state *s)
{
	a->es = segment(&s->seg[X86_ES]);
	a->cs = segment(&s->seg[X86_CS]);
	a->ss = segment(&s->seg[X86_SS]);
	a->ds = segment(&s->seg[X86_DS]);
	a->fs = segment(&s->seg[X86_FS]);
	a->gs = segment(&s->seg[X86_GS]);
	a->ldtr = segment(&s->seg[X86_LDTR]);
	a->tr = segment(&s->seg[X86_TR]);
	a->gdtr = (struct vmsa_segment){ .limit = s->gdtr.limit, .base = s->gdtr.base };
	a->idtr = (struct vmsa_segment){ .limit = s->idtr.limit, .base = s->idtr.base };
	a->cpl = s->cpl;
}

/* What the control registers are in the VMCB: the host's SVME and MCE are in them. */
static void fill_system(struct vmsa *a, const struct x86_state *s)
{
	a->efer = s->efer | X86_EFER_SVME;
	a->cr0 = s->cr0 & ~(X86_CR0_CD | X86_CR0_NW);
	a->cr2 = s->cr2;
	a->cr3 = s->cr3;
	a->cr4 = s->cr4 | X86_CR4_MCE;
	a->dr6 = s->dr6;
	a->dr7 = s->dr7;
	a->xcr0 = s->xcr0;
	a->star = s->msr.star;
	a->lstar = s->msr.lstar;
	a->cstar = s->msr.cstar;
	a->sfmask = s->msr.sfmask;
	a->kernel_gs_base = s->msr.kernel_gs_base;
	a->sysenter_cs = s->msr.sysenter_cs;
	a->sysenter_esp = s->msr.sysenter_esp;
	a->sysenter_eip = s->msr.sysenter_eip;
	a->g_pat = s->msr.pat;
}

static void fill_registers(struct vmsa *a, const struct x86_state *s)
{
	a->rax = s->gpr[X86_RAX];
	a->rcx = s->gpr[X86_RCX];
	a->rdx = s->gpr[X86_RDX];
	a->rbx = s->gpr[X86_RBX];
	a->rsp = s->gpr[X86_RSP];
	a->rbp = s->gpr[X86_RBP];
	a->rsi = s->gpr[X86_RSI];
	a->rdi = s->gpr[X86_RDI];
	memcpy(a->r8_to_r15, &s->gpr[X86_R8], sizeof(a->r8_to_r15));
	a->rip = s->rip;
	a->rflags = s->rflags | X86_FLAGS_FIXED;
}

/* KVM_SEV_ES_INIT leaves all of this zero: older measurements are without it. */
static void fill_fpu(struct vmsa *a, const struct x86_fpu *f)
{
	a->x87_dp = f->fdp;
	a->x87_rip = f->fip;
	a->mxcsr = f->mxcsr;
	a->x87_ftw = f->ftw;
	a->x87_fsw = f->fsw;
	a->x87_fcw = f->fcw;
	a->x87_fop = f->fop;
	for (unsigned i = 0; i < 8; i++) {
		memcpy(a->fpreg_x87 + 8 * i, f->st[i], 8);
		memcpy(a->fpreg_x87 + 64 + 2 * i, f->st[i] + 8, 2);
	}
	memcpy(a->fpreg_xmm, f->xmm, sizeof(a->fpreg_xmm));
	memcpy(a->fpreg_ymm, f->ymm_hi, sizeof(a->fpreg_ymm));
}

int sev_es_sync_vmsa(struct kvm_vcpu *vcpu)
{
	struct vcpu *v = to_vcpu(vcpu);
	struct kvm *kvm = vcpu->kvm;
	struct vmsa a = { 0 };
	uint64_t words[sizeof(a) / sizeof(uint64_t)];

	if (vcpu->guest_state_protected || v->debug.control || (v->state.dr7 & ~DR7_FIXED))
		return -EINVAL;
	fill_segments(&a, &v->state);
	fill_system(&a, &v->state);
	fill_registers(&a, &v->state);
	if (kvm->vm_type != KVM_X86_DEFAULT_VM)
		fill_fpu(&a, &v->state.fpu);
	a.sev_features = to_kvm_sev(kvm)->vmsa_features;
	memcpy(words, &a, sizeof(words));
	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		phys_store64(kvm->module->hw, HPA(to_sev_vcpu(vcpu)->vmsa.v + 8 * i), words[i]);
	return 0;
}
