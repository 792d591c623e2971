/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * pmu_filter.c - KVM_SET_PMU_EVENT_FILTER: the VMM's list, checked.
 *
 * A guest has no counters here (kvm.enable_pmu is N), and KVM without a PMU
 * takes a list like any other and never asks it: nothing of it is kept.
 */
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>

#include "abi/ioctl.h"
#include "hw/insn/machine.h"
#include "kvm/core/kvm.h"
#include "os/uaccess.h"

#define MAX_EVENTS	300u

/* AMD's event select has four more bits. */
static uint64_t event_select_of(const struct kvm *kvm)
{
	const struct hw_config *hw = hw_config(kvm->module->hw);

	return hw->vendor == HW_VENDOR_AMD ? KVM_PMU_MASKED_ENTRY_EVENT_SELECT : 0xff;
}

static int check_events(const struct kvm_pmu_event_filter *filter, const uint64_t *events,
			uint64_t event_select)
{
	uint64_t known = event_select | KVM_PMU_MASKED_ENTRY_UMASK_MASK |
			 KVM_PMU_MASKED_ENTRY_UMASK_MATCH | KVM_PMU_MASKED_ENTRY_EXCLUDE;

	/* Without the flag, what can match nothing is left out and no error. */
	if (!(filter->flags & KVM_PMU_EVENT_FLAG_MASKED_EVENTS))
		return 0;
	for (uint32_t i = 0; i < filter->nevents; i++)
		if (events[i] & ~known)
			return -EINVAL;
	return 0;
}

long abi_set_pmu_event_filter(struct ioctl_call *c)
{
	const struct kvm_pmu_event_filter *filter = c->data;
	const char *user = (const char *)c->arg;
	uint64_t events[MAX_EVENTS];

	if (filter->action != KVM_PMU_EVENT_ALLOW && filter->action != KVM_PMU_EVENT_DENY)
		return -EINVAL;
	if (filter->flags & ~(uint32_t)KVM_PMU_EVENT_FLAGS_VALID_MASK)
		return -EINVAL;
	if (filter->nevents > MAX_EVENTS)
		return -E2BIG;
	if (os_copy_from(events, user + offsetof(struct kvm_pmu_event_filter, events),
			 filter->nevents * sizeof(events[0])))
		return -EFAULT;
	return check_events(filter, events, event_select_of(c->file->kvm));
}
