/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * request.h - making a vCPU do something before it next enters the guest, and
 * knowing that it is out.  Ordering as in the kernel's vcpu-requests.rst:
 * request, then fence, then look at the mode; the vCPU: mode, fence, requests.
 */
#pragma once
#include <stdbool.h>

#include "kvm/core/kvm.h"

void kvm_make_request(enum kvm_request req, struct kvm_vcpu *vcpu);
bool kvm_check_request(enum kvm_request req, struct kvm_vcpu *vcpu);	/* and clear */
bool kvm_request_is_pending(enum kvm_request req, const struct kvm_vcpu *vcpu);
bool kvm_request_pending(const struct kvm_vcpu *vcpu);

/*
 * The vCPU's side, around VMRUN or VM entry.  enter: false, and outside again,
 * when a request is pending.  leave: after hardware has let go of every
 * translation; wakes those who wait for it.
 */
MUST_CHECK bool kvm_vcpu_enter_guest_mode(struct kvm_vcpu *vcpu);
void kvm_vcpu_leave_guest_mode(struct kvm_vcpu *vcpu);

/* A non-maskable interrupt for @vcpu, which need not be running.  Any thread. */
void kvm_inject_nmi(struct kvm_vcpu *vcpu);

/* Kicks @vcpu out of the guest or its sleep; does not wait. */
void kvm_vcpu_kick(struct kvm_vcpu *vcpu);

/*
 * Posts @req to every vCPU, kicks those in the guest and waits until each has
 * left guest mode at least once since.  Must not be called by a vCPU thread
 * that is IN_GUEST_MODE itself.  May be called with mmu_lock held (hardware
 * walkers take no lock).  True when one of them was in the guest.
 */
bool kvm_make_all_cpus_request(struct kvm *kvm, enum kvm_request req);

/* kvm_make_all_cpus_request(KVM_REQ_TLB_FLUSH), counted. */
void kvm_flush_remote_tlbs(struct kvm *kvm);
