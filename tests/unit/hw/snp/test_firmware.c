/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
#include "hw/snp/an_rmp.h"
#include "hw/snp/firmware.h"

#define TYPE(n)	((n) * (1ull << 48))

static void states(void **unused)
{
	static const struct { struct rmp_entry e; enum snp_state want; } rows[] = {
		{ { .covered = false }, SNP_STATE_DEFAULT },
		{ { .covered = true }, SNP_STATE_HYPERVISOR },
		{ { .covered = true, .immutable = true }, SNP_STATE_HV_FIXED },
		{ { .covered = true, .assigned = true }, SNP_STATE_RECLAIM },
		{ { .covered = true, .assigned = true, .immutable = true }, SNP_STATE_FIRMWARE },
		{ { .covered = true, .assigned = true, .immutable = true, .vmsa = true },
		  SNP_STATE_CONTEXT },
		{ { .covered = true, .assigned = true, .immutable = true, .gpa = TYPE(1) | 0x1000 },
		  SNP_STATE_METADATA },
		{ { .covered = true, .assigned = true, .immutable = true, .gpa = TYPE(2) | 0x1000 },
		  SNP_STATE_FIRMWARE_IOMMU },
		{ { .covered = true, .assigned = true, .immutable = true, .gpa = 0x1000 },
		  SNP_STATE_INVALID },
		{ { .covered = true, .assigned = true, .validated = true }, SNP_STATE_INVALID },
		{ { .covered = true, .assigned = true, .immutable = true, .asid = 1 },
		  SNP_STATE_PRE_GUEST },
		{ { .covered = true, .assigned = true, .immutable = true, .asid = 1,
		    .validated = true }, SNP_STATE_PRE_SWAP },
		{ { .covered = true, .assigned = true, .asid = 1 }, SNP_STATE_GUEST_INVALID },
		{ { .covered = true, .assigned = true, .asid = 1, .validated = true },
		  SNP_STATE_GUEST_VALID },
	};

	(void)unused;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		assert_int_equal(snp_state_of(&rows[i].e), rows[i].want);
}

static enum snp_state state_at(struct hw *hw, uint64_t a)
{
	struct rmp_entry e = snp_page(hw, HPA(a));

	return snp_state_of(&e);
}

/* Pre-Guest, measured, valid; and from each state back to the host. */
static void a_launched_page(void **unused)
{
	struct rmp_operand o = to_guest(GPA_AT, ASID, false, true);
	struct rmp_entry e;
	struct hw *hw = an_rmp();

	(void)unused;
	assert_int_equal(rmpupdate(hw, HPA(AT), &o), RMP_SUCCESS);
	assert_int_equal(state_at(hw, AT), SNP_STATE_PRE_GUEST);
	e = snp_page(hw, HPA(AT));
	e.validated = true;
	e.immutable = false;
	e.perm[1] = RMP_PERM_READ;
	assert_int_equal(snp_firmware_move(hw, HPA(AT), true, SNP_STATE_PRE_GUEST, &e,
					   RMP_EVENT_LAUNCHED), SNP_BAD_SIZE);
	assert_int_equal(snp_firmware_move(hw, HPA(AT), false, SNP_STATE_FIRMWARE, &e,
					   RMP_EVENT_LAUNCHED), SNP_BAD_STATE);
	assert_int_equal(snp_firmware_move(hw, HPA(AT), false, SNP_STATE_PRE_GUEST, &e,
					   RMP_EVENT_LAUNCHED), SNP_MOVED);
	assert_int_equal(state_at(hw, AT), SNP_STATE_GUEST_VALID);
	assert_int_equal(entry_at(hw, AT).perm[1], RMP_PERM_READ);
	assert_sound(hw, AT);
	assert_int_equal(release(hw, AT, false), RMP_SUCCESS);
	no_machine(hw);
}

static void reclaim(void **unused)
{
	struct rmp_operand o = to_guest(0, 0, false, true);
	struct rmp_entry e;
	struct hw *hw = an_rmp();

	(void)unused;
	assert_int_equal(snp_firmware_reclaim(hw, HPA(AT), false), SNP_MOVED);
	assert_int_equal(snp_firmware_reclaim(hw, HPA(AT), true), SNP_BAD_SIZE);
	assert_int_equal(rmpupdate(hw, HPA(AT), &o), RMP_SUCCESS);
	assert_int_equal(release(hw, AT, false), RMP_FAIL_PERMISSION);
	assert_int_equal(snp_firmware_reclaim(hw, HPA(AT), false), SNP_MOVED);
	assert_int_equal(state_at(hw, AT), SNP_STATE_RECLAIM);
	assert_int_equal(release(hw, AT, false), RMP_SUCCESS);
	o = to_guest(GPA_AT, ASID, true, true);
	assert_int_equal(rmpupdate(hw, HPA(AT), &o), RMP_SUCCESS);
	assert_int_equal(snp_firmware_reclaim(hw, HPA(AT), true), SNP_MOVED);
	assert_int_equal(state_at(hw, AT), SNP_STATE_GUEST_INVALID);
	o = to_guest(0, 0, false, true);
	assert_int_equal(rmpupdate(hw, HPA(AT + M2), &o), RMP_SUCCESS);
	e = (struct rmp_entry){ .assigned = true, .immutable = true, .vmsa = true };
	assert_int_equal(snp_firmware_move(hw, HPA(AT + M2), false, SNP_STATE_FIRMWARE, &e,
					   RMP_EVENT_FIRMWARE), SNP_MOVED);
	assert_int_equal(state_at(hw, AT + M2), SNP_STATE_CONTEXT);
	assert_int_equal(snp_firmware_reclaim(hw, HPA(AT + M2), false), SNP_BAD_STATE);
	assert_int_equal(snp_firmware_fix(hw, HPA(AT + 2 * M2)), SNP_MOVED);
	assert_int_equal(state_at(hw, AT + 2 * M2), SNP_STATE_HV_FIXED);
	assert_int_equal(snp_firmware_reclaim(hw, HPA(AT + 2 * M2), false), SNP_BAD_STATE);
	assert_int_equal(assign(hw, AT + 2 * M2, 0, ASID, false), RMP_FAIL_PERMISSION);
	for (unsigned i = 0; i < 3; i++)
		assert_sound(hw, AT + i * M2);
	no_machine(hw);
}

static void unsmash(void **unused)
{
	struct hw *hw = an_rmp();

	(void)unused;
	for (unsigned i = 0; i < 512; i++) {
		struct rmp_operand o = to_guest(GPA_AT + i * PAGE_SIZE, ASID, false, true);

		assert_int_equal(snp_firmware_unsmash(hw, HPA(AT)), SNP_BAD_STATE);
		assert_int_equal(rmpupdate(hw, HPA(AT + i * PAGE_SIZE), &o), RMP_SUCCESS);
	}
	assert_int_equal(snp_firmware_unsmash(hw, HPA(AT + 0x1000)), SNP_BAD_ADDRESS);
	assert_int_equal(snp_firmware_unsmash(hw, HPA(AT)), SNP_MOVED);
	assert_true(entry_at(hw, AT).is_2m && entry_at(hw, AT).asid == ASID);
	assert_sound(hw, AT);
	assert_int_equal(peek_rmp_asid_pages(hw, ASID), 512);
	assert_int_equal(snp_firmware_unsmash(hw, HPA(AT)), SNP_BAD_STATE);
	no_machine(hw);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(states), cmocka_unit_test(a_launched_page),
		cmocka_unit_test(reclaim), cmocka_unit_test(unsmash),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
