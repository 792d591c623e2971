/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
#include "model/host_access/states.h"

#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "hw/insn/peek.h"
#include "hw/insn/phys.h"
#include "hw/insn/rmp.h"
#include "hw/mem/view.h"
#include "kvm/core/attr.h"
#include "softcvm/uapi/kvm_sev.h"

#define SIZE_2M		(SLOT_2M << PAGE_SHIFT)
#define SIZE_1G		(SLOT_1G << PAGE_SHIFT)
#define NEAR		2u	/* the page beside that is a guest's */
#define FAR		(SLOT_2M + 5)	/* in the next 2 MiB */

/* ---- changes of the VMM's mappings ---- */

static void touches_nothing(uint8_t *at, size_t size)
{
	ENSURE(!madvise(at, size, MADV_DONTNEED));
}

static void unmaps(uint8_t *at, size_t size)
{
	ENSURE(!munmap(at, size));
}

static void denies(uint8_t *at, size_t size)
{
	ENSURE(!mprotect(at, size, PROT_NONE));
}

static void protects(uint8_t *at, size_t size)
{
	ENSURE(!mprotect(at, size, PROT_READ));
}

static void maps_anew(uint8_t *at, size_t size)
{
	ENSURE(mmap(at, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED |
		    MAP_NORESERVE, -1, 0) == at);
	ENSURE(!madvise(at, size, MADV_DONTFORK) && !madvise(at, size, MADV_DONTDUMP));
}

static void untouched_come(struct world *w, struct side *s)
{
	world_change(w, s->page, PAGE_SIZE, true, touches_nothing);
	memset(s->bytes, 0, PAGE_SIZE);
}

static void untouched_ready(struct world *w, struct side *s)
{
	(void)w;
	touches_nothing(s->page, PAGE_SIZE);
}

static void unmapped_come(struct world *w, struct side *s)
{
	world_change(w, s->page, PAGE_SIZE, true, s->variant ? unmaps : denies);
}

static void nothing_ready(struct world *w, struct side *s)
{
	(void)w;
	(void)s;
}

static void mapped_go(struct world *w, struct side *s)
{
	world_change(w, s->page, PAGE_SIZE, true, maps_anew);
}

static void hostro_come(struct world *w, struct side *s)
{
	world_change(w, s->page, PAGE_SIZE, false, protects);
}

/* ---- private ---- */

static void plain_come(struct world *w, struct side *s)
{
	world_convert(w, s->gfn, 1, true);
}

/* guest_memfd's page is there, and has bytes of its own. */
static void has_private_page(struct world *w, struct side *s)
{
	int idx = srcu_read_lock(&w->kvm->srcu);
	uint8_t level;
	hpa_t page;

	ENSURE(!kvm_gmem_get_pfn(w->kvm, world_slot(w, s), s->gfn, &page, &level));
	srcu_read_unlock(&w->kvm->srcu, idx);
	s->private_bytes = (uint8_t *)(uintptr_t)peek_phys(w->module.hw, page);
	ENSURE(s->private_bytes);
	side_fill(s, NR_AROUND, s->private_bytes);
}

static void backed_come(struct world *w, struct side *s)
{
	plain_come(w, s);
	has_private_page(w, s);
	world_fault_in(w, s->gfn, true);
}

static void private_unmapped_come(struct world *w, struct side *s)
{
	backed_come(w, s);
	unmapped_come(w, s);
}

/* ---- owned by the RMP or by a key ---- */

static void assign(struct world *w, struct side *s, uint64_t n, bool to_guest)
{
	struct rmp_operand to = { 0 };
	hpa_t page = phys_publish(w->module.hw, side_page(s, n));

	if (to_guest)
		to = (struct rmp_operand){ .assigned = 1, .asid = world_asid(w),
					   .gpa = side_gfn(s, n).v << PAGE_SHIFT };
	ENSURE(hpa_is_valid(page) && rmpupdate(w->module.hw, page, &to) == RMP_SUCCESS);
}

/* What the guest's key has there is @s's pattern; @s->bytes: what the host is to find. */
static void rmp_guest_ready(struct world *w, struct side *s)
{
	hpa_t page = phys_publish(w->module.hw, s->page);

	assign(w, s, 0, false);
	side_fill(s, 0, s->page);
	ENSURE(view_encrypt(w->module.hw, page, PAGE_SIZE, world_asid(w)));
	assign(w, s, 0, true);
}

static void key_owned_ready(struct world *w, struct side *s)
{
	struct kvm_sev_launch_update_data u = { .uaddr = (uintptr_t)s->page, .len = PAGE_SIZE };

	side_fill(s, 0, s->page);
	/* Inside of a stopped ioctl, which has slots_lock: what the firmware does. */
	if (w->is_inside)
		ENSURE(view_encrypt(w->module.hw, phys_publish(w->module.hw, s->page), PAGE_SIZE,
				    world_asid(w)));
	else
		world_sev(w, KVM_SEV_LAUNCH_UPDATE_DATA, &u);
}

static void cipher_come(struct world *w, struct side *s)
{
	uint8_t plain[PAGE_SIZE];

	s->state->ready(w, s);
	memcpy(s->bytes, s->page, PAGE_SIZE);
	side_fill(s, 0, plain);
	for (size_t i = 0; i < PAGE_SIZE; i += 16)
		ENSURE(memcmp(plain + i, s->bytes + i, 16));
}

static void key_owned_go(struct world *w, struct side *s)
{
	(void)w;
	side_fill(s, 0, s->page);
}

static void rmp_guest_go(struct world *w, struct side *s)
{
	assign(w, s, 0, false);
	side_fill(s, 0, s->page);
}

/* ---- the host maps it by larger pages, and a neighbour is a guest's ---- */

static void state_mapping(struct world *w, struct side *s, enum phys_kind kind)
{
	uint64_t size = kind == PHYS_HUGETLB_1G ? SIZE_1G : SIZE_2M;

	ENSURE(phys_state_mapping(w->module.hw, world_slot_memory(s, size >> PAGE_SHIFT), size, kind));
}

static void large_2m_come(struct world *w, struct side *s)
{
	state_mapping(w, s, PHYS_THP);
}

static void large_1g_come(struct world *w, struct side *s)
{
	state_mapping(w, s, PHYS_HUGETLB_1G);
}

static void beside_4k_come(struct world *w, struct side *s)
{
	state_mapping(w, s, PHYS_4K);
	assign(w, s, NEAR, true);
}

static void beside_thp_come(struct world *w, struct side *s)
{
	state_mapping(w, s, PHYS_THP);
	assign(w, s, NEAR, true);
}

/* It may have been split. */
static void beside_thp_ready(struct world *w, struct side *s)
{
	state_mapping(w, s, PHYS_THP);
	memcpy(s->page, s->bytes, PAGE_SIZE);
}

static void beside_hugetlb_come(struct world *w, struct side *s)
{
	state_mapping(w, s, PHYS_HUGETLB_2M);
	assign(w, s, NEAR, true);
}

static void beside_far_come(struct world *w, struct side *s)
{
	state_mapping(w, s, PHYS_HUGETLB_1G);
	assign(w, s, FAR, true);
}

static void forget_mapping(struct world *w, struct side *s)
{
	uint64_t npages = s->state->is & STATE_1G ? SLOT_1G : SLOT_2M;

	phys_forget_mapping(w->module.hw, world_slot_memory(s, npages), npages << PAGE_SHIFT);
}

static void beside_go(struct world *w, struct side *s)
{
	assign(w, s, s->state->come == beside_far_come ? FAR : NEAR, false);
	forget_mapping(w, s);
}

/* ---- guest_memfd that the VMM maps ---- */

/* Around a hole, as the front end has it. */
struct hole {
	struct world		*w;
	struct kvm_hva_range	 range;
	struct kvm_host_change	 c;
};

static void hole_begin(void *arg, uint64_t offset, uint64_t len)
{
	struct hole *h = arg;

	(void)offset;
	(void)len;
	kvm_host_change_begin(&h->w->module, &h->range, 1, &h->c);
}

static void hole_end(void *arg)
{
	struct hole *h = arg;

	kvm_host_change_end(&h->c, false);
}

static int64_t offset_of(const struct side *s)
{
	return s->page - world_slot_memory(s, SLOT_2M);
}

static void hole_come(struct world *w, struct side *s)
{
	struct hole h = { w, { (uintptr_t)s->page, (uintptr_t)s->page + PAGE_SIZE }, { 0 } };
	const struct kvm_gmem_bracket outer = { hole_begin, hole_end, &h };

	ENSURE(!kvm_gmem_fallocate_mapped(s->file, FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE,
					  offset_of(s), PAGE_SIZE, &outer));
	memset(s->bytes, 0, PAGE_SIZE);
}

static void hole_ready(struct world *w, struct side *s)
{
	(void)w;
	ENSURE(!fallocate(s->fd, FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE, offset_of(s), PAGE_SIZE));
}

static void other_come(struct world *w, struct side *s)
{
	world_change(w, s->page, PAGE_SIZE, true, maps_anew);
	side_fill(s, NR_AROUND + 1, s->bytes);
}

static void map_file(struct world *w, struct side *s, uint8_t *at, size_t size, int64_t offset)
{
	struct kvm_hva_range range = { (uintptr_t)at, (uintptr_t)at + size };
	struct kvm_host_change c;

	ENSURE(!kvm_gmem_mmap_check(s->file, PROT_READ | PROT_WRITE, MAP_SHARED));
	kvm_host_change_begin(&w->module, &range, 1, &c);
	ENSURE(mmap(at, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, s->fd, offset) == at);
	kvm_host_change_end(&c, true);
}

static void end_come(struct world *w, struct side *s)
{
	map_file(w, s, s->page, PAGE_SIZE, (int64_t)(SLOT_2M << PAGE_SHIFT));
}

static void no_shared_come(struct world *w, struct side *s)
{
	map_file(w, s, s->page, PAGE_SIZE, offset_of(s));
}

static void make_file(struct world *w, struct side *s, uint64_t npages)
{
	struct kvm_create_guest_memfd args = { .size = npages << PAGE_SHIFT };
	unsigned is = s->state->is;

	if (is & (STATE_MAPPED | STATE_NO_SHARED))
		args.flags = GUEST_MEMFD_FLAG_MMAP |
			     (is & STATE_MAPPED ? GUEST_MEMFD_FLAG_INIT_SHARED : 0);
	ENSURE(!kvm_gmem_create(w->kvm, &args, &s->file));
	if (args.flags) {
		s->fd = kvm_gmem_take_fd(s->file);
		ENSURE(s->fd > 0);
	}
	if (is & STATE_MAPPED)
		map_file(w, s, world_slot_memory(s, npages), npages << PAGE_SHIFT, 0);
}

static void close_file(struct world *w, struct side *s)
{
	if (s->state->is & STATE_MAPPED)
		world_change(w, world_slot_memory(s, SLOT_2M), SIZE_2M, true, maps_anew);
	if (s->fd)
		close(s->fd);
	if (s->file)
		kvm_gmem_release(s->file);
	s->file = NULL;
	s->fd = 0;
}

#define PLAIN	(STATE_VISIBLE | STATE_STORABLE)

static const struct state all[] = {
	{ "none", STATE_OTHER_SLOT | STATE_NO_SLOT | PLAIN },
	{ "deleting", STATE_DELETING | PLAIN },
	{ "readonly", STATE_OTHER_SLOT | STATE_READONLY | PLAIN },
	{ "shared-4k", PLAIN },
	{ "shared-2m", STATE_ITSELF | PLAIN, large_2m_come, NULL, forget_mapping },
	{ "shared-1g", STATE_ITSELF | STATE_1G | PLAIN, large_1g_come, NULL, forget_mapping },
	{ "shared-untouched", STATE_VISIBLE, untouched_come, untouched_ready, NULL },
	{ "shared-unmapped", STATE_UNMAPPED, unmapped_come, nothing_ready, mapped_go },
	{ "shared-hostro", STATE_VISIBLE, hostro_come, nothing_ready, mapped_go },
	{ "private-backed", STATE_FILE | PLAIN, backed_come },
	{ "private-plain", PLAIN, plain_come },
	{ "private-unmapped", STATE_FILE | STATE_UNMAPPED, private_unmapped_come, nothing_ready,
	  mapped_go },
	{ "converting", STATE_FILE | STATE_CONVERTING | PLAIN },
	{ "gmem-noaddr", STATE_OTHER_SLOT | STATE_FILE },
	{ "gmem-mmap-shared", STATE_MAPPED | STATE_ITSELF | PLAIN },
	{ "gmem-mmap-hole", STATE_MAPPED | STATE_VISIBLE, hole_come, hole_ready },
	{ "gmem-mmap-other", STATE_MAPPED | PLAIN, other_come },
	{ "gmem-mmap-end", STATE_MAPPED, end_come, nothing_ready },
	{ "gmem-mmap-private", STATE_OTHER_SLOT | STATE_NO_SHARED, no_shared_come, nothing_ready,
	  mapped_go },
	{ "rmp-guest", STATE_VISIBLE | STATE_CIPHER, cipher_come, rmp_guest_ready, rmp_guest_go },
	{ "rmp-beside-4k", STATE_ITSELF | PLAIN, beside_4k_come, NULL, beside_go },
	{ "rmp-beside-thp", STATE_ITSELF | PLAIN, beside_thp_come, beside_thp_ready, beside_go },
	{ "rmp-beside-hugetlb", STATE_ITSELF | PLAIN, beside_hugetlb_come, NULL, beside_go },
	{ "rmp-beside-1g-far", STATE_ITSELF | STATE_1G | PLAIN, beside_far_come, NULL, beside_go },
	{ "key-owned", STATE_VISIBLE | STATE_CIPHER, cipher_come, key_owned_ready, key_owned_go },
};

const struct state *state_find(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(all); i++)
		if (!strcmp(all[i].name, name))
			return &all[i];
	return NULL;
}

unsigned state_nr_variants(const struct world *w, const struct state *state, bool either)
{
	if (state->is & STATE_CONVERTING)
		return 4;
	if (state->is & (STATE_UNMAPPED | STATE_CIPHER))
		return 2;
	return either && w->kvm->has_private_mem ? 2 : 1;
}

static void add_own_slot(struct world *w, struct side *s)
{
	uint64_t npages = s->state->is & STATE_1G ? SLOT_1G : SLOT_2M;
	uint32_t flags = s->state->is & STATE_READONLY ? KVM_MEM_READONLY : 0;
	/* A slot that never had memory may say 0. */
	bool nowhere = (s->state->is & STATE_OTHER_SLOT) && (s->state->is & STATE_FILE);

	if (s->state->is & (STATE_FILE | STATE_MAPPED | STATE_NO_SHARED)) {
		flags = KVM_MEM_GUEST_MEMFD;
		if (!s->file)
			make_file(w, s, npages);
	} else if (s->logs) {
		flags |= KVM_MEM_LOG_DIRTY_PAGES;
	}
	world_add_slot(w, s, s->is_joint ? 2 * npages : npages, flags,
		       nowhere ? 0 : ADDRESS_OF_PAGES);
}

void state_before(struct world *w, struct side *s, const struct state *state, bool logs)
{
	s->state = state;
	s->logs = logs;
	if (state->is & STATE_MAPPED)
		make_file(w, s, SLOT_2M);
	for (uint64_t n = 0; n < NR_AROUND; n++)
		side_fill(s, n, side_page(s, n));
	side_fill(s, 0, s->bytes);
	if (s->is_joint && s->nr)
		return;
	if (state->is & STATE_OTHER_SLOT)
		world_add_slot(w, s, SLOT_2M, KVM_MEM_LOG_DIRTY_PAGES, ADDRESS_OF_PAGES);
	else
		add_own_slot(w, s);
	for (uint64_t n = 0; n < 2; n++)
		world_fault_in(w, side_gfn(s, n), false);
	if ((state->is & STATE_ITSELF) && state->come)
		state->come(w, s);
}

void state_come(struct world *w, struct side *s, bool either)
{
	unsigned is = s->state->is;

	if (is & STATE_OTHER_SLOT) {
		world_delete_slot(w, s);
		if (!(is & STATE_NO_SLOT))
			add_own_slot(w, s);
	}
	if (s->state->come && !(is & STATE_ITSELF))
		s->state->come(w, s);
	if (either && w->kvm->has_private_mem && s->variant && !(is & STATE_CONVERTING))
		world_convert(w, s->gfn, 1, true);
}

void state_ready(struct world *w, struct side *s)
{
	struct kvm_memory_slot *slot = world_slot(w, s);

	if (s->state->ready)
		s->state->ready(w, s);
	else if (s->state->is & STATE_STORABLE)
		memcpy(s->page, s->bytes, PAGE_SIZE);
	if ((s->state->is & STATE_CIPHER) && s->variant)
		ENSURE(!memcmp(s->page, s->bytes, PAGE_SIZE));
	if (slot && slot->dirty_bitmap)
		memset(slot->dirty_bitmap, 0, (slot->npages + 63) / 64 * 8);
}

void state_go(struct world *w, struct side *s)
{
	if (s->state->go)
		s->state->go(w, s);
	if (s->npages)
		world_delete_slot(w, s);
	if (w->kvm->has_private_mem && kvm_mem_is_private(w->kvm, s->gfn))
		world_convert(w, s->gfn, 1, false);
	close_file(w, s);
	s->private_bytes = NULL;
	s->is_joint = false;
	s->variant = 0;
}
