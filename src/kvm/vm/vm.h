/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * vm.h - a virtual machine as a whole: module, birth, capabilities, death.
 *
 * Functions take the locks they need (kvm->lock) and answer 0 or -errno.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "kvm/core/kvm.h"
#include "kvm/core/vm_type_ops.h"

struct vcpu;

/*
 * "modprobe kvm kvm_amd|kvm_intel" on @module->hw: hw, counters, abi, params
 * and vm_types are set; the rest is worked out here.  -ENOMEM.
 */
MUST_CHECK int kvm_module_load(struct kvm_module *module);
void kvm_module_unload(struct kvm_module *module);	/* no VM is left */

/* One reference, the caller's (the VM's descriptor).  -ENOMEM. */
MUST_CHECK int kvm_vm_create(struct kvm_module *module, const struct vm_type_ops *ops,
			     struct kvm **out);

/*
 * KVM_CREATE_VCPU.  @run_pages: VCPU_RUN_PAGES pages that outlive the VM's last
 * reference; taken over on success only.  The vCPU's descriptor owns one
 * reference on the VM.  -EINVAL, -EEXIST, -ENOMEM.
 */
MUST_CHECK int kvm_vm_create_vcpu(struct kvm *kvm, unsigned long id, void *run_pages,
				  struct vcpu **out);

/* KVM_CHECK_EXTENSION; @kvm NULL: on /dev/kvm.  Never fails, 0: not there. */
int kvm_check_extension(const struct kvm_module *module, const struct kvm *kvm, long ext);
MUST_CHECK int kvm_vm_enable_cap(struct kvm *kvm, const struct kvm_enable_cap *cap);

/* The page that every vCPU's mapping shows as its third.  Lives with the VM. */
void *kvm_vm_coalesced_page(const struct kvm *kvm);

MUST_CHECK int kvm_vm_create_irqchip(struct kvm *kvm);
MUST_CHECK int kvm_vm_set_tss_addr(struct kvm *kvm, unsigned long addr);
MUST_CHECK int kvm_vm_set_identity_map_addr(struct kvm *kvm, uint64_t addr);
MUST_CHECK int kvm_vm_set_tsc_khz(struct kvm *kvm, uint32_t khz);
MUST_CHECK int kvm_vm_set_nr_mmu_pages(struct kvm *kvm, unsigned long nr);
MUST_CHECK int kvm_vm_set_boot_cpu_id(struct kvm *kvm, unsigned long id);
