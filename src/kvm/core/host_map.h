/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * host_map.h - which host addresses the slots of all VMs of a machine use, and
 * who the VMs are: what a change of the host's mappings asks first.
 *
 * The map counts slots by 512 GiB, 1 GiB and 2 MiB.  It may say "used" of an
 * address that no slot has, never the reverse; a question about one page reads
 * two words where no slot is near.
 *
 * Order (spec kvm.md 10, B17).  A change asks inside an SRCU section that lasts
 * until the change is done.  A slot is counted first, then the sections of
 * before are waited for, then the slot is published: so a change that found
 * nothing ends before a guest can use the slot, and one that found something
 * holds the swap of memslots back (kvm_memslots_block).
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/macros.h"
#include "kvm/core/module.h"
#include "sync/atomic.h"
#include "sync/lock.h"
#include "sync/rcu.h"

struct kvm;

/* Bytes of the process's address space, page aligned. */
struct kvm_hva_range {
	uint64_t	start, end;
};

struct hva_node;

/*
 * Keys: [a] atomic
 *       [w] lock; readers: changes
 */
struct kvm_host_map {
	struct srcu	 changes;	/* a change of host mappings is under way */
	struct srcu	 audits;	/* VMs are looked at after one */
	struct mutex	 lock;		/* RANK_LEAF */
	struct hva_node	*root;		/* counts [w] */
	atomic64_t	 nr_slots;	/* [a] counted, each once a copy */
	atomic64_t	 version;	/* [a] bumped when a slot comes, or the VMM maps a file */
	struct kvm	*vms;		/* [w] newest first, by kvm->next_vm */
	atomic64_t	 births;	/* [w] VMs ever in the list */
};

/* module->host_map, for the life of the module.  -ENOMEM. */
MUST_CHECK int kvm_host_map_create(struct kvm_module *module);
void kvm_host_map_destroy(struct kvm_module *module);	/* no VM left; NULL is fine */

/* A slot's host range comes and goes.  Cannot fail: without memory the map gets coarser. */
void kvm_host_map_count(struct kvm_host_map *map, uint64_t start, uint64_t end);
void kvm_host_map_uncount(struct kvm_host_map *map, uint64_t start, uint64_t end);

/* May a slot use a byte of [start, end)?  Any thread, no lock. */
bool kvm_host_map_uses(const struct kvm_host_map *map, uint64_t start, uint64_t end);

/*
 * The list of VMs.  remove: nobody's new change meets @kvm, and those that did
 * are over; again does nothing.  Not inside a change, no lock that one takes.
 */
void kvm_host_map_add_vm(struct kvm *kvm);
void kvm_host_map_remove_vm(struct kvm *kvm);

/* Inside map->changes or map->audits: VMs born before @births was read. */
struct kvm *kvm_host_map_first_vm(struct kvm_host_map *map, uint64_t births);
struct kvm *kvm_host_map_next_vm(struct kvm *kvm);

#define kvm_for_each_vm(kvm, map, births)				\
	for ((kvm) = kvm_host_map_first_vm(map, births); (kvm);		\
	     (kvm) = kvm_host_map_next_vm(kvm))
