/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * protected.h - vCPUs of SEV and SEV-ES guests, as the rest of kvm/vcpu has to
 * know them (docs/design/ghcb.md).
 *
 * Of a SEV-ES guest's vCPU struct vcpu's state is not the guest's: it is what
 * the VMM set before the launch, changed by write traps and by what a GHCB
 * brought.  Nothing that runs in the guest follows from it.
 */
#pragma once
#include <stdbool.h>

#include "kvm/vcpu/vcpu.h"

static inline bool vcpu_is_sev(const struct vcpu *v)
{
	return v->svm.np_control & SVM_NP_SEV;
}

static inline bool vcpu_is_es(const struct vcpu *v)
{
	return v->svm.np_control & SVM_NP_SEV_ES;
}

/* Ioctls on registers are refused; VMs made before there were such types are told old values. */
static inline bool vcpu_hides_state(const struct vcpu *v)
{
	return v->base.guest_state_protected && v->base.kvm->has_protected_state;
}

/* Its registers are old values, whatever ioctls may say. */
static inline bool vcpu_has_old_state(const struct vcpu *v)
{
	return v->base.guest_state_protected;
}
