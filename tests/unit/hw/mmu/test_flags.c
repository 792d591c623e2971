/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * test_flags.c - accessed and dirty bits against software that changes the
 * same entries: nobody's update is lost (HW-G1).
 */
#include "hw/mmu/a_guest.h"

#include <string.h>

#include "sync/crowd.h"

#define LINEAR		0x400000ull
#define TARGET		0x300000ull
#define PROCESSORS	3u
#define ROUNDS		20000u
#define COUNT_SHIFT	52		/* six bits that the processor ignores */
#define COUNT_MASK	(63ull << COUNT_SHIFT)

struct contest {
	struct guest	g;
	struct mmu	*m[PROCESSORS];
};

static struct mmu *another_mmu(struct guest *g)
{
	struct mmu *m;

	mutex_lock(&g->hw->lock);
	m = machine_alloc_locked(g->hw, sizeof(*m));
	assert_non_null(m);
	assert_true(mmu_init(m, g->hw));
	mutex_unlock(&g->hw->lock);
	mmu_enter(m, &g->nested, &g->state);
	return m;
}

/* Counts in the ignored bits and takes accessed and dirty away. */
static void count_once(struct hw *hw, hpa_t at, uint64_t a_and_d)
{
	uint64_t was = phys_load64(hw, at), now;

	do
		now = ((was & ~COUNT_MASK) | ((was + (1ull << COUNT_SHIFT)) & COUNT_MASK)) & ~a_and_d;
	while (!phys_cas64(hw, at, &was, now));
}

static void contend(void *arg, unsigned who)
{
	struct contest *c = arg;
	struct guest *g = &c->g;
	hpa_t nested = nested_at(g, TARGET, 1);
	hpa_t guest = HPA(guest_hpa(g, (uint64_t)((uint8_t *)guest_entry(g, LINEAR, 1) - g->bytes)));
	struct mmu_fault fault;
	struct mmu_page page;

	for (unsigned i = 0; i < ROUNDS; i++) {
		if (who == PROCESSORS) {
			count_once(g->hw, nested, g->m->amd ? A | D : BIT(8) | BIT(9));
			count_once(g->hw, guest, A | D);
			continue;
		}
		mmu_flush_asid(c->m[who], 1);
		BUG_ON(mmu_translate(c->m[who], LINEAR, i & 1 ? MMU_WRITE : MMU_READ, &page,
				     &fault) != MMU_OK);
		BUG_ON((uint8_t *)page.host != g->bytes + TARGET);
	}
}

static void no_update_is_lost(void **state)
{
	const uint64_t want = (uint64_t)ROUNDS << COUNT_SHIFT & COUNT_MASK;
	struct contest c;

	guest_init(&c.g, *(enum hw_vendor *)*state);
	map(&c.g, LINEAR, TARGET | P | W | U, 1);
	for (unsigned i = 0; i < PROCESSORS; i++)
		c.m[i] = another_mmu(&c.g);
	crowd_run(PROCESSORS + 1, contend, &c);
	assert_true((nested_get(&c.g, TARGET, 1) & COUNT_MASK) == want);
	assert_true((*guest_entry(&c.g, LINEAR, 1) & COUNT_MASK) == want);
	guest_fini(&c.g);
}

/*
 * One entry after another at the same place, each with a page of its own and
 * clean; who reached a page for writing has left the dirty bit in its entry.
 */
#define VERSIONS	1400u
#define FIRST_PAGE	0x200000ull

struct versions {
	struct contest	c;
	bool		reached[VERSIONS], dirty[VERSIONS];	/* one writer each */
	atomic32_t	done;
};

static void replace_entries(struct versions *v, hpa_t at)
{
	for (unsigned i = 0; i < VERSIONS; i++) {
		phys_store64(v->c.g.hw, at, (FIRST_PAGE + i * PAGE_SIZE) | P | W | U | A);
		for (unsigned n = 0; n < i % 64; n++)
			sync_relax();
		v->dirty[i] = phys_xchg64(v->c.g.hw, at, 0) & D;
	}
	atomic32_store(&v->done, 1);
}

static void replace_or_write(void *arg, unsigned who)
{
	struct versions *v = arg;
	struct guest *g = &v->c.g;
	struct mmu_fault fault;
	struct mmu_page page;

	if (who == 1)
		replace_entries(v, HPA(guest_hpa(g, (uint64_t)((uint8_t *)guest_entry(g, LINEAR, 1) -
							       g->bytes))));
	while (who == 0 && !atomic32_load(&v->done)) {
		if (mmu_translate(v->c.m[0], LINEAR, MMU_WRITE, &page, &fault) == MMU_OK)
			v->reached[(page.gpa.v - FIRST_PAGE) / PAGE_SIZE] = true;
	}
}

static void who_wrote_has_left_a_mark(void **state)
{
	static struct versions v;

	for (unsigned round = 0; round < 20; round++) {
		memset(&v, 0, sizeof(v));
		guest_init(&v.c.g, *(enum hw_vendor *)*state);
		map(&v.c.g, LINEAR, 0, 1);
		v.c.m[0] = another_mmu(&v.c.g);
		crowd_run(2, replace_or_write, &v);
		for (unsigned i = 0; i < VERSIONS; i++)
			assert_true(!v.reached[i] || v.dirty[i]);
		guest_fini(&v.c.g);
	}
}

int main(void)
{
	static enum hw_vendor intel = HW_VENDOR_INTEL, amd = HW_VENDOR_AMD;
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_prestate(no_update_is_lost, &intel),
		cmocka_unit_test_prestate(no_update_is_lost, &amd),
		cmocka_unit_test_prestate(who_wrote_has_left_a_mark, &intel),
		cmocka_unit_test_prestate(who_wrote_has_left_a_mark, &amd),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
