/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * test_tables.c - a store of the host's, the size of its mapping (as the tests state it),
 * and the RMP.
 * Facts: docs/facts/snp-access.tsv (host write), host-access-states.tsv (rmp-*).
 */
#include "kvm/host/a_store.h"

#include <string.h>

#include "kvm/host/map.h"

static const struct row {
	const char	*why;
	enum phys_kind	 kind;
	uint64_t	 guests;	/* the page that is a guest's */
	uint64_t	 error, splits, questions;
} rows[] = {
	{ "own, 4K",			PHYS_4K,	 5 * PAGE_SIZE, PF, 0, 0 },
	{ "own, THP",			PHYS_THP,	 5 * PAGE_SIZE, PF, 0, 0 },
	{ "own, hugetlb",		PHYS_HUGETLB_2M, 5 * PAGE_SIZE, PF, 0, 0 },
	{ "own, 1G hugetlb",		PHYS_HUGETLB_1G, 5 * PAGE_SIZE, PF, 0, 0 },
	{ "beside, 4K",			PHYS_4K,	 6 * PAGE_SIZE, 0, 0, 1 },
	{ "beside, THP",		PHYS_THP,	 6 * PAGE_SIZE, 0, 1, 1 },
	{ "first of the THP",		PHYS_THP,	 0,		0, 1, 1 },
	{ "last of the THP",		PHYS_THP,	 M2 - PAGE_SIZE, 0, 1, 1 },
	{ "beside, hugetlb",		PHYS_HUGETLB_2M, 6 * PAGE_SIZE, PF, 0, 1 },
	{ "beside, 1G hugetlb",		PHYS_HUGETLB_1G, 6 * PAGE_SIZE, PF, 0, 1 },
	{ "far, 4K",			PHYS_4K,	 M2,		0, 0, 0 },
	{ "far, THP",			PHYS_THP,	 M2,		0, 0, 0 },
	{ "far, hugetlb",		PHYS_HUGETLB_2M, M2,		0, 0, 0 },
	{ "far, 1G hugetlb",		PHYS_HUGETLB_1G, M2,		0, 0, 0 },
	{ "farthest, 1G hugetlb",	PHYS_HUGETLB_1G, 511 * M2,	0, 0, 0 },
};

/* By 1G counts as by 2M: what is far in the gigabyte stops nobody. */
static void the_size_of_the_mapping_decides(void **unused)
{
	(void)unused;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const struct row *r = &rows[i];
		struct world w = world_make(&snp);
		char *at = w.memory + 5 * PAGE_SIZE + 123;
		struct kvm_module *m = &w.vm->module;

		assert_true(phys_state_mapping(m->hw, w.memory, 2 * M2, r->kind));
		assert_int_equal(kvm_host_store(m, at, false), 0);
		give(&w, r->guests, true);
		if (kvm_host_store(m, at, false) != r->error || splits(&w) != r->splits ||
		    questions(&w) != r->questions)
			fail_msg("%s: %llu splits, %llu questions", r->why,
				 (unsigned long long)splits(&w), (unsigned long long)questions(&w));
		/* What is split is split once; what is not is refused again, in user mode too. */
		assert_int_equal(kvm_host_store(m, at, true), r->error ? PF_USER : 0);
		assert_int_equal(splits(&w), r->splits);
		assert_int_equal(peek_mapping(m->hw, at).is_split, r->splits);
		assert_int_equal(kvm_write_guest(&w.vm->kvm, GPA(5 * PAGE_SIZE + 8), "text", 4),
				 r->error ? -EFAULT : 0);
		assert_int_equal(memcmp(w.memory + 5 * PAGE_SIZE + 8, "text", 4) != 0, !!r->error);
		give(&w, r->guests, false);
		assert_int_equal(kvm_host_store(m, at, false), 0);
		world_free(&w);
	}
}

/* Of a page that nobody has published yet, beside one of a guest's. */
static void a_page_without_a_frame_is_asked_about(void **unused)
{
	struct world w = world_make(&snp);
	struct kvm_module *m = &w.vm->module;

	(void)unused;
	give(&w, 6 * PAGE_SIZE, true);
	assert_int_equal(peek_frames(m->hw, phys_publish(m->hw, w.memory + 6 * PAGE_SIZE), PAGE_SIZE), 1);
	assert_int_equal(kvm_host_store(m, w.memory, false), 0);	/* the host says 4K */
	assert_int_equal(questions(&w), 1);
	assert_int_equal(splits(&w), 0);
	give(&w, 6 * PAGE_SIZE, false);
	world_free(&w);
}

/* A map goes by the kernel's own alias of the page, and that is of 4K. */
static void a_map_has_no_size(void **unused)
{
	struct world w = world_make(&snp);
	struct kvm_vcpu *v = &w.vm->vcpus[0];
	struct kvm_module *m = &w.vm->module;
	struct kvm_guest_map map;

	(void)unused;
	assert_true(phys_state_mapping(m->hw, w.memory, M2, PHYS_HUGETLB_2M));
	give(&w, 6 * PAGE_SIZE, true);
	assert_int_equal(kvm_vcpu_map(v, GFN(5), &map), 0);
	assert_int_equal(kvm_map_write(v, &map, 16, "text", 4), 0);
	assert_memory_equal(w.memory + 5 * PAGE_SIZE + 16, "text", 4);
	kvm_vcpu_unmap(v, &map, true);
	assert_int_equal(kvm_write_guest(&w.vm->kvm, GPA(5 * PAGE_SIZE), "text", 4), -EFAULT);
	assert_int_equal(questions(&w), 1);
	give(&w, 6 * PAGE_SIZE, false);
	world_free(&w);
}

static void without_an_rmp_nobody_asks(void **unused)
{
	static const struct hw_config plain = { HW_VENDOR_AMD, 46, 0, 0, 1, NULL };
	struct world w = world_make(&plain);

	(void)unused;
	assert_true(phys_state_mapping(w.vm->module.hw, w.memory, M2, PHYS_HUGETLB_2M));
	assert_int_equal(kvm_host_store(&w.vm->module, w.memory, false), 0);
	assert_int_equal(kvm_write_guest(&w.vm->kvm, GPA(0x5000), "text", 4), 0);
	assert_int_equal(questions(&w), 0);
	world_free(&w);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_size_of_the_mapping_decides),
		cmocka_unit_test(a_page_without_a_frame_is_asked_about),
		cmocka_unit_test(a_map_has_no_size),
		cmocka_unit_test(without_an_rmp_nobody_asks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
