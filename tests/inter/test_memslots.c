/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * Slots that come, move and go under faults: bugs of KVM's history as
 * interleavings (docs/guarantees-inter.md).
 */
#include "world.h"

#include <errno.h>

#include "os/memory.h"

/* A deletion waits for whoever looks at the old set. */
static void a_deletion_waits_for_a_fault_under_way(void **unused)
{
	struct world *w = world_create(false);
	struct access a = { .v = w->vcpus[0], .gfn = 3, .ec = PFERR_WRITE };
	struct region delete = { .w = w, .slot = 0 };

	world_add_slot(w, 0, 0, 16, NULL);
	INTER_THREAD(fault, do_access, &a);
	INTER_THREAD(deleter, do_region, &delete);
	INTER_TO(fault, fault_before_lock);
	INTER_BLOCKED(deleter);
	INTER_END(fault);
	INTER_END(deleter);
	assert_int_equal(a.r, RET_PF_FIXED);
	assert_int_equal(delete.r, 0);
	assert_false(world_is_mapped_anywhere(w, 3));
	world_destroy(w);
}

/*
 * B12: a prefault does not wait, inside SRCU, for a slot that waits for SRCU.
 * 6.12 knows no -EAGAIN here; it looks again when the slot has gone.
 */
static void b12_a_prefault_gives_way_to_a_deletion(void **unused)
{
	static const struct row { unsigned abi; int want; } rows[] = {
		{ KERNEL_ABI_6_12, -ENOENT }, { KERNEL_ABI_6_16, -EAGAIN },
		{ KERNEL_ABI_6_18, -EAGAIN },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct world *w = world_create(false);
		struct prefault p = { .v = w->vcpus[0], .gfn = 3 };
		struct region delete = { .w = w, .slot = 0 };

		w->module.abi = rows[i].abi;
		world_add_slot(w, 0, 0, 16, NULL);
		INTER_THREAD(prefault, do_prefault, &p);
		INTER_THREAD(deleter, do_region, &delete);
		INTER_TO(prefault, fault_snapshot_seq);
		INTER_BLOCKED(deleter);
		if (rows[i].want == -EAGAIN)
			INTER_END(prefault);
		INTER_ALL(10000);
		assert_int_equal(p.r, rows[i].want);
		assert_int_equal(delete.r, 0);
		world_destroy(w);
	}
}

/* B14: a slot on its way is not a hole. */
static void b14_a_moving_slot_is_no_mmio(void **unused)
{
	struct world *w = world_create(false);
	struct access a = { .v = w->vcpus[0], .gfn = 3 };
	struct region move = { .w = w, .slot = 0, .gfn = 64, .npages = 16 };

	world_add_slot(w, 0, 0, 16, NULL);
	world_fault_in(w, 0, 3, 0);
	move.memory = (void *)kvm_id_to_memslot(&w->kvm, 0, 0)->userspace_addr.v;
	INTER_THREAD(mover, do_region, &move);
	INTER_THREAD(fault, do_access, &a);
	INTER_TO(mover, memslot_after_invalid_swap);
	INTER_END(fault);
	INTER_END(mover);
	assert_int_equal(a.r, RET_PF_RETRY);
	assert_false(kvm_mmu_is_cached_mmio(&w->vcpus[0]->base, GFN(3)));
	world_fault_in(w, 0, 64 + 3, 0);
	world_destroy(w);
}

/* B15: what was found to be MMIO in the old set is not MMIO in the new one. */
static void b15_mmio_of_an_old_set_is_forgotten(void **unused)
{
	static const bool private_mem[] = { true, false };

	for (int i = 0; i < 2; i++) {
		struct world *w = world_create(private_mem[i]);
		struct vcpu *v = w->vcpus[0];
		struct access a = { .v = v, .gfn = 3, .ec = PFERR_WRITE };
		struct region add = { .w = w, .npages = 16, .memory = world_memory(16) };

		INTER_THREAD(fault, do_access, &a);
		INTER_THREAD(adder, do_region, &add);
		INTER_TO(fault, fault_slot_read);
		INTER_BLOCKED(adder);
		INTER_END(fault);
		INTER_END(adder);
		assert_int_equal(add.r, 0);
		assert_int_equal(a.r, RET_PF_EMULATE);	/* it came before */

		assert_false(kvm_mmu_is_cached_mmio(&v->base, GFN(3)));
		assert_int_not_equal(kvm_mmu_handle_mmio_fault(&v->base, GPA(P(3))),
				     RET_PF_EMULATE);
		v->base.srcu_idx = srcu_read_lock(&w->kvm.srcu);
		assert_int_equal(vcpu_page_fault(v, GPA(P(3)), PFERR_RSVD | PFERR_WRITE),
				 RET_PF_RETRY);
		srcu_read_unlock(&w->kvm.srcu, v->base.srcu_idx);
		assert_true(world_is_mapped(w, 0, 3));
		world_destroy(w);
	}
}

/* B16: generations that wrap in one address space do not bring MMIO back. */
static void b16_generations_wrap_in_every_address_space(void **unused)
{
	for (unsigned as = 0; as < 2; as++) {
		struct world *w = world_create(false);
		struct access a = { .v = w->vcpus[0], .gfn = 0x100, .ec = PFERR_WRITE };
		struct region add = { .w = w, .slot = as << 16, .npages = 16,
				      .memory = world_memory(16) };
		struct kvm_mmu_page *root;

		do_access(&a);
		assert_int_equal(a.r, RET_PF_EMULATE);
		root = w->vcpus[0]->base.mmu.root_sp;
		kvm_memslots_set_generation(&w->kvm, as, BIT(SPTE_MMIO_GEN_BITS) - 2 + as);
		INTER_THREAD(adder, do_region, &add);
		INTER_END(adder);
		assert_int_equal(add.r, 0);
		if (!spt_is_invalid(root))
			fail_msg("address space %u wrapped and old MMIO entries live on", as);
		world_destroy(w);
	}
}

/*
 * MMU-I1: a deletion at every step of a fault, and a fault at every step
 * of a deletion, leave nothing mapped.
 */
struct ending {
	struct world	*w;
	struct access	 a;
	struct region	 delete;
};

static void nothing_is_mapped(void *arg, uint64_t n)
{
	struct ending *e = arg;

	assert_int_equal(e->delete.r, 0);
	if (world_is_mapped_anywhere(e->w, 3))
		fail_msg("step %llu: mapped without a slot", (unsigned long long)n);
}

static void i1_nothing_stays_mapped_without_a_slot(void **unused)
{
	for (int turn = 0; turn < 4; turn++) {
		struct ending e = { .w = world_create(turn & 2) };

		e.a = (struct access){ .v = e.w->vcpus[0], .gfn = 3, .ec = PFERR_WRITE };
		e.delete = (struct region){ .w = e.w, .slot = 0 };
		world_add_slot(e.w, 0, 0, 16, NULL);
		world_fault_in(e.w, 0, 4, PFERR_WRITE);
		INTER_THREAD(fault, do_access, &e.a);
		INTER_THREAD(deleter, do_region, &e.delete);
		world_sweep(e.w, turn & 1 ? fault : deleter, turn & 1 ? deleter : fault,
			    nothing_is_mapped, &e);
		INTER_ALL(INTER_MAX_STEPS);
		world_destroy(e.w);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_deletion_waits_for_a_fault_under_way),
		cmocka_unit_test(b12_a_prefault_gives_way_to_a_deletion),
		cmocka_unit_test(b14_a_moving_slot_is_no_mmio),
		cmocka_unit_test(b15_mmio_of_an_old_set_is_forgotten),
		cmocka_unit_test(b16_generations_wrap_in_every_address_space),
		cmocka_unit_test(i1_nothing_stays_mapped_without_a_slot),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
