/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * module.h - kvm.ko and its vendor module as they are after loading: the
 * machine they run on, their parameters, which kernel they behave as.
 *
 * Written while loading, before any VM exists; constant afterwards except for
 * members marked [a].
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "hw/insn/machine.h"
#include "sync/atomic.h"
#include "trace/trace.h"

/* Kernel releases whose ABI we speak; compare with < and >=. */
#define KERNEL_ABI(major, minor)	((major) << 8 | (minor))
#define KERNEL_ABI_6_12			KERNEL_ABI(6, 12)
#define KERNEL_ABI_6_16			KERNEL_ABI(6, 16)
#define KERNEL_ABI_6_18			KERNEL_ABI(6, 18)

struct spte_layout;			/* kvm/mmu/spte.h */
struct spt_index;			/* kvm/mmu/spt_index.h */
struct irq_timers;
struct irqfds;
struct kvm_host_map;			/* kvm/core/host_map.h */
struct sev_module;			/* kvm/types/sev.h */

/* Module parameters, by the kernel's names (params.def in abi gives the text). */
struct kvm_params {
	bool	mmio_caching;		/* as asked for; see enable_mmio_caching */
	bool	tdp_mmu;
	bool	eager_page_split;
	bool	force_emulation_prefix;
	bool	enable_pmu;
	bool	ignore_msrs;
	bool	allow_smaller_maxphyaddr;	/* kvm_intel */
	bool	sev, sev_es, sev_snp;		/* kvm_amd: as asked for; see vm_types */
	bool	debug_swap;			/* kvm_amd */
	uint32_t gmem_order;			/* of guest_memfd's pages: 0, or 9 (ours) */
	bool	gmem_in_place;			/* guest_memfd that converts where it is (ours) */
	bool	nx_huge_pages;			/* what is huge is not executable */
	uint32_t nx_huge_pages_recovery_ratio;	/* 1/n of the splits a period; 0: never */
	uint32_t nx_huge_pages_recovery_period_ms;	/* 0: an hour's worth of the ratio */
};

struct kvm_module {
	struct hw		*hw;
	struct counters		*counters;
	struct trace		*trace;			/* NULL: nobody looks */
	unsigned		 abi;			/* KERNEL_ABI() */
	struct kvm_params	 params;
	bool			 sw_separate;		/* SW_PROTECTED has separate tables */
	uint32_t		 vm_types;		/* bitmap of what may be created */
	bool			 host_map_short_term;	/* kvm/host/map.h; before any VM */
	bool			 strict_host_access;	/* kvm/host/policy.h; before any VM */
	bool			 audit;			/* of VMs, after each change of memory */
	bool			 enable_mmio_caching;	/* params.mmio_caching and possible */
	uint8_t			 maxphyaddr;		/* of the host, reduced */
	const struct spte_layout *spte;			/* NPT or EPT, this machine's */
	struct spt_index	*spts;			/* kvm/mmu: every table page by address */
	struct kvm_host_map	*host_map;		/* NULL: nobody tells of host mappings */
	struct irqfds		*irqfds;		/* kvm/irq/irqfd.h */
	struct irq_timers	*timers;		/* kvm/irq/timer.h */
	struct lp_pool		*lp_pool;		/* kvm/vcpu/load.h */
	struct sev_module	*sev;			/* NULL: the machine does not encrypt */
	/* What a descriptor number of the VMM is: 0, -EBADF, or -EINVAL for what is not /dev/sev. */
	int			(*check_sev_fd)(struct kvm_module *module, int fd);
	atomic32_t		 nr_vms;		/* [a] */
	atomic64_t		 nr_lost;		/* [a] pages of the machine's DRAM that never come back */
	atomic64_t		 next_ino;		/* [a] of guest_memfd files */
	uint32_t		 first_tag;		/* below it are ASIDs that name keys; at least 1 */
	atomic32_t		 next_tag;		/* [a] ASIDs and VPIDs */
};
