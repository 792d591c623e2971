/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * sev_vcpu.h - what KVM keeps of a SEV-ES guest's vCPU.  [v] all that says nothing else.
 */
#pragma once
#include "kvm/types/sev.h"
#include "kvm/types/sev_ghcb.h"

/*
 * SNP: what the guest wants this vCPU to run next.  The guest's other vCPUs
 * write it.
 */
struct snp_ap {
	struct mutex	lock;		/* RANK_SNP_VMSA */
	bool		waits;		/* [lock] for the vCPU, to take it */
	gpa_t		pending;	/* [lock] while it waits: its VMSA; all ones: none, the vCPU stops */
};
void snp_ap_init(struct snp_ap *ap);	/* of zeros */
void snp_ap_fini(struct snp_ap *ap);
/* The vCPU has had INIT, or KVM_REQ_UPDATE_PROTECTED_GUEST_STATE: takes it.  SRCU is held. */
void snp_after_init(struct kvm_vcpu *vcpu);

struct sev_vcpu {
	hpa_t		vmsa;		/* its first page, owned; the guest may have it run another */
	struct sev_ghcb	ghcb;
	struct snp_ap	ap;		/* any thread */
};

static inline struct sev_vcpu *to_sev_vcpu(const struct kvm_vcpu *vcpu)
{
	return vcpu->type_state;
}

/* What RESET leaves in the GHCB MSR. */
uint64_t sev_ghcb_info(const struct kvm *kvm);
/* The vCPU goes: no GHCB is mapped any more (sev_ghcb.c). */
void sev_es_free_ghcb(struct kvm_vcpu *vcpu);
