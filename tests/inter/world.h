/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * world.h - a machine, a loaded module and a VM in the arena, and the calls of
 * its users as bodies of virtual threads.
 *
 * Each world_create() starts from an empty arena; world_destroy() ends the VM
 * and wants everything given back and no byte written where none may be.
 */
#pragma once
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "explore/inter.h"
#include "hw/insn/machine.h"
#include "kvm/core/memslot.h"
#include "kvm/gmem/gmem.h"
#include "kvm/host/notifier.h"
#include "kvm/mmu/tdp_mmu.h"
#include "kvm/vcpu/fault.h"
#include "kvm/vm/memory.h"

#define WORLD_VCPUS	2
#define PRIV		KVM_MEMORY_ATTRIBUTE_PRIVATE
#define P(n)		((uint64_t)(n) << PAGE_SHIFT)

struct world {
	struct kvm		kvm;
	struct kvm_module	module;
	struct vcpu		*vcpus[WORLD_VCPUS];
	bool			destroyed;
};

/* @private_mem: SW_PROTECTED, else DEFAULT.  Failures of scripts end the cmocka test. */
struct world *world_create(bool private_mem);
/* SW_PROTECTED with separate tables: a mirror, and gfns with direct bits are shared. */
struct world *world_create_separate(void);
/* An SNP guest as far as its memory goes, with ASID WORLD_ASID; no encryption, no firmware. */
#define WORLD_ASID	3
struct world *world_create_snp(uint32_t gmem_order);
/* From now on as with --host-map=short-term. */
void world_map_short_term(struct world *w);
void world_destroy(struct world *w);
/* Without cmocka, for where no system call may be made. */
struct world *world_make(bool private_mem);
void world_free(struct world *w);

/* The arena, empty, and failures of scripts as failures of cmocka. */
void world_open_arena(void);

/* Memory of the VMM's, aligned to 2M. */
void *world_memory(uint64_t npages);
struct gmem_file *world_gmem(struct world *w, uint64_t npages);
/* One that begins shared and can be mapped; not where there is private memory. */
struct gmem_file *world_gmem_shared(struct world *w, uint64_t npages);

/* What a thread is given, and what came out. */
struct access {			/* one nested page fault, as KVM_RUN handles it */
	struct vcpu	*v;
	uint64_t	 gfn;
	uint64_t	 ec;
	struct kvm_page_fault f;
	int		 r;
};
void do_access(void *access);

struct prefault {		/* KVM_PRE_FAULT_MEMORY of one page */
	struct vcpu	*v;
	uint64_t	 gfn;
	int		 r;
};
void do_prefault(void *prefault);

struct conversion {
	struct world	*w;
	uint64_t	 gfn, n, attrs;
	int		 r;
};
void do_conversion(void *conversion);

struct region {			/* KVM_SET_USER_MEMORY_REGION2 */
	struct world	*w;
	unsigned	 slot;
	uint64_t	 gfn, npages;
	void		*memory;
	struct gmem_file *gmem;
	uint64_t	 gmem_offset;
	int		 r;
};
void do_region(void *region);

struct hole {			/* fallocate(PUNCH_HOLE) of a guest_memfd */
	struct gmem_file *file;
	uint64_t	 page, n;
	struct world	*w;		/* with what follows: */
	void		*mapped;	/* where the VMM maps the file; or NULL */
	int		 r;
};
void do_hole(void *hole);

void do_release(void *gmem_file);	/* close of its last descriptor */
void do_zap_all(void *world);		/* kvm_mmu_zap_all_fast */

struct host_change {		/* the VMM changes its mapping of some pages */
	struct world	*w;
	void		*memory;	/* of a slot, first to last */
	uint64_t	 page, n;
	bool		 gone;	/* munmap, MAP_FIXED; else mprotect */
	bool		 breaks;	/* what was mapped by huge pages is so no longer */
};
void do_host_change(void *host_change);

/* The same, at once, in the test's own thread; these want success. */
void world_add_slot(struct world *w, unsigned slot, uint64_t gfn, uint64_t npages,
		    struct gmem_file *gmem);
void world_delete_slot(struct world *w, unsigned slot);
void *world_memory_of(struct world *w, unsigned slot);
/* The host maps the memory of @slot by pages of @level from now on. */
void world_map_huge(struct world *w, unsigned slot, uint8_t level);
void world_fault_in(struct world *w, unsigned vcpu, uint64_t gfn, uint64_t ec);

/*
 * @first is stopped after each number of its steps in turn (after many of
 * them less densely); then @second goes as far as it gets, then both to their
 * ends; then @check and the auditor.  In the end all is as it was before.
 */
void world_sweep(struct world *w, unsigned first, unsigned second,
		 void (*check)(void *arg, uint64_t n), void *arg);
/* The auditor finds nothing (docs/guarantees.md); @n is for the message. */
void world_audit(struct world *w, uint64_t n);

/* The entry that decides about @gfn in the vCPU's root, and its level. */
spte_t world_spte(struct world *w, unsigned vcpu, uint64_t gfn, uint8_t *level);
bool world_is_mapped(struct world *w, unsigned vcpu, uint64_t gfn);
/* In any root, the invalid ones too. */
bool world_is_mapped_anywhere(struct world *w, uint64_t gfn);
