/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * world.h - a VM of one type on a machine with SNP, and two pages of it: the last one of a
 * slot, and the first one of the next slot.
 *
 * Nothing runs.  Failures are the test's own and end the program.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kvm/core/memslot.h"
#include "kvm/gmem/gmem.h"
#include "kvm/host/notifier.h"
#include "kvm/mmu/spte.h"

struct vcpu;
struct state;

#define MEET_GFN	0x100000ull	/* of the second page; at 4 GiB */
#define SLOT_2M		512ull		/* pages of a slot */
#define SLOT_1G		(512ull * 512)
#define NR_AROUND	3u		/* pages of each slot that are looked at */

/* One of the two pages and its slot.  The slot's other pages are the VMM's, shared. */
struct side {
	unsigned	 nr;		/* 0: the first page */
	gfn_t		 gfn;
	uint8_t		*page;		/* in the VMM's memory, which the slot need not lead to */
	const struct state *state;
	unsigned	 variant;	/* of the state, where there are several */
	bool		 logs;		/* the state's slot has KVM_MEM_LOG_DIRTY_PAGES */

	uint64_t	 npages;	/* of the slot there is; 0: none */
	bool		 is_joint;	/* one slot for both sides, the first one's */
	struct gmem_file *file;
	int		 fd;		/* of a file that the VMM maps; 0: none */
	uint8_t		 bytes[PAGE_SIZE];	/* what the host is to find there */
	uint8_t		*private_bytes;	/* of guest_memfd's page; NULL: none */
};

struct world {
	struct kvm_module module;
	struct kvm	*kvm;
	struct vcpu	*v;
	void		*run_pages;
	uint8_t		*arena;		/* 2 GiB, not committed; the pages meet in its middle */
	struct side	 side[2];
	bool		 is_inside;	/* of an ioctl that has been stopped */
};

#define ENSURE(what)	((what) ? (void)0 : world_failed(__FILE__, __LINE__, #what))
_Noreturn void world_failed(const char *file, int line, const char *what);

/* The names of docs/facts; NULL: no such type. */
struct world *world_make(const char *type, const char *abi, bool strict);
void world_free(struct world *w);
uint64_t world_counter(const struct world *w, const char *name);
/* KVM_MEMORY_ENCRYPT_OP; the guest's launch has begun. */
void world_sev(struct world *w, uint32_t id, void *data);
uint16_t world_asid(const struct world *w);

/* KVM_SET_USER_MEMORY_REGION2 of the side's slot; @address: where its memory is said to be. */
#define ADDRESS_OF_PAGES	(~0ull)
void world_add_slot(struct world *w, struct side *s, uint64_t npages, uint32_t flags,
		    uint64_t address);
void world_delete_slot(struct world *w, struct side *s);
/* KVM_SET_MEMORY_ATTRIBUTES of @n pages. */
void world_convert(struct world *w, gfn_t gfn, uint64_t n, bool to_private);
/* The nested entry of a gfn comes to be, as by a guest's access. */
void world_fault_in(struct world *w, gfn_t gfn, bool is_private);
spte_t world_spte(struct world *w, gfn_t gfn, uint8_t *level);

/* The slot that has @s's page, and its first byte in the VMM. */
struct kvm_memory_slot *world_slot(struct world *w, const struct side *s);
uint8_t *world_slot_memory(const struct side *s, uint64_t npages);
/* The page that is @n further away from the other side (0: the page itself). */
static inline gfn_t side_gfn(const struct side *s, uint64_t n)
{
	return GFN(s->nr ? s->gfn.v + n : s->gfn.v - n);
}

static inline uint8_t *side_page(const struct side *s, uint64_t n)
{
	return s->nr ? s->page + n * PAGE_SIZE : s->page - n * PAGE_SIZE;
}

/* Around a change of the mapping at [@at, @at + @size), which is @change's. */
void world_change(struct world *w, uint8_t *at, size_t size, bool gone,
		  void (*change)(uint8_t *at, size_t size));
/* What the test writes: byte @i of page @n of a side. */
static inline uint8_t side_byte(const struct side *s, uint64_t n, size_t i)
{
	return (uint8_t)(0x21 + 0x40 * s->nr + n * 5 + i * 7 + i / 256);
}
void side_fill(const struct side *s, uint64_t n, uint8_t *to);
