/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * ioeventfd.h - KVM_IOEVENTFD: a write of the guest adds to an eventfd instead
 * of being an exit.  Spec kvm.md 8.3.
 */
#pragma once
#include "base/macros.h"

struct kvm;
struct kvm_ioeventfd;

/* Assigns or (KVM_IOEVENTFD_FLAG_DEASSIGN) takes away.  0 or the kernel's -errno. */
MUST_CHECK int kvm_vm_ioeventfd(struct kvm *kvm, const struct kvm_ioeventfd *args);
