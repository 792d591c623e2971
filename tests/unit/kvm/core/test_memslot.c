/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* The two copies of the memory map against an array of slots. */
#include "kvm/core/memslot.h"

#include "fixture.h"

#define NR	200
#define SPACE	4000		/* frames */

static struct kvm_memory_slot *model[NR];

static struct kvm_memory_slot *make(unsigned id, uint64_t base, uint64_t npages, uint64_t hva)
{
	struct kvm_memory_slot *s = calloc(1, sizeof(*s));

	assert_non_null(s);
	s->id = id;
	s->base_gfn = GFN(base);
	s->npages = npages;
	s->userspace_addr = HVA(hva);
	return s;
}

static void change(struct kvm *kvm, struct kvm_memory_slot *old, struct kvm_memory_slot *new)
{
	uint64_t gen;

	mutex_lock(&kvm->slots_lock);
	assert_int_equal(kvm_memslots_reserve(kvm, 0, old ? old->id : new->id), 0);
	kvm_memslots_replace(kvm, 0, old, new);
	gen = kvm_memslots_publish(kvm, 0);
	assert_true(kvm_memslots_generation(kvm, 0) & KVM_GENERATION_IN_PROGRESS);
	kvm_memslots_settle(kvm, 0, gen);
	kvm_memslots_replace(kvm, 0, old, new);
	mutex_unlock(&kvm->slots_lock);
	free(old);
}

static struct kvm_memory_slot *model_find(uint64_t gfn)
{
	for (unsigned i = 0; i < NR; i++)
		if (model[i] && gfn >= model[i]->base_gfn.v && gfn < kvm_slot_end(model[i]).v)
			return model[i];
	return NULL;
}

static bool model_overlaps(uint64_t start, uint64_t end)
{
	for (unsigned i = 0; i < NR; i++)
		if (model[i] && model[i]->base_gfn.v < end && kvm_slot_end(model[i]).v > start)
			return true;
	return false;
}

static void check(struct kvm *kvm, struct kvm_vcpu *vcpu)
{
	uint64_t start = fixture_random(SPACE), end = start + 1 + fixture_random(300);
	unsigned want = 0, got = 0, id = fixture_random(NR);
	struct kvm_memslot_iter it;
	struct kvm_memory_slot *s;
	uint64_t last = 0;

	assert_ptr_equal(kvm_gfn_to_memslot(kvm, 0, GFN(start)), model_find(start));
	assert_ptr_equal(kvm_vcpu_gfn_to_memslot(vcpu, GFN(start)), model_find(start));
	assert_ptr_equal(kvm_id_to_memslot(kvm, 0, id), model[id]);
	for (unsigned i = 0; i < NR; i++)
		want += model[i] && model[i]->base_gfn.v < end && kvm_slot_end(model[i]).v > start;
	kvm_for_each_memslot_in_gfn_range(s, &it, kvm, 0, GFN(start), GFN(end)) {
		assert_true(s->base_gfn.v >= last);
		last = s->base_gfn.v;
		got++;
	}
	assert_int_equal(got, want);

	/* Host addresses: any number of slots may share one. */
	want = got = 0;
	start = fixture_random(20) << PAGE_SHIFT;
	end = start + 3 * PAGE_SIZE;
	for (unsigned i = 0; i < NR; i++)
		want += model[i] && model[i]->userspace_addr.v < end &&
			model[i]->userspace_addr.v + (model[i]->npages << PAGE_SHIFT) > start;
	kvm_for_each_memslot_in_hva_range(s, &it, kvm, 0, HVA(start), HVA(end))
		got++;
	assert_int_equal(got, want);
}

static void answers_as_an_array_does(void **unused)
{
	struct kvm *kvm = fixture_create(2);
	struct kvm_vcpu *vcpu = calloc(1, sizeof(*vcpu));
	uint64_t changes = 0;

	(void)unused;
	kvm_vcpu_core_init(vcpu, kvm, 0);
	for (int step = 0; step < 4000; step++) {
		unsigned id = fixture_random(NR);
		uint64_t base = fixture_random(SPACE), n = 1 + fixture_random(40);

		if (model[id]) {
			change(kvm, model[id], NULL);
			model[id] = NULL;
			changes++;
		} else if (!model_overlaps(base, base + n)) {
			model[id] = make(id, base, n, (uint64_t)fixture_random(20) << PAGE_SHIFT);
			change(kvm, NULL, model[id]);
			changes++;
		}
		for (int i = 0; i < 5; i++)
			check(kvm, vcpu);
	}
	assert_int_equal(kvm_memslots_generation(kvm, 0), 2 * changes);
	assert_int_equal(kvm_memslots_generation(kvm, 1), 1);
	for (unsigned i = 0; i < NR; i++)
		if (model[i])
			change(kvm, model[i], NULL);
	kvm_vcpu_core_fini(vcpu);
	free(vcpu);
	kvm_put(kvm);
}

static void all_32764_slots_fit(void **unused)
{
	struct kvm *kvm = fixture_create(1);

	(void)unused;
	for (unsigned id = 0; id < KVM_MEM_SLOTS_NUM; id++)
		change(kvm, NULL, make(id, 2 * id, 1, 0x10000));
	for (unsigned id = 0; id < KVM_MEM_SLOTS_NUM; id++) {
		assert_int_equal(kvm_gfn_to_memslot(kvm, 0, GFN(2 * id))->id, id);
		assert_null(kvm_gfn_to_memslot(kvm, 0, GFN(2 * id + 1)));
	}
	for (unsigned id = 0; id < KVM_MEM_SLOTS_NUM; id++)
		change(kvm, kvm_id_to_memslot(kvm, 0, id), NULL);
	kvm_put(kvm);
}

static void a_dirty_page_sets_its_bit(void **unused)
{
	uint64_t bitmap[2] = { 0 };
	struct kvm_memory_slot s = { .base_gfn = GFN(100), .npages = 70, .dirty_bitmap = bitmap };

	(void)unused;
	kvm_mark_page_dirty_in_slot(&s, GFN(100));
	assert_int_equal(bitmap[0], 0);		/* not logged */
	s.flags = KVM_MEM_LOG_DIRTY_PAGES;
	kvm_mark_page_dirty_in_slot(&s, GFN(103));
	kvm_mark_page_dirty_in_slot(&s, GFN(169));
	assert_int_equal(bitmap[0], 8);
	assert_int_equal(bitmap[1], 32);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(answers_as_an_array_does),
		cmocka_unit_test(all_32764_slots_fit),
		cmocka_unit_test(a_dirty_page_sets_its_bit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
