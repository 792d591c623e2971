/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * gmem.h - guest_memfd: memory that only guests can reach.
 *
 * The bytes are in a mapping of ours, never in a descriptor or mapping of the
 * VMM (spec kvm.md 6), but for files that begin shared and can be mapped (6.7,
 * docs/adr/0009-mapped-guest-memfd.md).  A file holds a reference on its VM; a
 * slot bound to it holds none on the file.  Lock: slots_lock > the file's
 * invalidate lock > mmu_lock.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#include "kvm/core/memslot.h"

struct gmem_file;

/* The name of its descriptor: what /proc/self/maps shows where it is mapped. */
#define KVM_GMEM_FD_NAME	"kvm-gmem"

/* GUEST_MEMFD_FLAG_* that @kvm takes; NULL: some VM. */
int kvm_gmem_valid_flags(const struct kvm_module *module, const struct kvm *kvm);

/* The checks of KVM_CREATE_GUEST_MEMFD.  One reference, the caller's. -errno. */
MUST_CHECK int kvm_gmem_create(struct kvm *kvm, const struct kvm_create_guest_memfd *args,
			       struct gmem_file **out);
/*
 * The descriptor that stands for it, a memfd that mmap may map; the caller's.  Once. -errno.
 */
MUST_CHECK int kvm_gmem_take_fd(struct gmem_file *file);
/* May it be mapped with these (PROT_*, MAP_*)?  0; -EPERM, -ENODEV, -EINVAL. */
MUST_CHECK int kvm_gmem_mmap_check(const struct gmem_file *file, int prot, int flags);
/*
 * Where guests find the byte that the VMM has at @host: in the file's own mapping where that is a
 * mapping of a file that a slot of @kvm goes by, else @host.  For what is kept by host address:
 * a page's key.  Any thread, no lock held that ranks below SRCU.
 */
uint64_t kvm_gmem_own_address(struct kvm *kvm, uint64_t host);
/* Its bytes are its descriptor's, for all processes that have that. */
bool kvm_gmem_is_in_descriptor(const struct gmem_file *file);
/* The last descriptor is closed: zap, unbind, free.  The VM may go with it. */
void kvm_gmem_release(struct gmem_file *file);

/* What is wrong with these: 0, -EINVAL, -EOPNOTSUPP, -EFBIG.  And then, if nothing is: */
MUST_CHECK int kvm_gmem_fallocate_check(const struct gmem_file *file, int mode, int64_t offset,
					int64_t len);
MUST_CHECK int kvm_gmem_fallocate(struct gmem_file *file, int mode, int64_t offset, int64_t len);

/*
 * What goes around a hole in bytes that the VMM maps, too: its mappings change, and a slot may
 * lie over them.  Called with no lock held; between the two only the file's invalidate lock
 * and what ranks below it are taken, for a memslot waits for the end with slots_lock held.
 * [@offset, @offset + @len): bytes, whole pages of the file.
 */
struct kvm_gmem_bracket {
	void (*begin)(void *arg, uint64_t offset, uint64_t len);
	void (*end)(void *arg);
	void *arg;
};

/* The same; @outer is called for holes in files that are shared with the VMM only, or not at all. */
MUST_CHECK int kvm_gmem_fallocate_mapped(struct gmem_file *file, int mode, int64_t offset,
					 int64_t len, const struct kvm_gmem_bracket *outer);
/* Pages that have memory now: for the auditor and tests. */
uint64_t kvm_gmem_nr_pages(struct gmem_file *file);
/* Fills size, blksize, mode, ino; st_blocks is 0, as the kernel has it. */
void kvm_gmem_stat(struct gmem_file *file, struct stat *st);

/* slots_lock held.  @file NULL: the descriptor is no guest_memfd (-EINVAL). */
MUST_CHECK int kvm_gmem_bind(struct kvm *kvm, struct kvm_memory_slot *slot,
			     struct gmem_file *file, uint64_t offset);
/* slots_lock held; @slot is in no set any more, or its file is gone. */
void kvm_gmem_unbind(struct kvm_memory_slot *slot);

/*
 * The page behind a private gfn of @slot, allocated and prepared: its address
 * and the largest level it may be mapped at.  The answer holds if no
 * invalidation overlaps (kvm->inv); the file lives as long as the caller's
 * SRCU section.  -EFAULT, -EIO, -ENOMEM; -EHWPOISON: it once did not come back
 * from a guest; what gmem_prepare says.
 */
MUST_CHECK int kvm_gmem_get_pfn(struct kvm *kvm, struct kvm_memory_slot *slot, gfn_t gfn,
				hpa_t *page, uint8_t *max_level);

/*
 * How the launch of a guest fills a page: @stage makes its contents ready, @commit
 * gives it to the guest, the @n staged ones at once (at most KVM_GMEM_BATCH, in a row in the
 * file), in order.  @commit: how many of them went, and in *@r why no more;
 * those behind are as if @stage had not been called.  @index counts from the first page on.
 */
#define KVM_GMEM_BATCH	512u

struct kvm_gmem_fill {
	int (*stage)(struct kvm *kvm, gfn_t gfn, hpa_t page, void *bytes, uint64_t index,
		     void *arg);
	unsigned (*commit)(struct kvm *kvm, unsigned n, void *arg, int *r);
};

/*
 * Pages from @start on: @fill has each one that is private and not prepared, in
 * order; then it counts as prepared.  The first page that cannot be had ends it.
 * slots_lock held; the file's invalidate lock is
 * held meanwhile.  How many were filled (at most to the end of the slot), or what
 * the first one failed with: -EINVAL (no slot with a file, or not private),
 * -EFAULT (the file is closed), -ENOMEM, -EEXIST (prepared already), @fill's.
 */
MUST_CHECK int64_t kvm_gmem_populate(struct kvm *kvm, gfn_t start, uint64_t nr_pages,
				     const struct kvm_gmem_fill *fill, void *arg);

/*
 * In place (kvm.gmem_in_place, ours): the shared and the private bytes of a gfn are
 * the same page of a file that the VMM maps (docs/adr/0010-in-place.md).
 */
/* slots_lock held, between invalidations' begin and end: the attributes of the range have changed. */
void kvm_gmem_converted(struct kvm *kvm, gfn_t start, gfn_t end);
/* The VMM has mapped the descriptor at @at, from byte @offset on.  0 or -errno. */
MUST_CHECK int kvm_gmem_mapped(struct gmem_file *file, void *at, size_t size, int prot, uint64_t offset);
