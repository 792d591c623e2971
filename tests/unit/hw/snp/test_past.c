/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* test_past.c - what is told of a page: its events, its owner, which rule it breaks. */
#include "hw/snp/an_rmp.h"
#include "hw/snp/firmware.h"

#include <string.h>

#define END	(1ull << 42)

static void expect_last(struct hw *hw, uint64_t a, enum rmp_event e)
{
	struct rmp_past past[RMP_HISTORY];

	assert_true(peek_rmp_history(hw, HPA(a), past) > 0);
	assert_int_equal(past[0].event, e);
}

/* Of the pages that it was done to, and no others. */
static void each_deed_is_noted(void **unused)
{
	struct rmp_operand firmware = to_guest(0, 0, false, true), prepared;
	struct rmp_target t = target(AT, GPA_AT, true);
	struct rmp_entry e = { .assigned = true, .asid = ASID, .gpa = GPA_AT };
	struct rmp_past past[RMP_HISTORY];
	struct hw *hw = an_rmp();

	(void)unused;
	assert_int_equal(assign(hw, AT, GPA_AT, ASID, true), RMP_SUCCESS);
	expect_last(hw, AT + M2 - PAGE_SIZE, RMP_EVENT_ASSIGNED);
	assert_int_equal(pvalidate(hw, AT, GPA_AT, true, true).eax, RMP_SUCCESS);
	expect_last(hw, AT + 0x9000, RMP_EVENT_VALIDATED);
	assert_int_equal(snp_rmpadjust(hw, &t, 1, 0x101).eax, RMP_SUCCESS);
	expect_last(hw, AT + 0x9000, RMP_EVENT_ADJUSTED);
	assert_int_equal(pvalidate(hw, AT, GPA_AT, true, false).eax, RMP_SUCCESS);
	expect_last(hw, AT + 0x9000, RMP_EVENT_RESCINDED);
	assert_int_equal(psmash(hw, HPA(AT)), RMP_SUCCESS);
	expect_last(hw, AT + 0x9000, RMP_EVENT_SMASHED);
	assert_int_equal(pvalidate(hw, AT, GPA_AT, false, true).eax, RMP_SUCCESS);
	t = target(AT, GPA_AT, false);
	assert_int_equal(snp_rmpadjust(hw, &t, 0, 0x101).eax, RMP_SUCCESS);
	expect_last(hw, AT, RMP_EVENT_ADJUSTED);
	expect_last(hw, AT + 0x1000, RMP_EVENT_SMASHED);
	assert_int_equal(release(hw, AT + 0x1000, false), RMP_SUCCESS);
	expect_last(hw, AT + 0x1000, RMP_EVENT_RELEASED);
	expect_last(hw, AT + 0x2000, RMP_EVENT_SMASHED);

	prepared = to_guest(GPA_AT, ASID, false, true);
	assert_int_equal(rmpupdate(hw, HPA(AT + M2), &prepared), RMP_SUCCESS);
	expect_last(hw, AT + M2, RMP_EVENT_PREPARED);
	assert_int_equal(snp_firmware_move(hw, HPA(AT + M2), false, SNP_STATE_PRE_GUEST, &e,
					   RMP_EVENT_LAUNCHED), SNP_MOVED);
	expect_last(hw, AT + M2, RMP_EVENT_LAUNCHED);
	assert_int_equal(peek_rmp_history(hw, HPA(AT + M2 + 0x1000), past), 0);
	assert_int_equal(rmpupdate(hw, HPA(AT + M2 + 0x1000), &firmware), RMP_SUCCESS);
	assert_int_equal(snp_firmware_reclaim(hw, HPA(AT + M2 + 0x1000), false), SNP_MOVED);
	expect_last(hw, AT + M2 + 0x1000, RMP_EVENT_RECLAIMED);
	firmware.page_size = RMP_OPERAND_2M;
	assert_int_equal(rmpupdate(hw, HPA(AT + 2 * M2), &firmware), RMP_SUCCESS);
	assert_int_equal(snp_firmware_reclaim(hw, HPA(AT + 2 * M2), true), SNP_MOVED);
	expect_last(hw, AT + 2 * M2 + 0x9000, RMP_EVENT_RECLAIMED);
	assert_true(entry_at(hw, AT + 2 * M2).is_2m);
	assert_sound(hw, AT + 2 * M2);
	assert_int_equal(snp_firmware_fix(hw, HPA(AT + M2 + 0x2000)), SNP_MOVED);
	expect_last(hw, AT + M2 + 0x2000, RMP_EVENT_FIRMWARE);
	no_machine(hw);
}

/* Entries and events that are put there; what the message says. */
static const struct {
	struct rmp_entry e;
	enum rmp_event	 event;
	const char	*want;
} told[] = {
	{ { .assigned = false }, RMP_EVENT_RELEASED,
	  "the hypervisor's; RMPUPDATE gave it to the hypervisor" },
	{ { .immutable = true }, RMP_EVENT_FIRMWARE,
	  "the hypervisor's, fixed; the secure processor took it" },
	{ { .assigned = true, .immutable = true }, RMP_EVENT_RECLAIMED,
	  "the secure processor's; SNP_PAGE_RECLAIM" },
	{ { .assigned = true, .asid = 3, .gpa = 0x5000, .immutable = true }, RMP_EVENT_PREPARED,
	  "gfn 0x5 of ASID 3, 4K, not validated, immutable; "
	  "RMPUPDATE assigned it for the secure processor (ASID 3, 4K)" },
	{ { .assigned = true, .asid = 3, .gpa = 0x5000, .validated = true, .vmsa = true },
	  RMP_EVENT_LAUNCHED, "gfn 0x5 of ASID 3, 4K, validated, VMSA; SNP_LAUNCH_UPDATE" },
	{ { .assigned = true, .asid = 3 }, RMP_EVENT_SMASHED,
	  "gfn 0x0 of ASID 3, 4K, not validated; PSMASH" },
	{ { .assigned = true, .asid = 3 }, RMP_EVENT_RESCINDED,
	  "gfn 0x0 of ASID 3, 4K, not validated; PVALIDATE rescinded it" },
	{ { .assigned = true, .asid = 3 }, RMP_EVENT_ADJUSTED,
	  "gfn 0x0 of ASID 3, 4K, not validated; RMPADJUST" },
	{ { .assigned = true, .asid = 3 }, RMP_EVENT_UNSMASHED,
	  "gfn 0x0 of ASID 3, 4K, not validated; SNP_PAGE_UNSMASH" },
	{ { .assigned = true, .asid = 3 }, (enum rmp_event)13,
	  "gfn 0x0 of ASID 3, 4K, not validated; ?" },
	{ { .assigned = true, .asid = 3 }, (enum rmp_event)15,
	  "gfn 0x0 of ASID 3, 4K, not validated; ?" },
};

static void what_is_told(void **unused)
{
	struct hw *hw = an_rmp();
	char text[240], small[64];
	struct rmp_locked l;

	(void)unused;
	for (size_t i = 0; i < ARRAY_SIZE(told); i++) {
		uint64_t a = AT + (i + 1) * M2;

		assert_int_equal(rmp_lock(hw->frames.rmp, HPA(a), false, true, &l), RMP_LOCKED);
		rmp_store(&l, 0, rmp_words_of(&told[i].e));
		rmp_note(&l, 0, 1, told[i].event, rmp_words_of(&told[i].e));
		rmp_unlock(&l);
		peek_rmp_text(hw, HPA(a), text, sizeof(text));
		assert_string_equal(strchr(text, ':') + 2, told[i].want);
		/* No byte behind the end is touched. */
		for (size_t size = 1; size < 60; size++) {
			memset(small, 'x', sizeof(small));
			peek_rmp_text(hw, HPA(a), small, size);
			assert_int_equal(strlen(small), MIN(size - 1, strlen(text)));
			assert_memory_equal(small, text, strlen(small));
			for (size_t k = size; k < sizeof(small); k++)
				assert_int_equal(small[k], 'x');
		}
	}
	memset(small, 'x', sizeof(small));
	peek_rmp_text(hw, HPA(AT + M2), small, 0);
	for (size_t k = 0; k < sizeof(small); k++)
		assert_int_equal(small[k], 'x');
	peek_rmp_text(hw, HPA(END), text, sizeof(text));
	assert_string_equal(text, "page 0x40000000: not in the RMP");
	no_machine(hw);
}

static void without_an_entry(void **unused)
{
	struct hw *hw = an_rmp();
	struct rmp_past past[RMP_HISTORY];
	struct rmp_entry e;
	struct rmp_locked l;
	char text[8] = "before";

	(void)unused;
	assert_false(peek_rmp(hw, HPA(END), &e));
	assert_null(peek_rmp_wrong(hw, HPA(END)));
	assert_true(peek_rmp(hw, HPA(AT), &e));	/* no region yet */
	assert_true(e.covered && !e.assigned);
	assert_null(peek_rmp_wrong(hw, HPA(AT)));
	assert_null(hw->frames.rmp->regions[AT >> RMP_REGION_SHIFT]);
	assert_int_equal(rmp_lock(hw->frames.rmp, HPA(AT), false, true, &l), RMP_LOCKED);
	assert_false(peek_rmp(hw, HPA(AT), &e));
	assert_string_equal(peek_rmp_wrong(hw, HPA(AT)), "a lock that is never given back");
	rmp_unlock(&l);
	assert_true(peek_rmp(hw, HPA(AT), &e));
	no_machine(hw);

	hw = a_machine((struct hw_config){ .vendor = HW_VENDOR_AMD, .phys_bits = 48,
					   .phys_reduction = 5, .c_bit = 47 });
	assert_false(peek_rmp(hw, HPA(AT), &e));
	assert_null(peek_rmp_wrong(hw, HPA(AT)));
	assert_int_equal(peek_rmp_history(hw, HPA(AT), past), 0);
	assert_int_equal(peek_rmp_asid_pages(hw, 1), 0);
	peek_rmp_text(hw, HPA(AT), text, 0);
	assert_string_equal(text, "before");
	peek_rmp_text(hw, HPA(AT), text, sizeof(text));
	assert_string_equal(text, "");
	no_machine(hw);
}

/* What the auditor is to see: entry @page of 2 MiB is @e. */
static const struct {
	unsigned	 page;
	struct rmp_entry e;
	const char	*rule;		/* NULL: sound */
} broken[] = {
	{ 0, { .assigned = false }, NULL }, { 5, { .immutable = true }, NULL },
	{ 5, { .asid = 1 }, "I2" }, { 5, { .validated = true }, "I2" }, { 5, { .vmsa = true }, "I2" },
	{ 5, { .gpa = 0x1000 }, "I2" }, { 0, { .asid = 1 }, "I2" }, { 511, { .asid = 1 }, "I2" },
	{ 0, { .validated = true, .assigned = true }, "I3" },
	{ 0, { .validated = true, .assigned = true, .asid = 1 }, NULL },
	{ 5, { .is_2m = true }, "I1" }, { 511, { .is_2m = true }, "I1" },
	{ 5, { .subpages = 1 }, "I5" }, { 5, { .assigned = true }, "I5" },
	{ 0, { .subpages = 1 }, "I5" }, { 5, { .subpages = 1, .is_2m = true }, "I1" },
	{ 512, { .asid = 1 }, NULL },		/* the next 2 MiB are asked apart */
};

static void put(struct hw *hw, uint64_t a, struct rmp_entry e)
{
	struct rmp_locked l;

	assert_int_equal(rmp_lock(hw->frames.rmp, HPA(a), true, true, &l), RMP_LOCKED);
	rmp_store(&l, l.page, rmp_words_of(&e));
	rmp_unlock(&l);
}

static void expect_wrong(struct hw *hw, const char *rule)
{
	const char *wrong = peek_rmp_wrong(hw, HPA(AT));

	if (!rule)
		assert_null(wrong);
	else if (!wrong || strncmp(wrong, rule, 2))
		fail_msg("%s, not %s", wrong ? wrong : "sound", rule);
}

static void rules_that_are_broken(void **unused)
{
	struct rmp_entry head = { .assigned = true, .asid = 1, .is_2m = true, .gpa = GPA_AT };
	struct hw *hw = an_rmp();

	(void)unused;
	for (size_t i = 0; i < ARRAY_SIZE(broken); i++) {
		put(hw, AT + broken[i].page * PAGE_SIZE, broken[i].e);
		expect_wrong(hw, broken[i].rule);
		put(hw, AT + broken[i].page * PAGE_SIZE, (struct rmp_entry){ 0 });
		expect_wrong(hw, NULL);
	}
	assert_int_equal(assign(hw, AT, GPA_AT, 1, true), RMP_SUCCESS);
	expect_wrong(hw, NULL);
	put(hw, AT + 0x5000, (struct rmp_entry){ .assigned = true, .asid = 1 });
	expect_wrong(hw, "I1");
	put(hw, AT + 0x5000, (struct rmp_entry){ .assigned = false });
	expect_wrong(hw, "I1");
	put(hw, AT + 0x5000, (struct rmp_entry){ .assigned = true, .subpages = 1 });
	expect_wrong(hw, "I5");
	put(hw, AT + 0x5000, (struct rmp_entry){ .assigned = true, .in_use = true });
	expect_wrong(hw, NULL);
	head.gpa += PAGE_SIZE;
	put(hw, AT, head);
	expect_wrong(hw, "I1");
	head.gpa = GPA_AT;
	head.subpages = 1;
	put(hw, AT, head);
	expect_wrong(hw, "I1");
	no_machine(hw);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_deed_is_noted), cmocka_unit_test(what_is_told),
		cmocka_unit_test(without_an_entry), cmocka_unit_test(rules_that_are_broken),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
