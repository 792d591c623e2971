/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* The tree against an array with one byte a frame. */
#include "kvm/core/attr.h"

#include "fixture.h"
#include "base/bits.h"
#include "kvm/core/memslot.h"

#define PRIVATE	KVM_MEMORY_ATTRIBUTE_PRIVATE
#define NR	(4u << 18)		/* 4 GiB: three levels are in play */

static void set(struct kvm *kvm, uint64_t start, uint64_t end, uint64_t attrs)
{
	mutex_lock(&kvm->slots_lock);
	assert_int_equal(kvm_attributes_prepare(kvm, GFN(start), GFN(end), attrs), 0);
	kvm_attributes_store(kvm, GFN(start), GFN(end), attrs);
	mutex_unlock(&kvm->slots_lock);
}

static bool all(struct kvm *kvm, uint64_t start, uint64_t end, uint64_t attrs)
{
	return kvm_range_has_memory_attributes(kvm, GFN(start), GFN(end), PRIVATE, attrs);
}

/* A start and a length of a size that conversions have: 4K, 2M, 1G, odd. */
static void pick(uint32_t *start, uint32_t *end)
{
	static const uint32_t align[] = { 1, 1, 8, 64, 512, 512, 512 * 512 };
	uint32_t a = align[fixture_random(ARRAY_SIZE(align))];

	*start = fixture_random(NR) / a * a;
	*end = *start + a * (1 + fixture_random(3));
	if (fixture_random(8) == 0)
		*end += fixture_random(700);
	*end = MIN(*end, NR);
}

static void check(struct kvm *kvm, const uint8_t *model, uint32_t start, uint32_t end)
{
	bool all_private = true, all_shared = true;

	for (uint32_t g = start; g < end; g++) {
		all_private &= model[g];
		all_shared &= !model[g];
	}
	assert_int_equal(all(kvm, start, end, PRIVATE), all_private);
	assert_int_equal(all(kvm, start, end, 0), all_shared);
	for (uint32_t i = 0; i < 16; i++) {
		uint32_t g = start + fixture_random(end - start);

		assert_int_equal(kvm_mem_is_private(kvm, GFN(g)), model[g]);
	}
}

static void answers_as_an_array_does(void **unused)
{
	struct kvm *kvm = fixture_create(1);
	uint8_t *model = calloc(NR, 1);
	uint32_t start, end;

	(void)unused;
	for (int step = 0; step < 3000; step++) {
		bool private = fixture_random(2);

		pick(&start, &end);
		set(kvm, start, end, private ? PRIVATE : 0);
		memset(model + start, private, end - start);
		check(kvm, model, start > 600 ? start - 600 : 0, MIN(end + 600, NR));
		pick(&start, &end);
		check(kvm, model, start, end);
	}
	for (uint32_t g = 0; g < NR; g++)
		assert_int_equal(kvm_mem_is_private(kvm, GFN(g)), model[g]);
	set(kvm, 0, NR, 0);
	assert_int_equal(kvm_attributes_size(kvm), 0);
	free(model);
	kvm_put(kvm);
}

static void a_tebibyte_costs_no_more_than_a_page(void **unused)
{
	struct kvm *kvm = fixture_create(1);
	uint64_t tib = 1ull << (40 - PAGE_SHIFT);
	size_t big;

	(void)unused;
	set(kvm, 0, tib, PRIVATE);
	big = kvm_attributes_size(kvm);
	assert_true(all(kvm, 0, tib, PRIVATE));
	assert_false(all(kvm, 0, tib + 1, PRIVATE));
	assert_true(all(kvm, tib, BIT(52), 0));
	set(kvm, 0, tib, 0);
	assert_int_equal(kvm_attributes_size(kvm), 0);
	set(kvm, tib - 1, tib, PRIVATE);
	assert_true(big <= kvm_attributes_size(kvm));
	set(kvm, 0, BIT(52), PRIVATE);
	assert_true(all(kvm, 0, BIT(52), PRIVATE));
	assert_true(kvm_mem_is_private(kvm, GFN(BIT(52) - 1)));
	set(kvm, BIT(52) - 1, BIT(52), 0);
	assert_false(kvm_mem_is_private(kvm, GFN(BIT(52) - 1)));
	assert_true(kvm_mem_is_private(kvm, GFN(BIT(52) - 2)));
	set(kvm, 0, BIT(52), 0);
	assert_int_equal(kvm_attributes_size(kvm), 0);
	kvm_put(kvm);
}

static void the_tree_grows_over_what_it_has(void **unused)
{
	struct kvm *kvm = fixture_create(1);

	(void)unused;
	for (unsigned shift = 0; shift < 52; shift += 3)
		set(kvm, BIT(shift), BIT(shift) + 1, PRIVATE);
	for (unsigned shift = 0; shift < 52; shift++) {
		assert_int_equal(kvm_mem_is_private(kvm, GFN(BIT(shift))), shift % 3 == 0);
		assert_int_equal(kvm_mem_is_private(kvm, GFN(BIT(shift) + 2)), 0);
	}
	set(kvm, 0, BIT(52), 0);
	assert_int_equal(kvm_attributes_size(kvm), 0);
	kvm_put(kvm);
}

struct reader {
	struct kvm	*kvm;
	atomic32_t	 stop, done, wrong;
};

static void read_on(void *arg)
{
	struct reader *r = arg;
	uint32_t g = 0;

	/* Frame 0 is never private, frame 513 always. */
	while (!atomic32_load_acquire(&r->stop)) {
		if (kvm_mem_is_private(r->kvm, GFN(0)) || !kvm_mem_is_private(r->kvm, GFN(513)))
			atomic32_store(&r->wrong, 1);
		(void)kvm_mem_is_private(r->kvm, GFN(g++ % 5000));
		(void)all(r->kvm, 1, 4000, 0);
	}
	atomic32_store(&r->done, 1);
}

static void readers_need_no_lock(void **unused)
{
	struct reader r = { .kvm = fixture_create(1) };

	(void)unused;
	set(r.kvm, 513, 514, PRIVATE);
	assert_int_equal(sync_start_worker(read_on, &r, "reader"), 0);
	for (int i = 0; i < 20000; i++) {
		uint32_t start = 514 + fixture_random(3000);

		set(r.kvm, start, start + 1 + fixture_random(1200), i & 1 ? PRIVATE : 0);
		if (i % 100 == 0)
			set(r.kvm, 1u << 20, 1u << 21, i & 128 ? PRIVATE : 0);
	}
	atomic32_store(&r.stop, 1);
	while (!atomic32_load_acquire(&r.done))
		sync_relax();
	assert_false(atomic32_load(&r.wrong));
	kvm_put(r.kvm);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(answers_as_an_array_does),
		cmocka_unit_test(a_tebibyte_costs_no_more_than_a_page),
		cmocka_unit_test(the_tree_grows_over_what_it_has),
		cmocka_unit_test(readers_need_no_lock),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
