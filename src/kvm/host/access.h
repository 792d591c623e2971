/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * access.h - the host's own hand in guest memory: by the slot's host address,
 * never through guest_memfd, never changing attributes, RMP or mappings (spec kvm.md 7.1,
 * docs/design/host-access.md; what each does with each page: docs/facts/host-access.tsv).
 *
 * Callers hold SRCU or slots_lock.  0 or -EFAULT (no memory, or by the RMP a guest's: a store
 * ends there, and changes nothing of the page; or refused, kvm/host/policy.h).  What lies over
 * the end of a page is done page by page: the first ones stay done.  May block on host memory:
 * no spinlock, no mmu_lock, no RCU section.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>

#include "kvm/core/memslot.h"

/* @gpa may have the VM's direct bit: it is not looked at. */
MUST_CHECK int kvm_read_guest(struct kvm *kvm, gpa_t gpa, void *data, size_t len);
MUST_CHECK int kvm_write_guest(struct kvm *kvm, gpa_t gpa, const void *data, size_t len);
MUST_CHECK int kvm_clear_guest(struct kvm *kvm, gpa_t gpa, size_t len);
/* The same inside one page; beyond its end: -EFAULT.  The slot is asked about no bytes, too. */
MUST_CHECK int kvm_read_guest_page(struct kvm *kvm, gfn_t gfn, void *data, size_t offset,
				   size_t len);
MUST_CHECK int kvm_write_guest_page(struct kvm *kvm, gfn_t gfn, const void *data, size_t offset,
				    size_t len);

/* Every page of [@gpa, @gpa + @len), @len > 0, lies in a slot that may be written. */
bool kvm_guest_is_writable(struct kvm *kvm, gpa_t gpa, size_t len);

enum kvm_cmpxchg {
	KVM_CMPXCHG_LOST = 0,		/* *@old has what is there */
	KVM_CMPXCHG_DONE = 1,
	KVM_CMPXCHG_PLAIN_WRITE = 2,	/* nothing was done: no slot to write to, over the end of a page,
					 * no such size; the emulator stores @new instead */
};

/*
 * Compare-exchange of @size bytes (1, 2, 4, 8) inside one page: atomic, against
 * the guest too.  enum kvm_cmpxchg; -EFAULT: there is a slot, but the host cannot.
 */
MUST_CHECK int kvm_cmpxchg_guest(struct kvm *kvm, gpa_t gpa, void *old, const void *new,
				 unsigned size);

/* A page of the host, for a guest. */
struct kvm_host_page {
	hpa_t	page;
	uint8_t	level;		/* PG_LEVEL_* of the host's own mapping; all its frames exist */
	bool	writable;	/* the host lets us write, now */
	bool	is_fixed;	/* hugetlb: the host cannot map it by smaller pages */
};

enum kvm_gup { KVM_GUP_OK, KVM_GUP_FAULT, KVM_GUP_INTERRUPTED };

/*
 * get_user_pages for a fault on a shared gfn: makes the page at @hva (page
 * aligned) present, for writing when @write, and names its frame.
 * KVM_GUP_FAULT: the host has no such page, or not for writing.
 *
 * May wait for a userfaultfd monitor, which may call us: no lock, no RCU and
 * no SRCU section.  A signal that sets @stop ends the wait.  What it answers is
 * true until the host's mapping changes: compare the invalidation sequence,
 * taken before.
 */
MUST_CHECK enum kvm_gup kvm_gup(struct kvm *kvm, hva_t hva, bool write, const atomic32_t *stop,
				struct kvm_host_page *out);
