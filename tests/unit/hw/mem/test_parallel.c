/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * test_parallel.c - many threads publish, retire, allocate and free at once.
 */
#include <stdlib.h>

#include "hw/insn/peek.h"
#include "hw/insn/phys.h"
#include "hw/mem/a_machine.h"
#include "sync/crowd.h"

#define THREADS		4u
#define ROUNDS		400u
#define KEPT		200u

/*
 * Everybody holds pages marked with his own number: two owners of one page
 * would see each other's mark.
 */
static void allocate_and_free(void *arg, unsigned who)
{
	struct hw *hw = arg;
	hpa_t page[KEPT] = { 0 };
	unsigned seed = who + 1;

	for (unsigned i = 0; i < ROUNDS * KEPT / 8; i++) {
		unsigned n = (seed = seed * 1103515245 + 12345) / 65536 % KEPT;

		if (page[n].v) {
			BUG_ON(phys_load64(hw, page[n]) != who + 1);
			phys_page_free(hw, page[n]);
			page[n].v = 0;
			continue;
		}
		page[n] = phys_page_alloc(hw);
		BUG_ON(!hpa_is_valid(page[n]));
		BUG_ON(phys_load64(hw, page[n]) || phys_load64(hw, HPA(page[n].v + 4088)));
		phys_store64(hw, page[n], who + 1);
		phys_store64(hw, HPA(page[n].v + 4088), who + 1);
	}
	for (unsigned n = 0; n < KEPT; n++)
		if (page[n].v)
			phys_page_free(hw, page[n]);
}

static void pages_have_one_owner(void **unused)
{
	struct hw *hw = a_machine((struct hw_config){ .phys_bits = 40 });

	(void)unused;
	crowd_run(THREADS, allocate_and_free, hw);
	assert_int_equal(peek_dram_pages(hw), 0);
	assert_int_equal(hw_nr_findings(hw), 0);
	no_machine(hw);
}

/*
 * Each thread has a page in every gigabyte; gigabytes lose their last frame
 * all the time while others come back to them.
 */
static void publish_and_retire(void *arg, unsigned who)
{
	struct frames *f = arg;

	for (unsigned i = 0; i < ROUNDS; i++) {
		uint64_t host = (uint64_t)(100 + i % 3) << REGION_SHIFT | (who * 70ull) << PAGE_SHIFT;
		const void *p = (const void *)(uintptr_t)host;
		hpa_t a = frames_publish(f, p);

		BUG_ON(!hpa_is_valid(a));
		rcu_read_lock();
		BUG_ON(frames_host(f, a) != p);
		rcu_read_unlock();
		BUG_ON(frames_publish(f, p).v != a.v);
		if (i % 2)
			BUG_ON(!frames_retire(f, p, PAGE_SIZE) || frames_host(f, a) == p);
		else
			(void)frames_retire(f, p, PAGE_SIZE);
	}
}

static void a_frame_stays_until_its_owner_retires_it(void **unused)
{
	struct frames f;

	(void)unused;
	assert_true(frames_init(&f, 36));
	crowd_run(THREADS, publish_and_retire, &f);
	for (uint64_t i = 1; i < f.nr_regions; i++)
		assert_null(f.regions[i]);
	frames_fini(&f);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(pages_have_one_owner),
		cmocka_unit_test(a_frame_stays_until_its_owner_retires_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
