/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
#include "hw/snp/an_rmp.h"

#include <string.h>

#define END	(1ull << 42)

static void the_operand_is_checked(void **unused)
{
	static const struct {
		const char *what;
		uint64_t at;
		struct rmp_operand to;
		enum rmp_status want;
	} rows[] = {
		{ "4K", AT + 0x1fff, { .gpa = 0x3000, .assigned = 1, .asid = 509 }, RMP_SUCCESS },
		{ "no such ASID", AT, { .assigned = 1, .asid = 510 }, RMP_FAIL_INPUT },
		{ "assigned, reserved", AT, { .assigned = 3, .asid = 5 }, RMP_FAIL_INPUT },
		{ "page size, reserved", AT, { .assigned = 1, .page_size = 2 }, RMP_FAIL_INPUT },
		{ "immutable, reserved", AT, { .assigned = 1, .immutable = 2 }, RMP_FAIL_INPUT },
		{ "reserved byte", AT, { .assigned = 1, .reserved = 1 }, RMP_FAIL_INPUT },
		{ "GPA too high", AT, { .assigned = 1, .gpa = 1ull << 52 }, RMP_FAIL_INPUT },
		{ "2M not aligned", AT + 0x1000, { .assigned = 1, .page_size = 1 },
		  RMP_FAIL_INPUT },
		{ "released, immutable", AT, { .immutable = 1 }, RMP_FAIL_INPUT },
		{ "released, ASID", AT, { .asid = 1 }, RMP_FAIL_INPUT },
		{ "GPA in a 4K page", AT, { .assigned = 1, .asid = 1, .gpa = 0x1800 },
		  RMP_FAIL_INPUT },
		{ "GPA in a 2M page", AT, { .assigned = 1, .asid = 1, .page_size = 1, .gpa = 0x1000 },
		  RMP_FAIL_INPUT },
		{ "not covered", END, { .assigned = 1 }, RMP_FAIL_INPUT },
		{ "the last page", END - 0x1000, { .assigned = 1 }, RMP_SUCCESS },
		{ "firmware", AT + 0x2000, { .assigned = 1, .immutable = 1 }, RMP_SUCCESS },
	};
	struct hw *hw = an_rmp();

	(void)unused;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		enum rmp_status got = rmpupdate(hw, HPA(rows[i].at), &rows[i].to);

		if (got != rows[i].want)
			fail_msg("%s: %d", rows[i].what, got);
		assert_sound(hw, rows[i].at);
	}
	no_machine(hw);
}

static void no_rmp_no_instruction(void **unused)
{
	struct hw *hw = a_machine((struct hw_config){ .vendor = HW_VENDOR_AMD, .phys_bits = 48,
						      .phys_reduction = 5, .c_bit = 47 });
	struct rmp_operand o = { .assigned = 1 };

	(void)unused;
	assert_int_equal(rmpupdate(hw, HPA(AT), &o), RMP_UD);
	assert_int_equal(rmpread(hw, HPA(AT), &o), RMP_UD);
	assert_int_equal(psmash(hw, HPA(AT)), RMP_UD);
	assert_int_equal(rmp_host_store(hw, HPA(AT), PG_LEVEL_4K, false), 0);
	assert_int_equal(snp_vmsa_take(hw, HPA(AT), ASID), RMP_VMRUN_INVALID);
	no_machine(hw);
}

/* I6: all of the entry is new, and nothing of the old one is left. */
static void an_update_destroys(void **unused)
{
	struct hw *hw = an_rmp();
	struct rmp_entry e;

	(void)unused;
	for (unsigned large = 0; large < 2; large++) {
		uint64_t a = AT + large * M2, gpa = GPA_AT + large * M2;

		assert_int_equal(assign(hw, a, gpa, ASID, large), RMP_SUCCESS);
		e = entry_at(hw, a);
		assert_true(e.assigned && !e.validated && !e.vmsa && !e.immutable);
		assert_int_equal(e.asid, ASID);
		assert_int_equal(e.gpa, gpa);
		assert_int_equal(e.is_2m, large);
		assert_int_equal(e.perm[0], RMP_PERM_ALL);
		assert_int_equal(e.perm[1] | e.perm[2] | e.perm[3], 0);
		assert_int_equal(pvalidate(hw, a, gpa, large, true).eax, RMP_SUCCESS);
		assert_true(entry_at(hw, a).validated);
		assert_int_equal(assign(hw, a, gpa, ASID, large), RMP_SUCCESS);
		assert_false(entry_at(hw, a).validated);
		assert_int_equal(peek_rmp_asid_pages(hw, ASID), large ? 512 : 1);
		assert_sound(hw, a);
		assert_int_equal(release(hw, a, large), RMP_SUCCESS);
		e = entry_at(hw, a);
		assert_false(e.assigned || e.is_2m || e.asid || e.gpa || e.perm[0] || e.subpages);
		assert_int_equal(peek_rmp_asid_pages(hw, ASID), 0);
	}
	no_machine(hw);
}

static void immutable_entries_stay(void **unused)
{
	struct rmp_operand o = to_guest(GPA_AT, ASID, true, true);
	struct hw *hw = an_rmp();

	(void)unused;
	assert_int_equal(rmpupdate(hw, HPA(AT), &o), RMP_SUCCESS);
	assert_int_equal(release(hw, AT, true), RMP_FAIL_PERMISSION);
	assert_int_equal(release(hw, AT + 0x1000, false), RMP_FAIL_PERMISSION);
	assert_int_equal(psmash(hw, HPA(AT)), RMP_FAIL_PERMISSION);
	o = to_guest(0, 0, false, true);
	assert_int_equal(rmpupdate(hw, HPA(AT + M2 + 0x5000), &o), RMP_SUCCESS);
	assert_int_equal(release(hw, AT + M2 + 0x5000, false), RMP_FAIL_PERMISSION);
	assert_int_equal(release(hw, AT + M2, true), RMP_FAIL_PERMISSION);
	assert_int_equal(release(hw, AT + M2, false), RMP_SUCCESS);
	assert_sound(hw, AT + M2);
	no_machine(hw);
}

static void sizes_overlap(void **unused)
{
	struct hw *hw = an_rmp();

	(void)unused;
	assert_int_equal(assign(hw, AT, GPA_AT, ASID, true), RMP_SUCCESS);
	assert_int_equal(release(hw, AT, false), RMP_FAIL_OVERLAP);
	assert_int_equal(release(hw, AT + 0x7000, false), RMP_FAIL_OVERLAP);
	assert_int_equal(assign(hw, AT + 0x1ff000, 0, ASID, false), RMP_FAIL_OVERLAP);
	assert_int_equal(assign(hw, AT, GPA_AT + M2, ASID + 1, true), RMP_SUCCESS);
	assert_int_equal(release(hw, AT, true), RMP_SUCCESS);
	assert_int_equal(assign(hw, AT, 0, ASID, false), RMP_SUCCESS);	/* the first itself */
	assert_int_equal(assign(hw, AT, GPA_AT, ASID, true), RMP_SUCCESS);
	assert_int_equal(release(hw, AT, true), RMP_SUCCESS);
	assert_int_equal(assign(hw, AT + 0x3000, 0, ASID, false), RMP_SUCCESS);
	assert_int_equal(assign(hw, AT, GPA_AT, ASID, true), RMP_FAIL_OVERLAP);
	assert_int_equal(release(hw, AT, true), RMP_FAIL_OVERLAP);
	assert_int_equal(release(hw, AT + 0x3000, false), RMP_SUCCESS);
	assert_int_equal(assign(hw, AT, GPA_AT, ASID, true), RMP_SUCCESS);
	assert_sound(hw, AT);
	no_machine(hw);
}

static void psmash_keeps_everything(void **unused)
{
	struct hw *hw = an_rmp();

	(void)unused;
	assert_int_equal(psmash(hw, HPA(AT)), RMP_FAIL_BADADDR);
	assert_int_equal(psmash(hw, HPA(AT + 0x1000)), RMP_FAIL_INPUT);
	assert_int_equal(psmash(hw, HPA(END)), RMP_FAIL_INPUT);
	assert_int_equal(assign(hw, AT + M2, GPA_AT, ASID, false), RMP_SUCCESS);
	assert_int_equal(psmash(hw, HPA(AT + M2)), RMP_FAIL_BADADDR);
	assert_int_equal(assign(hw, AT, GPA_AT, ASID, true), RMP_SUCCESS);
	assert_int_equal(pvalidate(hw, AT, GPA_AT, true, true).eax, RMP_SUCCESS);
	assert_int_equal(psmash(hw, HPA(AT)), RMP_SUCCESS);
	for (unsigned i = 0; i < 512; i++) {
		struct rmp_entry e = entry_at(hw, AT + i * PAGE_SIZE);

		assert_true(e.assigned && e.validated && !e.is_2m);
		assert_int_equal(e.gpa, GPA_AT + i * PAGE_SIZE);
		assert_int_equal(e.asid, ASID);
		assert_int_equal(e.perm[0], RMP_PERM_ALL);
		assert_int_equal(e.subpages, i ? 0 : 511);
	}
	assert_sound(hw, AT);
	assert_int_equal(peek_rmp_asid_pages(hw, ASID), 513);
	assert_int_equal(psmash(hw, HPA(AT)), RMP_FAIL_BADADDR);
	no_machine(hw);
}

static void rmpread_tells_what_the_host_may_know(void **unused)
{
	struct hw *hw = an_rmp();
	struct rmp_operand o;

	(void)unused;
	assert_int_equal(rmpread(hw, HPA(AT), &o), RMP_SUCCESS);
	assert_memory_equal(&o, &(struct rmp_operand){ 0 }, sizeof(o));
	assert_int_equal(assign(hw, AT, GPA_AT, ASID, true), RMP_SUCCESS);
	assert_int_equal(rmpread(hw, HPA(AT), &o), RMP_SUCCESS);
	assert_true(o.assigned == 1 && (o.page_size & RMP_OPERAND_2M) && o.asid == ASID &&
		    o.gpa == GPA_AT && !o.immutable);
	assert_int_equal(rmpread(hw, HPA(AT + 0x1000), &o), RMP_SUCCESS);
	assert_true(o.assigned == 1 && !o.page_size && !o.asid);
	assert_int_equal(assign(hw, AT + M2 + 0x1000, GPA_AT, ASID, false), RMP_SUCCESS);
	assert_int_equal(rmpread(hw, HPA(AT + M2), &o), RMP_SUCCESS);
	assert_true(!o.assigned && o.page_size == RMP_OPERAND_OTHERS);
	assert_int_equal(rmpread(hw, HPA(END), &o), RMP_FAIL_INPUT);
	no_machine(hw);
}

static void the_past_is_told(void **unused)
{
	static const enum rmp_event want[] = { RMP_EVENT_RELEASED, RMP_EVENT_SMASHED,
					       RMP_EVENT_VALIDATED };
	struct rmp_past past[RMP_HISTORY];
	struct hw *hw = an_rmp();
	char text[240];

	(void)unused;
	assert_int_equal(peek_rmp_history(hw, HPA(AT), past), 0);
	assert_int_equal(assign(hw, AT, GPA_AT, ASID, true), RMP_SUCCESS);
	assert_int_equal(pvalidate(hw, AT, GPA_AT, true, true).eax, RMP_SUCCESS);
	peek_rmp_text(hw, HPA(AT + 0x6000), text, sizeof(text));
	assert_string_equal(text, "page 0x40006: gfn 0x12006 of ASID 5, 2M, validated; "
			    "RMPUPDATE assigned it (ASID 5, 2M), PVALIDATE validated it");
	assert_int_equal(psmash(hw, HPA(AT)), RMP_SUCCESS);
	assert_int_equal(release(hw, AT + 0x6000, false), RMP_SUCCESS);
	assert_int_equal(peek_rmp_history(hw, HPA(AT + 0x6000), past), 3);
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(past[i].event, want[i]);
	peek_rmp_text(hw, HPA(AT + 0x6000), text, 30);
	assert_int_equal(strlen(text), 29);
	no_machine(hw);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_operand_is_checked),
		cmocka_unit_test(no_rmp_no_instruction),
		cmocka_unit_test(an_update_destroys),
		cmocka_unit_test(immutable_entries_stay),
		cmocka_unit_test(sizes_overlap),
		cmocka_unit_test(psmash_keeps_everything),
		cmocka_unit_test(rmpread_tells_what_the_host_may_know),
		cmocka_unit_test(the_past_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
