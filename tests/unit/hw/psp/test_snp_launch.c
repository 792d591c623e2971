/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * test_snp_launch.c - a guest from SNP_GCTX_CREATE to SNP_DECOMMISSION.
 */
#include "a_snp.h"

#define ASID	3u
#define GPA_AT	0x40000000ull

static void fill(struct snp *s, uint64_t a, uint8_t value)
{
	uint8_t page[PAGE_SIZE];

	memset(page, value, sizeof(page));
	put(s, a, page, sizeof(page));
}

static void assert_reads(struct snp *s, uint64_t a, keyslot_t key, uint8_t value, bool equal)
{
	uint8_t page[PAGE_SIZE], want[PAGE_SIZE];

	memset(want, value, sizeof(want));
	assert_true(view_read(s->hw, HPA(a), key, page, sizeof(page)));
	assert_int_equal(!memcmp(page, want, sizeof(page)), equal);
}

/* What the guest finds, what the host finds, and the entry. */
static void a_whole_life(void **unused)
{
	static const struct { uint8_t type, guest_sees; } rows[] = {
		{ PSP_SNP_NORMAL, 0x5a }, { PSP_SNP_VMSA, 0x5a }, { PSP_SNP_ZERO, 0 },
		{ PSP_SNP_UNMEASURED, 0x5a },
	};
	struct snp s = an_snp();
	uint64_t gctx = a_guest(&s, POLICY, ASID), page[ARRAY_SIZE(rows)];
	struct rmp_operand free = { 0 };

	(void)unused;
	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		page[i] = a_page(&s);
		fill(&s, page[i], 0x5a);
		assign(&s, page[i], GPA_AT + i * PAGE_SIZE, ASID, false, true);
		assert_int_equal(launch_update(&s, gctx, page[i], rows[i].type, false),
				 PSP_SUCCESS);
		assert_int_equal(state_of(&s, page[i]), SNP_STATE_GUEST_VALID);
		assert_int_equal(entry_of(&s, page[i]).vmsa, rows[i].type == PSP_SNP_VMSA);
		assert_int_equal(entry_of(&s, page[i]).gpa, GPA_AT + i * PAGE_SIZE);
		assert_reads(&s, page[i], ASID, rows[i].guest_sees, true);
		assert_reads(&s, page[i], 0, rows[i].guest_sees, false);
		assert_reads(&s, page[i], ASID, rows[i].guest_sees, true);
	}
	assert_int_equal(guest_status(&s, gctx).state, 1);
	assert_int_equal(launch_finish(&s, gctx), PSP_SUCCESS);
	assert_int_equal(guest_status(&s, gctx).state, 2);
	assert_int_equal(guest_status(&s, gctx).asid, ASID);
	assert_int_equal(guest_status(&s, gctx).policy, POLICY);
	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++)
		assert_int_equal(rmpupdate(s.hw, HPA(page[i]), &free), RMP_SUCCESS);
	assert_int_equal(cmd_at(&s, PSP_SNP_DECOMMISSION, gctx), PSP_SUCCESS);
	assert_int_equal(state_of(&s, gctx), SNP_STATE_FIRMWARE);
	assert_int_equal(cmd_at(&s, PSP_SNP_PAGE_RECLAIM, gctx), PSP_SUCCESS);
	assert_int_equal(rmpupdate(s.hw, HPA(gctx), &free), RMP_SUCCESS);
	assert_int_equal(cmd_at(&s, PSP_SNP_DECOMMISSION, gctx), PSP_INVALID_GUEST);
	no_snp(&s);
}

/* The context page is all that names a guest: many of them, made and ended in any order. */
static void thousands_of_contexts(void **unused)
{
	enum { N = 3000 };
	struct snp s = an_snp();
	static uint64_t gctx[N];

	(void)unused;
	for (unsigned i = 0; i < N; i++) {
		gctx[i] = a_context(&s);
		assert_int_equal(launch_start(&s, gctx[i], POLICY), PSP_SUCCESS);
	}
	for (unsigned i = 0; i < N; i++) {
		const unsigned n = i * 7919u % N;	/* a prime: each once */

		assert_int_equal(cmd_at(&s, PSP_SNP_DECOMMISSION, gctx[n]), PSP_SUCCESS);
		assert_int_equal(launch_start(&s, gctx[n], POLICY), PSP_INVALID_GUEST);
		assert_int_equal(cmd_at(&s, PSP_SNP_GCTX_CREATE, gctx[n]), PSP_SUCCESS);
		assert_int_equal(launch_start(&s, gctx[n], POLICY), PSP_SUCCESS);
	}
	no_snp(&s);
}

/* Without SNP the firmware does not know the commands. */
static void no_snp_no_commands(void **unused)
{
	struct snp s = a_machine_with(false);

	(void)unused;
	assert_int_equal(init(&s), PSP_INVALID_COMMAND);
	assert_int_equal(cmd_at(&s, PSP_SNP_GCTX_CREATE, s.at), PSP_INVALID_COMMAND);
	no_snp(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_whole_life), cmocka_unit_test(thousands_of_contexts),
		cmocka_unit_test(no_snp_no_commands),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
