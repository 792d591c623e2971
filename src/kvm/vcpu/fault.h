/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * fault.h - a nested fault's way to its page, in the kernel's order
 * (spec kvm.md 2.3 to 2.6; docs/facts/fault-order.tsv).
 */
#pragma once
#include "kvm/mmu/fault.h"
#include "kvm/vcpu/vcpu.h"

/*
 * kvm_mmu_do_page_fault(): RET_PF_* or -errno, kvm_run filled in for
 * KVM_EXIT_MEMORY_FAULT.  SRCU held; it is dropped while the host's page is
 * being made present.
 */
MUST_CHECK int vcpu_do_page_fault(struct vcpu *v, struct kvm_page_fault *fault);

/*
 * kvm_faultin_pfn(): from the snapshot of the sequence to the page.
 * RET_PF_CONTINUE: fault->kind and page are set.
 */
MUST_CHECK int vcpu_faultin_pfn(struct vcpu *v, struct kvm_page_fault *fault);

void vcpu_fault_init(const struct vcpu *v, struct kvm_page_fault *fault, gpa_t gpa,
		     uint64_t error_code);

/* KVM_EXIT_MEMORY_FAULT for @fault's page; answers @error (negative). */
int vcpu_memory_fault_exit(struct vcpu *v, const struct kvm_page_fault *fault, int error);
