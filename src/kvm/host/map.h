/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * map.h - a guest's page under the host's hand for longer than one access:
 * spec kvm.md 7.2 and 7.5, docs/design/host-access.md.
 *
 *	upstream	a pointer to the shared backing.  Conversions do not wait; the map
 *			then is of memory that the guest will not look at.  A page that the
 *			VMM gives up stays the map's, where it was no file's.
 *	short-term	(the proposal of 2021, no kernel's behaviour) a section of
 *			kvm->host_maps, and only of what is shared.  When
 *			KVM_SET_MEMORY_ATTRIBUTES has returned, no map of before is left.
 *
 * Which: module->host_map_short_term.
 */
#pragma once
#include "base/log.h"
#include "kvm/host/access.h"

/*
 * Of zeros: nothing is mapped.  On the vCPU's thread.  Keys: [m] vcpu->maps_lock; upstream's
 */
struct kvm_guest_map {
	void	*host;		/* the page, NULL: none; go by kvm_map_read() and kvm_map_write() */
	gfn_t	 gfn;
	int	 section;	/* short-term: of kvm->host_maps */
	struct kvm_vcpu *vcpu;	/* whose */
	struct list link;	/* [m] of vcpu->maps */
	unsigned nr_changes;	/* [m] of the VMM's mapping of the page, under way */
	void	*kept;		/* [m] its bytes before them; ours */
	bool	 is_readonly;	/* kvm_vcpu_map_readonly() */
	bool	 of_file;	/* [m] no need: the page outlives a mapping */
	bool	 given_up;	/* [m] by the VMM: kept is the page now, NULL: it is lost */
};

/*
 * The page @gfn of address space 0, for reading and writing.  The vCPU's mutex and SRCU
 * are held.  -EINVAL: no slot, a read-only one, no host memory for writing;
 * -EFAULT: by the RMP a guest's, or refused (kvm/host/policy.h); short-term: the page is
 * private.  May block on host memory.
 *
 * Short-term: ends before the vCPU enters and before it returns to user space
 * (kvm_vcpu_assert_no_short_map()); inside, no lock that a conversion takes.
 */
MUST_CHECK int kvm_vcpu_map(struct kvm_vcpu *vcpu, gfn_t gfn, struct kvm_guest_map *map);
/*
 * For reading only: what the RMP says is a guest's is mapped, too, and shows ciphertext.  Slots
 * and host memory that are read-only do from 6.13 on; before, each map asked for writing.
 */
MUST_CHECK int kvm_vcpu_map_readonly(struct kvm_vcpu *vcpu, gfn_t gfn, struct kvm_guest_map *map);
/* @dirty: what the slot now there logs.  Of what is not mapped: nothing. */
void kvm_vcpu_unmap(struct kvm_vcpu *vcpu, struct kvm_guest_map *map, bool dirty);

/*
 * [@at, @at + @len) of the page.  -EFAULT: the VMM has unmapped it meanwhile (of a file, or
 * without the notifier's knowledge), or by the RMP it is a guest's; also when nothing is mapped,
 * and for writing where the map is for reading.
 * Upstream: waits for a change of the VMM's mapping that is under way.
 */
MUST_CHECK int kvm_map_read(const struct kvm_guest_map *map, size_t at, void *data, size_t len);
MUST_CHECK int kvm_map_write(const struct kvm_vcpu *vcpu, const struct kvm_guest_map *map,
			     size_t at, const void *data, size_t len);

/* Another vCPU goes on with it; both mutexes held. */
void kvm_map_move(struct kvm_guest_map *map, struct kvm_vcpu *to);

/*
 * The notifier: the VMM is about to change what is in [@start, @end), and has done so; @gone:
 * the pages that were there are the VMM's no longer.  kvm->mn counts the change; no mmu_lock.
 */
void kvm_maps_keep(struct kvm *kvm, uint64_t start, uint64_t end);
void kvm_maps_settle(struct kvm *kvm, uint64_t start, uint64_t end, bool gone);

/* The vCPU enters, or leaves KVM_RUN: the VMM may now be the one who converts. */
static inline void kvm_vcpu_assert_no_short_map(const struct kvm_vcpu *vcpu)
{
	BUG_ON(vcpu->nr_short_maps);
}

/*
 * Attributes have changed, and nested entries of the old ones are gone: waits until who
 * mapped a page before has unmapped it.  slots_lock held, no mmu_lock, in no map.
 */
static inline void kvm_wait_for_short_maps(struct kvm *kvm)
{
	if (unlikely(kvm->module->host_map_short_term))
		srcu_synchronize(&kvm->host_maps);
}
