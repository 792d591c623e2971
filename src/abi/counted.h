/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * counted.h - ioctl arguments that are a header and a counted tail.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "abi/ioctl.h"

/* System and vCPU alike; @get answers 0 when it read one. */
typedef int (*msr_access)(void *who, uint32_t index, uint64_t *value);

/* KVM_GET_MSRS, KVM_SET_MSRS: how many were done, or -errno. */
long counted_msrs(unsigned long arg, msr_access access, void *who, bool write_back);

/* KVM_GET_MSR_INDEX_LIST and the feature list. */
long counted_msr_list(const struct kvm_module *module, unsigned long arg,
		      unsigned (*list)(const struct kvm_module *module, uint32_t *list,
				       unsigned max));

struct kvm_cpuid_entry2;
/* The tail of a kvm_cpuid2 with @nr entries: a copy (free it) or -errno in @r. */
struct kvm_cpuid_entry2 *counted_cpuid_in(unsigned long arg, uint32_t *nr, int *r);
/* The same of an old kvm_cpuid, whose entries have no sub-leaves. */
struct kvm_cpuid_entry2 *counted_old_cpuid_in(unsigned long arg, uint32_t *nr, int *r);
/* For how many entries there is room, KVM_MAX_CPUID_ENTRIES at most; fewer than @least: -E2BIG. */
long counted_cpuid_room(unsigned long arg, uint32_t least);
/* The padding of the @nr entries that are there: readable, and zero. */
bool counted_cpuid_padding_is_clean(unsigned long arg, uint32_t nr);
/* Writes @nr entries and the count back. */
long counted_cpuid_out(unsigned long arg, const struct kvm_cpuid_entry2 *e, uint32_t nr);
