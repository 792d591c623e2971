/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * sev_vcpu.h - what KVM keeps of a SEV-ES guest's vCPU.  [v] all of it.
 */
#pragma once
#include "kvm/types/sev.h"
#include "kvm/types/sev_ghcb.h"

struct sev_vcpu {
	hpa_t		vmsa;		/* its page, owned */
	struct sev_ghcb	ghcb;
};

static inline struct sev_vcpu *to_sev_vcpu(const struct kvm_vcpu *vcpu)
{
	return vcpu->type_state;
}

/* What RESET leaves in the GHCB MSR. */
uint64_t sev_ghcb_info(const struct kvm *kvm);
/* The vCPU goes: no GHCB is mapped any more (sev_ghcb.c). */
void sev_es_free_ghcb(struct kvm_vcpu *vcpu);
