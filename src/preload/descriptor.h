/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * descriptor.h - descriptors of a KVM that came from another program.
 */
#pragma once
#include "base/macros.h"

struct abi;

enum kvm_descriptor {
	DESCRIPTOR_OTHER,	/* of no KVM, or not open */
	DESCRIPTOR_SYSTEM,	/* /dev/kvm, ours or the machine's own */
	DESCRIPTOR_VM,		/* a VM, vCPU or device of any KVM */
};

/* What the kernel says that @fd is. */
enum kvm_descriptor descriptor_kind(int fd);

/* @fd, a DESCRIPTOR_SYSTEM, becomes this process' /dev/kvm.  0 or a negative errno. */
MUST_CHECK int descriptor_adopt(struct abi *abi, int fd);
