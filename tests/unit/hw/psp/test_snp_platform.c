/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * test_snp_platform.c - SNP_INIT_EX and its list, SNP_PAGE_SET_STATE, SNP_PLATFORM_STATUS,
 * SNP_ACTIVATE_EX, shutting down; the digest of an initial migration image.
 */
#define POOL_PAGES	1024u
#include "a_snp.h"

#include "hw/psp/psp_snp_priv.h"

#define ASID	3u
#define GPA_AT	0x40000000ull

struct list { uint32_t nr, reserved; struct psp_snp_range ranges[255]; };

static enum psp_status init_with(struct snp *s, uint32_t flags, const struct list *l, uint64_t at)
{
	put(s, at & PAGE_MASK, l, sizeof(*l));
	return cmd(s, PSP_SNP_INIT_EX, &(struct psp_snp_init_ex){ .flags = flags,
								    .list_address = at });
}

/* Two ranges, one partly beyond the RMP. */
static struct list two_ranges(uint64_t a, uint64_t b)
{
	struct list l = { .nr = 2 };

	l.ranges[0] = (struct psp_snp_range){ .base = a, .nr_pages = 3 };
	l.ranges[1] = (struct psp_snp_range){ .base = b, .nr_pages = 2 };
	return l;
}

static void fixed_ranges(void **unused)
{
	const uint32_t both = PSP_SNP_INIT_RMP | PSP_SNP_INIT_LIST;
	struct snp s = a_machine_with(true);
	const uint64_t at = a_page(&s), a = a_large(&s), b = UNCOVERED - PAGE_SIZE;
	struct list l = two_ranges(a, b);

	(void)unused;
	l.nr = 256;
	assert_int_equal(init_with(&s, both, &l, at), PSP_INVALID_PARAM);
	l = two_ranges(a, b);
	l.reserved = 1;
	assert_int_equal(init_with(&s, both, &l, at), PSP_INVALID_PARAM);
	l = two_ranges(a, b + 8);
	assert_int_equal(init_with(&s, both, &l, at), PSP_INVALID_PARAM);
	l = two_ranges(a, b);
	l.ranges[1].reserved = 1;
	assert_int_equal(init_with(&s, both, &l, at), PSP_INVALID_PARAM);
	l = two_ranges(a, b);
	assert_int_equal(init_with(&s, both, &l, at + 8), PSP_INVALID_PARAM);
	assert_int_equal(cmd(&s, PSP_SNP_INIT_EX, &(struct psp_snp_init_ex){
		.flags = both, .list_address = 0x3000000000 }), PSP_INVALID_ADDRESS);
	assert_int_equal(init_with(&s, PSP_SNP_INIT_LIST, &l, at), PSP_RMP_INIT_REQUIRED);
	assert_int_equal(init_with(&s, 4, &l, at), PSP_INVALID_PARAM);
	assert_int_equal(state_of(&s, a), SNP_STATE_HYPERVISOR);
	assert_int_equal(init_with(&s, both, &l, at), PSP_SUCCESS);
	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(state_of(&s, a + i * PAGE_SIZE),
				 i < 3 ? SNP_STATE_HV_FIXED : SNP_STATE_HYPERVISOR);
	assert_int_equal(state_of(&s, b), SNP_STATE_HV_FIXED);
	assert_int_equal(init_with(&s, both, &l, at), PSP_INVALID_PLATFORM_STATE);
	no_snp(&s);
}

/* A page that is somebody's cannot be fixed. */
static void a_range_that_is_taken(void **unused)
{
	struct snp s = a_machine_with(true);
	const uint64_t at = a_page(&s), a = a_large(&s);
	struct list l = two_ranges(a, a + 8 * PAGE_SIZE);

	(void)unused;
	assign(&s, a + 8 * PAGE_SIZE, 0, 0, false, false);
	assert_int_equal(init_with(&s, PSP_SNP_INIT_RMP | PSP_SNP_INIT_LIST, &l, at),
			 PSP_RMP_INIT_FAILED);
	assert_int_equal(cmd_at(&s, PSP_SNP_GCTX_CREATE, a), PSP_INVALID_PLATFORM_STATE);
	no_snp(&s);
}

static enum psp_status set_state(struct snp *s, const struct list *l, uint64_t at)
{
	put(s, at, l, sizeof(*l));
	return cmd(s, PSP_SNP_PAGE_SET_STATE, &(struct psp_snp_page_set_state){
		.length = sizeof(struct psp_snp_page_set_state), .list_address = at });
}

/* All of them are the firmware's, or none changes. */
static void firmware_pages_are_fixed(void **unused)
{
	struct snp s = an_snp();
	const uint64_t at = a_page(&s), a = a_large(&s);
	struct list l = two_ranges(a, a + 8 * PAGE_SIZE);

	(void)unused;
	for (unsigned i = 0; i < 9; i++)
		assign(&s, a + i * PAGE_SIZE, 0, 0, false, true);
	assert_int_equal(set_state(&s, &l, at), PSP_INVALID_PAGE_STATE);
	for (unsigned i = 0; i < 9; i++)
		assert_int_equal(state_of(&s, a + i * PAGE_SIZE), SNP_STATE_FIRMWARE);
	l.ranges[1].nr_pages = 1;
	assert_int_equal(set_state(&s, &l, at), PSP_SUCCESS);
	for (unsigned i = 0; i < 9; i++)
		assert_int_equal(state_of(&s, a + i * PAGE_SIZE),
				 i < 3 || i == 8 ? SNP_STATE_HV_FIXED : SNP_STATE_FIRMWARE);
	assert_int_equal(set_state(&s, &l, at), PSP_INVALID_PAGE_STATE);
	no_snp(&s);
}

static struct psp_snp_status status_of(struct snp *s, uint64_t at, enum psp_status want)
{
	struct psp_snp_status out = { 0 };

	assert_int_equal(cmd_at(s, PSP_SNP_PLATFORM_STATUS, at), want);
	if (want == PSP_SUCCESS)
		get(s, at, &out, sizeof(out));
	return out;
}

static void status_and_shutdown(void **unused)
{
	struct psp_snp_shutdown_ex down = { .length = sizeof(down) };
	struct snp s = a_machine_with(true);
	const uint64_t at = a_page(&s);
	struct psp_snp_status st = status_of(&s, at, PSP_SUCCESS);
	uint64_t gctx;

	(void)unused;
	assert_int_equal(st.api_major, PSP_API_MAJOR);
	assert_int_equal(st.api_minor, PSP_API_MINOR);
	assert_int_equal(st.build_id, PSP_BUILD);
	assert_int_equal(st.state | st.flags1, 0);
	assert_int_equal(cmd(&s, PSP_SNP_INIT, NULL), PSP_SUCCESS);
	flush(&s);
	status_of(&s, at, PSP_INVALID_PAGE_STATE);
	assign(&s, at, 0, 0, false, true);
	status_of(&s, at + PAGE_SIZE - 8, PSP_INVALID_PARAM);
	gctx = a_context(&s);
	assert_int_equal(status_of(&s, at, PSP_SUCCESS).guest_count, 0);
	assert_int_equal(launch_start(&s, gctx, POLICY), PSP_SUCCESS);
	st = status_of(&s, at, PSP_SUCCESS);
	assert_int_equal(st.guest_count, 1);
	assert_int_equal(st.state, 1);
	assert_int_equal(st.flags1, 1);
	/* Guests go with the platform; the RMP stays made unless the IOMMUs are told. */
	assert_int_equal(cmd(&s, PSP_SNP_SHUTDOWN_EX, &down), PSP_SUCCESS);
	assert_int_equal(status_of(&s, at, PSP_SUCCESS).state, 0);
	assert_int_equal(status_of(&s, at, PSP_SUCCESS).guest_count, 0);
	assert_int_equal(cmd(&s, PSP_SNP_INIT_EX, &(struct psp_snp_init_ex){ .flags = 2 }),
			 PSP_INVALID_PARAM);
	assert_int_equal(cmd(&s, PSP_SNP_INIT_EX, &(struct psp_snp_init_ex){ 0 }), PSP_SUCCESS);
	assert_int_equal(launch_start(&s, gctx, POLICY), PSP_INVALID_GUEST);
	assert_int_equal(cmd(&s, PSP_SNP_SHUTDOWN, NULL), PSP_DFFLUSH_REQUIRED);
	flush(&s);
	down.flags = PSP_SNP_SHUTDOWN_IOMMU;
	assert_int_equal(cmd(&s, PSP_SNP_SHUTDOWN_EX, &down), PSP_SUCCESS);
	assert_int_equal(status_of(&s, at, PSP_SUCCESS).flags1, 0);
	assert_int_equal(cmd(&s, PSP_SNP_INIT_EX, &(struct psp_snp_init_ex){ 0 }),
			 PSP_RMP_INIT_REQUIRED);
	assert_int_equal(cmd(&s, PSP_SNP_SHUTDOWN, NULL), PSP_SUCCESS);
	no_snp(&s);
}

static enum psp_status activate_ex(struct snp *s, uint64_t gctx, uint32_t id, uint32_t nr)
{
	struct psp_snp_activate_ex in = { .length = sizeof(in), .gctx = gctx, .asid = ASID,
					  .nr_ids = nr, .ids_address = a_page(s) };

	put(s, in.ids_address, &id, sizeof(id));
	return cmd(s, PSP_SNP_ACTIVATE_EX, &in);
}

static void activation_by_cores(void **unused)
{
	struct snp s = an_snp();
	uint64_t gctx = a_context(&s);
	struct psp_snp_activate_ex in = { .length = 28, .gctx = gctx, .asid = ASID, .nr_ids = 1 };

	(void)unused;
	assert_int_equal(cmd(&s, PSP_SNP_ACTIVATE_EX, &in), PSP_INVALID_PARAM);
	in.length = sizeof(in);
	in.reserved = 1;
	assert_int_equal(cmd(&s, PSP_SNP_ACTIVATE_EX, &in), PSP_INVALID_PARAM);
	assert_int_equal(activate_ex(&s, gctx + 8, 0, 1), PSP_INVALID_PARAM);
	assert_int_equal(activate_ex(&s, gctx, 0, 1), PSP_INVALID_GUEST_STATE);
	assert_int_equal(activate_ex(&s, a_page(&s), 0, 1), PSP_INVALID_GUEST);
	assert_int_equal(launch_start(&s, gctx, POLICY), PSP_SUCCESS);
	assert_int_equal(activate_ex(&s, gctx, 0, 0), PSP_INVALID_PARAM);
	assert_int_equal(activate_ex(&s, gctx, 0, 2), PSP_INVALID_PARAM);
	assert_int_equal(activate_ex(&s, gctx, 1, 1), PSP_INVALID_PARAM);
	assert_int_equal(activate_ex(&s, gctx, 0, 1), PSP_SUCCESS);
	assert_int_equal(guest_status(&s, gctx).asid, ASID);
	/* More cores for the same ASID; another one is another activation. */
	assert_int_equal(activate_ex(&s, gctx, 0, 1), PSP_SUCCESS);
	assert_int_equal(activate(&s, gctx, OTHER_ASID), PSP_ACTIVE);
	no_snp(&s);
}

/* Only pages of the image go into its digest; all go into the guest's. */
static void migration_images(void **unused)
{
	static const uint8_t zeros[SNP_DIGEST_BYTES];
	struct snp s = an_snp();
	const uint64_t gctx = a_guest(&s, POLICY, ASID);
	const struct snp_guest *g = snp_guest_find(s.hw->psp, gctx);
	uint8_t ld[SNP_DIGEST_BYTES];
	struct psp_snp_launch_update u;

	(void)unused;
	for (unsigned i = 0; i < 2; i++) {
		u = update_of(gctx, a_page(&s), PSP_SNP_ZERO, false);
		u.page |= i ? PSP_SNP_UPDATE_IMI : 0;
		assign(&s, u.address, GPA_AT + i * PAGE_SIZE, ASID, false, true);
		memcpy(ld, g->ld, sizeof(ld));
		assert_int_equal(cmd(&s, PSP_SNP_LAUNCH_UPDATE, &u), PSP_SUCCESS);
		assert_int_not_equal(memcmp(ld, g->ld, sizeof(ld)), 0);
		assert_int_equal(memcmp(zeros, g->imd, sizeof(zeros)) != 0, i);
	}
	no_snp(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(fixed_ranges), cmocka_unit_test(a_range_that_is_taken),
		cmocka_unit_test(firmware_pages_are_fixed), cmocka_unit_test(status_and_shutdown),
		cmocka_unit_test(activation_by_cores), cmocka_unit_test(migration_images),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
