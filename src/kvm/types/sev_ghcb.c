/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * sev_ghcb.c - VMGEXIT: what a SEV-ES guest asks of KVM.
 */
#include <errno.h>

#include "kvm/types/sev_vcpu.h"

int sev_vmgexit(struct kvm_vcpu *vcpu)
{
	return -EINVAL;
}

void sev_es_free_ghcb(struct kvm_vcpu *vcpu)
{
}
