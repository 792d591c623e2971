/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * mce.h - machine checks as the VMM sets them up and reports them.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "kvm/vcpu/vcpu.h"

/* KVM_X86_GET_MCE_CAP_SUPPORTED.  Any thread. */
uint64_t kvm_mce_cap_supported(const struct kvm_module *module);
/* KVM_X86_SETUP_MCE, KVM_X86_SET_MCE: -EINVAL. */
MUST_CHECK int vcpu_setup_mce(struct vcpu *v, uint64_t cap);
MUST_CHECK int vcpu_set_mce(struct vcpu *v, const struct kvm_x86_mce *mce);
/* Local machine checks were asked for: FEAT_CTL may switch them on. */
bool vcpu_has_lmce(const struct vcpu *v);
