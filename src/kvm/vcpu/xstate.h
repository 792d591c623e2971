/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * xstate.h - XSAVE images and XCR0.  Under the vCPU's mutex.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "kvm/vcpu/vcpu.h"

/* Components that KVM offers on this machine. */
uint64_t kvm_xcr0_supported(const struct kvm_module *module);

/* Bytes of an XSAVE area with these components, in the standard or compacted format. */
uint32_t kvm_xstate_size(const struct kvm_module *module, uint64_t components, bool compacted);

/* KVM_GET_XSAVE and KVM_GET_XSAVE2: 4096 bytes are enough for what we offer. */
void vcpu_get_xsave(const struct vcpu *v, struct kvm_xsave *xsave);
MUST_CHECK int vcpu_set_xsave(struct vcpu *v, const struct kvm_xsave *xsave);	/* -EINVAL */

void vcpu_get_xcrs(const struct vcpu *v, struct kvm_xcrs *xcrs);
MUST_CHECK int vcpu_set_xcrs(struct vcpu *v, const struct kvm_xcrs *xcrs);	/* -EINVAL */
/* XCR0 by whoever: false when it is refused. */
MUST_CHECK bool vcpu_set_xcr0(struct vcpu *v, uint64_t value);
