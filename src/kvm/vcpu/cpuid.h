/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * cpuid.h - what KVM offers, what the VMM chose, what the guest reads.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "kvm/vcpu/vcpu.h"

#define KVM_MAX_CPUID_ENTRIES	256

/*
 * KVM_GET_SUPPORTED_CPUID: writes at most @max entries, answers how many or
 * -E2BIG.  Any thread.
 */
MUST_CHECK int kvm_supported_cpuid(const struct kvm_module *module,
				   struct kvm_cpuid_entry2 *entries, unsigned max);

/* KVM_SET_CPUID2: copies @entries.  -EINVAL, -ENOMEM. */
MUST_CHECK int vcpu_set_cpuid(struct vcpu *v, const struct kvm_cpuid_entry2 *entries,
			      unsigned nr);

/* KVM_GET_CPUID2: all v->nr_cpuid entries, with the bits of the moment. */
void vcpu_get_cpuid(const struct vcpu *v, struct kvm_cpuid_entry2 *entries);

/* Address bits at and above the guest's MAXPHYADDR. */
uint64_t vcpu_reserved_gpa_bits(const struct vcpu *v);

/* The entry for a leaf; NULL: the VMM gave none. */
const struct kvm_cpuid_entry2 *vcpu_find_cpuid(const struct vcpu *v, uint32_t leaf,
					       uint32_t subleaf);

/* CPUID as the guest executes it, with the out-of-range rules of its vendor. */
void vcpu_cpuid(const struct vcpu *v, uint32_t *eax, uint32_t *ebx, uint32_t *ecx, uint32_t *edx);

/* CR4 bits that the guest may set, given its CPUID and the machine. */
uint64_t vcpu_cpuid_cr4_allowed(const struct vcpu *v);
/* EFER likewise; and what the machine alone allows. */
uint64_t kvm_efer_supported(const struct kvm_module *module);
uint64_t vcpu_cpuid_efer_allowed(const struct vcpu *v);
