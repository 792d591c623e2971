/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * pvclock.h - structures of the paravirtual clock in guest memory, shared with
 * other hypervisors: virt/kvm/x86/msr.rst, MSR_KVM_SYSTEM_TIME_NEW.
 */
#pragma once
#include <stdint.h>

#include "base/macros.h"

#define PVCLOCK_TSC_STABLE_BIT	(1 << 0)
#define PVCLOCK_GUEST_STOPPED	(1 << 1)

struct pvclock_vcpu_time_info {
	uint32_t	version;	/* odd: being written */
	uint32_t	pad0;
	uint64_t	tsc_timestamp;
	uint64_t	system_time;	/* ns at @tsc_timestamp */
	uint32_t	tsc_to_system_mul;
	int8_t		tsc_shift;
	uint8_t		flags;
	uint8_t		pad[2];
};
static_assert(sizeof(struct pvclock_vcpu_time_info) == 32, "as the guest's");

struct pvclock_wall_clock {
	uint32_t	version, sec, nsec;
};
