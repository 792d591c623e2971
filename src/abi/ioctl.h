/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * ioctl.h - the ioctls as tables, one for each kind of descriptor.
 *
 * A row says the number, how its argument travels and what runs it.  The
 * dispatcher copies in, takes the locks, calls, copies out; a handler never
 * sees the VMM's pointer unless the size is not known (IOC_RAW).
 */
#pragma once
#include <stdint.h>

#include "abi/file.h"

enum ioctl_flags {
	IOC_NO_ARG	= 1 << 0,	/* the argument must be 0, else EINVAL */
	IOC_VALUE	= 1 << 1,	/* the argument is a number */
	IOC_RAW		= 1 << 2,	/* the handler copies itself */
	IOC_COPY_BACK	= 1 << 3,	/* copy out even when it failed */
	IOC_LOCK_VCPU	= 1 << 4,	/* vcpu->mutex */
	IOC_IN_ONLY	= 1 << 5,	/* nothing is copied out, whatever the number says */
	IOC_REGISTERS	= 1 << 6,	/* with IOC_LOCK_VCPU: EINVAL when they are the guest's */
};

struct ioctl_call {
	struct abi	*abi;
	struct abi_file	*file;
	unsigned long	 arg;		/* as given */
	void		*data;		/* copied in, _IOC_SIZE bytes; NULL for others */
};

struct ioctl_row {
	unsigned long	 cmd;
	const char	*name;
	unsigned	 flags;
	unsigned	 since;		/* KERNEL_ABI(), 0: always */
	long		 (*fn)(struct ioctl_call *call);
};

#define IOC(cmd, flags, fn)		{ cmd, #cmd, flags, 0, fn }
#define IOC_SINCE(cmd, flags, since, fn) { cmd, #cmd, flags, since, fn }

struct ioctl_table {
	const struct ioctl_row	*rows;
	unsigned		 nr;
	int			 unknown;	/* -errno */
};

extern const struct ioctl_table system_ioctls, vm_ioctls, vcpu_ioctls, sev_ioctls;

/* KVM_X86_SET_MSR_FILTER (msr_filter.c). */
long abi_set_msr_filter(struct ioctl_call *call);
/* KVM_SET_PMU_EVENT_FILTER (pmu_filter.c). */
long abi_set_pmu_event_filter(struct ioctl_call *call);

/* Structures with a tail of entries: header, then @nr elements. */
#define COUNTED_MAX_MSRS	256	/* MAX_IO_MSRS */
