/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * guest_memfd against slots and faults: bugs of KVM's history as interleavings
 * (docs/guarantees-inter.md).
 */
#include "world.h"

#include <errno.h>

#include "os/memory.h"

#define NR_PAGES	16

/* A VM whose 16 frames are private, with their file. */
static struct world *private_world(struct gmem_file **file)
{
	struct world *w = world_create(true);
	struct conversion c = { .w = w, .n = NR_PAGES, .attrs = PRIV };

	*file = world_gmem(w, NR_PAGES);
	world_add_slot(w, 0, 0, NR_PAGES, *file);
	do_conversion(&c);
	assert_int_equal(c.r, 0);
	return w;
}

static struct access private_access(struct world *w, uint64_t gfn)
{
	return (struct access){ .v = w->vcpus[0], .gfn = gfn,
				.ec = PFERR_WRITE | PFERR_PRIVATE_ACCESS };
}

/* B3: a file that is being closed forgets a slot that goes meanwhile. */
static void b3_a_closing_file_forgets_a_deleted_slot(void **unused)
{
	struct gmem_file *file;
	struct world *w = private_world(&file);
	struct region delete = { .w = w, .slot = 0 };

	INTER_THREAD(closer, do_release, file);
	INTER_THREAD(deleter, do_region, &delete);
	INTER_TO(closer, gmem_release_before_lock);
	INTER_END(deleter);
	INTER_END(closer);
	assert_int_equal(delete.r, 0);
	world_destroy(w);		/* finds writes to the freed slot */
}

/* B18: a fault on a range that is going turns back before it asks for a page or the lock. */
static void b18_the_early_look_saves_the_way(void **unused)
{
	struct gmem_file *file;
	struct world *w = private_world(&file);
	struct hole h = { .file = file, .page = 0, .n = 8 };
	struct access a = private_access(w, 3);

	INTER_THREAD(puncher, do_hole, &h);
	INTER_THREAD(fault, do_access, &a);
	INTER_TO(puncher, gmem_after_begin);
	INTER_END(fault);
	assert_int_equal(a.r, RET_PF_RETRY);
	assert_int_equal(a.f.kind, KVM_PAGE_NONE);
	INTER_END(puncher);
	kvm_gmem_release(file);
	world_destroy(w);
}

/* B18, the other half: the early look is a hint; the one under the lock decides. */
static void b18_the_look_under_the_lock_decides(void **unused)
{
	for (int over = 0; over < 2; over++) {
		struct gmem_file *file;
		struct world *w = private_world(&file);
		struct hole h = { .file = file, .page = 0, .n = 8 };
		struct access a = private_access(w, 3);

		INTER_THREAD(fault, do_access, &a);
		INTER_THREAD(puncher, do_hole, &h);
		INTER_TO(fault, fault_before_lock);
		if (over)
			INTER_END(puncher);	/* in progress no more, but it was */
		else
			INTER_TO(puncher, gmem_after_begin);
		INTER_END(fault);
		if (!over)
			INTER_END(puncher);
		if (world_is_mapped_anywhere(w, 3))
			fail_msg("a page that was given back is mapped");
		assert_int_equal(a.r, RET_PF_RETRY);
		kvm_gmem_release(file);
		world_destroy(w);
	}
}

/* B32: no offset binds a slot outside the file. */
static void b32_offsets_do_not_wrap(void **unused)
{
	static const uint64_t offsets[] = {
		1ull << 63, -PAGE_SIZE, (1ull << 63) - PAGE_SIZE, P(NR_PAGES), P(NR_PAGES - 7),
	};

	for (size_t i = 0; i < ARRAY_SIZE(offsets); i++) {
		struct world *w = world_create(true);
		struct gmem_file *file = world_gmem(w, NR_PAGES);
		struct region r = { .w = w, .npages = 8, .memory = world_memory(8), .gmem = file,
				    .gmem_offset = offsets[i] };

		INTER_THREAD(binder, do_region, &r);
		INTER_END(binder);
		if (r.r != -EINVAL)
			fail_msg("offset %#llx: %d", (unsigned long long)offsets[i], r.r);
		kvm_gmem_release(file);
		world_destroy(w);
	}
}

/* MMU-I2: a hole at every step of a fault, and the reverse. */
struct ending {
	struct world	*w;
	struct access	 a;
	struct hole	 h;
};

static void fixed_after_or_gone(void *arg, uint64_t n)
{
	struct ending *e = arg;
	assert_int_equal(e->h.r, 0);
	/* Mapped only by a fault that came after: then the file has the page. */
	if (world_is_mapped_anywhere(e->w, 3) && !kvm_gmem_nr_pages(e->h.file))
		fail_msg("step %llu: mapped, and not in the file", (unsigned long long)n);
}

static void i2_faults_and_holes_at_every_step(void **unused)
{
	for (int turn = 0; turn < 2; turn++) {
		struct gmem_file *file;
		struct ending e = { .w = private_world(&file) };

		e.a = private_access(e.w, 3);
		e.h = (struct hole){ .file = file, .page = 0, .n = NR_PAGES };
		INTER_THREAD(fault, do_access, &e.a);
		INTER_THREAD(puncher, do_hole, &e.h);
		world_sweep(e.w, turn ? fault : puncher, turn ? puncher : fault, fixed_after_or_gone, &e);
		INTER_ALL(INTER_MAX_STEPS);
		kvm_gmem_release(file);
		world_destroy(e.w);
	}
}

static void nothing_more(void *arg, uint64_t n)
{
}

/*
 * MMU-I7 with private memory that comes by 2 MiB: one page becomes shared, and private
 * again, at every step of a fault on its neighbour, and the reverse.
 */
static void i7_private_huge_pages_and_conversions(void **unused)
{
	for (int turn = 0; turn < 4; turn++) {
		struct world *w = world_create(true);
		struct conversion c = { .w = w, .n = 512, .attrs = PRIV };
		struct access a;
		struct gmem_file *file;
		uint8_t level;

		w->module.params.gmem_order = 9;
		file = world_gmem(w, 512);
		world_add_slot(w, 0, 0, 512, file);
		do_conversion(&c);
		world_fault_in(w, 0, 300, PFERR_WRITE | PFERR_PRIVATE_ACCESS);
		(void)world_spte(w, 0, 77, &level);
		assert_int_equal(level, PG_LEVEL_2M);
		c = (struct conversion){ .w = w, .gfn = 77, .n = 1 };
		if (turn & 2) {
			do_conversion(&c);
			world_fault_in(w, 0, 300, PFERR_WRITE | PFERR_PRIVATE_ACCESS);
			(void)world_spte(w, 0, 300, &level);
			assert_int_equal(level, PG_LEVEL_4K);
			c.attrs = PRIV;
		} else {
			kvm_mmu_zap_gfn_range(&w->kvm, GFN(0), GFN(512));
		}
		a = private_access(w, 300);
		INTER_THREAD(fault, do_access, &a);
		INTER_THREAD(converter, do_conversion, &c);
		world_sweep(w, turn & 1 ? fault : converter, turn & 1 ? converter : fault,
			    nothing_more, NULL);
		INTER_ALL(INTER_MAX_STEPS);
		/* Once all of it is private it is mapped by 2M again. */
		c = (struct conversion){ .w = w, .n = 512, .attrs = PRIV };
		do_conversion(&c);
		kvm_mmu_zap_gfn_range(&w->kvm, GFN(0), GFN(512));
		world_fault_in(w, 0, 77, PFERR_WRITE | PFERR_PRIVATE_ACCESS);
		(void)world_spte(w, 0, 300, &level);
		assert_int_equal(level, PG_LEVEL_2M);
		kvm_gmem_release(file);
		world_destroy(w);
	}
}

/* -- Files that the VMM maps: slot 0 goes by the file, slot 1 by a mapping of it -- */

/* As kvm_vm_audit(). */
static void audit_world(struct kvm *kvm, gfn_t start, gfn_t end)
{
	world_audit(container_of(kvm, struct world, kvm), 0);
}

static struct world *a_mapped_world(struct gmem_file **file, void **mapped)
{
	struct world *w = world_create(false);
	struct region r = { .w = w, .slot = 1, .gfn = 0x100, .npages = NR_PAGES,
			    .memory = world_memory(NR_PAGES) };

	*file = world_gmem_shared(w, NR_PAGES);
	world_add_slot(w, 0, 0, NR_PAGES, *file);
	do_region(&r);
	assert_int_equal(r.r, 0);
	*mapped = r.memory;
	w->kvm.audit = audit_world;
	return w;
}

/* A memslot waits for the hole, with slots_lock; so the hole does without until it has ended. */
static void gmem1_a_mapped_hole_and_a_memslot(void **unused)
{
	static const struct row { uint64_t gfn, npages; } rows[] = { { 0x200, 4 }, { 0, 0 } };

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct gmem_file *file;
		void *mapped;
		struct world *w = a_mapped_world(&file, &mapped);
		struct hole h = { .file = file, .n = 8, .w = w, .mapped = mapped };
		struct region other = { .w = w, .slot = i ? 0 : 2, .gfn = rows[i].gfn,
					.npages = rows[i].npages, .memory = world_memory(4) };

		INTER_THREAD(puncher, do_hole, &h);
		INTER_THREAD(changer, do_region, &other);
		INTER_TO(puncher, host_change_begun);
		INTER_BLOCKED(changer);
		INTER_BLOCKED(puncher);		/* its audit, when its bracket has ended */
		INTER_END(changer);
		INTER_END(puncher);
		assert_int_equal(h.r, 0);
		assert_int_equal(other.r, 0);
		world_audit(w, i);
		kvm_gmem_release(file);
		world_destroy(w);
	}
}

struct mapped_ending {
	struct hole	h;
	struct region	r;
	struct access	a[2];
};

static void both_ways_can_be_had_again(void *arg, uint64_t n)
{
	struct mapped_ending *e = arg;

	assert_int_equal(e->h.r, 0);
	assert_int_equal(e->r.r, 0);
	for (size_t i = 0; i < ARRAY_SIZE(e->a); i++) {
		do_access(&e->a[i]);
		if (e->a[i].r != RET_PF_FIXED && e->a[i].r != RET_PF_SPURIOUS)
			fail_msg("step %llu: gfn %#llx: %d", (unsigned long long)n,
				 (unsigned long long)e->a[i].gfn, e->a[i].r);
	}
}

static void do_both_accesses(void *arg)
{
	struct access *a = arg;

	do_access(&a[0]);
	do_access(&a[1]);
}

/* The hole against memslots that come and go, then against faults by both ways. */
static void gmem1_mapped_holes_at_every_step(void **unused)
{
	for (unsigned turn = 0; turn < 4; turn++) {
		struct mapped_ending e = { 0 };
		struct gmem_file *file;
		void *mapped;
		struct world *w = a_mapped_world(&file, &mapped);
		unsigned puncher, other;

		e.h = (struct hole){ .file = file, .n = 8, .w = w, .mapped = mapped };
		e.r = (struct region){ .w = w, .slot = 2, .gfn = 0x200, .npages = 4,
				       .memory = world_memory(4) };
		e.a[0] = (struct access){ .v = w->vcpus[0], .gfn = 3, .ec = PFERR_WRITE };
		e.a[1] = (struct access){ .v = w->vcpus[0], .gfn = 0x103, .ec = PFERR_WRITE };
		puncher = inter_thread(do_hole, &e.h, "puncher");
		other = turn & 1 ? inter_thread(do_both_accesses, e.a, "faults")
				 : inter_thread(do_region, &e.r, "changer");
		world_sweep(w, turn & 2 ? puncher : other, turn & 2 ? other : puncher,
			    both_ways_can_be_had_again, &e);
		INTER_ALL(INTER_MAX_STEPS);
		kvm_gmem_release(file);
		world_destroy(w);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(b3_a_closing_file_forgets_a_deleted_slot),
		cmocka_unit_test(b18_the_early_look_saves_the_way),
		cmocka_unit_test(b18_the_look_under_the_lock_decides),
		cmocka_unit_test(b32_offsets_do_not_wrap),
		cmocka_unit_test(i2_faults_and_holes_at_every_step),
		cmocka_unit_test(i7_private_huge_pages_and_conversions),
		cmocka_unit_test(gmem1_a_mapped_hole_and_a_memslot),
		cmocka_unit_test(gmem1_mapped_holes_at_every_step),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
