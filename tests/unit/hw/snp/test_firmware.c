/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
#include "hw/snp/an_rmp.h"
#include "hw/snp/firmware.h"
#include "sync/crowd.h"

#include <unistd.h>

#define TYPE(n)	((n) * (1ull << 48))

static void states(void **unused)
{
	static const struct { struct rmp_entry e; enum snp_state want; } rows[] = {
		{ { .covered = false }, SNP_STATE_DEFAULT },
		{ { .covered = false, .asid = 1 }, SNP_STATE_DEFAULT },
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
	o = to_guest(GPA_AT, ASID, false, true);
	e = (struct rmp_entry){ .assigned = true, .immutable = true, .validated = true, .asid = ASID,
				.gpa = GPA_AT };
	assert_int_equal(rmpupdate(hw, HPA(AT + 2 * M2 + 0x1000), &o), RMP_SUCCESS);
	assert_int_equal(snp_firmware_move(hw, HPA(AT + 2 * M2 + 0x1000), false, SNP_STATE_PRE_GUEST,
					   &e, RMP_EVENT_FIRMWARE), SNP_MOVED);
	assert_int_equal(state_at(hw, AT + 2 * M2 + 0x1000), SNP_STATE_PRE_SWAP);
	assert_int_equal(snp_firmware_reclaim(hw, HPA(AT + 2 * M2 + 0x1000), false), SNP_MOVED);
	assert_int_equal(state_at(hw, AT + 2 * M2 + 0x1000), SNP_STATE_GUEST_VALID);
	o = to_guest(0, 0, false, true);
	for (unsigned i = 2; i-- > 0;)	/* the first one counts the second */
		assert_int_equal(rmpupdate(hw, HPA(AT + 3 * M2 + i * PAGE_SIZE), &o), RMP_SUCCESS);
	assert_int_equal(snp_firmware_reclaim(hw, HPA(AT + 3 * M2), false), SNP_MOVED);
	e = (struct rmp_entry){ .assigned = true, .immutable = true, .gpa = TYPE(1) | 0x1000 };
	assert_int_equal(snp_firmware_move(hw, HPA(AT + 3 * M2 + 0x1000), false, SNP_STATE_FIRMWARE,
					   &e, RMP_EVENT_FIRMWARE), SNP_MOVED);
	assert_int_equal(state_at(hw, AT + 3 * M2 + 0x1000), SNP_STATE_METADATA);
	assert_int_equal(snp_firmware_reclaim(hw, HPA(AT + 3 * M2 + 0x1000), false), SNP_MOVED);
	assert_int_equal(state_at(hw, AT + 3 * M2 + 0x1000), SNP_STATE_RECLAIM);
	for (unsigned i = 0; i < 4; i++)
		assert_sound(hw, AT + i * M2);
	no_machine(hw);
}

/* What is the host's or the guest's to give back already is left as it is. */
static void nothing_to_reclaim(void **unused)
{
	struct rmp_operand firmware = to_guest(0, 0, false, true);
	struct hw *hw = an_rmp();

	(void)unused;
	for (unsigned i = 0; i < 4; i++) {
		uint64_t a = AT + i * PAGE_SIZE, gpa = GPA_AT + i * PAGE_SIZE;
		enum snp_state was;

		if (i == 1)
			assert_int_equal(rmpupdate(hw, HPA(a), &firmware), RMP_SUCCESS);
		if (i == 1)
			assert_int_equal(snp_firmware_reclaim(hw, HPA(a), false), SNP_MOVED);
		if (i > 1)
			assert_int_equal(assign(hw, a, gpa, ASID, false), RMP_SUCCESS);
		if (i == 3)
			assert_int_equal(pvalidate(hw, a, gpa, false, true).eax, RMP_SUCCESS);
		was = state_at(hw, a);
		assert_int_equal(was, ((enum snp_state []){ SNP_STATE_HYPERVISOR, SNP_STATE_RECLAIM,
							    SNP_STATE_GUEST_INVALID,
							    SNP_STATE_GUEST_VALID })[i]);
		assert_int_equal(snp_firmware_reclaim(hw, HPA(a), false), SNP_MOVED);
		assert_int_equal(state_at(hw, a), was);
	}
	no_machine(hw);
}

static void what_cannot_be_moved(void **unused)
{
	const struct rmp_entry guest = { .assigned = true, .asid = ASID, .gpa = GPA_AT },
			       none = { .assigned = false };
	struct hw *hw = an_rmp();
	struct rmp_target t = target(AT, GPA_AT, false);

	(void)unused;
	assert_int_equal(snp_firmware_reclaim(hw, HPA(1ull << 42), false), SNP_BAD_STATE);
	assert_int_equal(snp_firmware_reclaim(hw, HPA(AT + 0x10), false), SNP_BAD_ADDRESS);
	assert_int_equal(snp_firmware_reclaim(hw, HPA((1ull << 42) + 1), false), SNP_BAD_ADDRESS);
	assert_int_equal(assign(hw, AT, GPA_AT, ASID, false), RMP_SUCCESS);
	assert_int_equal(snp_firmware_move(hw, HPA(AT), false, SNP_STATE_GUEST_INVALID, &none,
					   RMP_EVENT_FIRMWARE), SNP_BAD_STATE);
	assert_int_equal(pvalidate(hw, AT, GPA_AT, false, true).eax, RMP_SUCCESS);
	assert_int_equal(snp_rmpadjust(hw, &t, 0, 0x10001).eax, RMP_SUCCESS);
	assert_int_equal(snp_vmsa_take(hw, HPA(AT), ASID), RMP_VMRUN_PASS);
	assert_int_equal(snp_firmware_move(hw, HPA(AT), false, SNP_STATE_GUEST_VALID, &guest,
					   RMP_EVENT_FIRMWARE), SNP_BAD_STATE);
	snp_vmsa_give(hw, HPA(AT));
	assert_int_equal(snp_firmware_move(hw, HPA(AT), false, SNP_STATE_GUEST_VALID, &guest,
					   RMP_EVENT_FIRMWARE), SNP_MOVED);
	assert_int_equal(assign(hw, AT + M2, GPA_AT, ASID, true), RMP_SUCCESS);
	assert_int_equal(snp_firmware_reclaim(hw, HPA(AT + M2 + 0x1000), true), SNP_BAD_ADDRESS);
	assert_int_equal(snp_page(hw, HPA(AT + M2 + 0x7000)).gpa, GPA_AT + 0x7000);
	no_machine(hw);
}

struct held {
	struct hw	*hw;
	bool		all;
	atomic32_t	 is_held;
};

/* The lock, of another page or of all, stays held far longer than anybody is patient. */
static void hold_or_wait(void *arg, unsigned who)
{
	struct held *h = arg;
	struct rmp_locked l;

	if (who) {
		while (!atomic32_load(&h->is_held))
			sync_relax();
		if (who == 1)
			BUG_ON(snp_firmware_reclaim(h->hw, HPA(AT), false) != SNP_MOVED);
		else if (who == 2)
			BUG_ON(snp_vmsa_take(h->hw, HPA(AT + 0x2000), ASID) != RMP_VMRUN_PASS);
		else
			snp_vmsa_give(h->hw, HPA(AT + 0x1000));
		return;
	}
	BUG_ON(rmp_lock(h->hw->frames.rmp, HPA(AT + 0x3000), h->all, true, &l) != RMP_LOCKED);
	atomic32_store(&h->is_held, 1);
	usleep(20000);
	rmp_unlock(&l);
}

static void make_vmsa(struct hw *hw, uint64_t a, uint64_t gpa)
{
	struct rmp_target t = target(a, gpa, false);

	assert_int_equal(assign(hw, a, gpa, ASID, false), RMP_SUCCESS);
	assert_int_equal(pvalidate(hw, a, gpa, false, true).eax, RMP_SUCCESS);
	assert_int_equal(snp_rmpadjust(hw, &t, 0, 0x10001).eax, RMP_SUCCESS);
}

static void it_waits_for_its_turn(void **unused)
{
	struct hw *hw = an_rmp();

	(void)unused;
	for (unsigned all = 0; all < 2; all++) {
		struct held h = { .hw = hw, .all = all };

		make_vmsa(hw, AT + 0x1000, GPA_AT);
		make_vmsa(hw, AT + 0x2000, GPA_AT + 0x1000);
		assert_int_equal(snp_vmsa_take(hw, HPA(AT + 0x1000), ASID), RMP_VMRUN_PASS);
		crowd_run(4, hold_or_wait, &h);
		assert_false(entry_at(hw, AT + 0x1000).in_use);
		assert_true(entry_at(hw, AT + 0x2000).in_use);
		snp_vmsa_give(hw, HPA(AT + 0x2000));
	}
	no_machine(hw);
}

/* What one of the 512, or all of them, may not be. */
static const struct {
	bool		 all;
	struct rmp_entry flip;
} unlike[] = {
	{ false, { .assigned = true } }, { false, { .immutable = true } }, { false, { .vmsa = true } },
	{ false, { .validated = true } }, { false, { .in_use = true } }, { false, { .asid = 1 } },
	{ false, { .gpa = 0x1000 } }, { false, { .perm = { 0, 1 } } },
	{ true, { .immutable = true } }, { true, { .vmsa = true } }, { true, { .in_use = true } },
	{ true, { .asid = ASID } }, { true, { .gpa = 0x1000 } },
	{ true, { .immutable = true, .vmsa = true } }, { true, { .asid = ASID, .vmsa = true } },
	{ true, { .asid = ASID, .gpa = 0x1000 } }, { true, { .assigned = true } },
};

static void flip(struct hw *hw, unsigned page, const struct rmp_entry *e)
{
	struct rmp_words f = rmp_words_of(e), w;
	struct rmp_locked l;

	assert_int_equal(rmp_lock(hw->frames.rmp, HPA(AT), true, true, &l), RMP_LOCKED);
	w = rmp_load(&l, page);
	rmp_store(&l, page, (struct rmp_words){ w.lo ^ f.lo, w.hi ^ f.hi });
	rmp_unlock(&l);
}

static void only_what_is_alike_is_unsmashed(void **unused)
{
	struct rmp_operand o = to_guest(GPA_AT, ASID, true, false);
	const struct rmp_entry immutable = { .immutable = true };
	struct rmp_past past[RMP_HISTORY];
	struct hw *hw = an_rmp();

	(void)unused;
	assert_int_equal(rmpupdate(hw, HPA(AT), &o), RMP_SUCCESS);
	assert_int_equal(psmash(hw, HPA(AT)), RMP_SUCCESS);
	assert_int_equal(assign(hw, AT + M2, GPA_AT + M2, ASID, false), RMP_SUCCESS);
	for (unsigned p = 0; p < 512; p++)
		flip(hw, p, &immutable);
	for (size_t i = 0; i < ARRAY_SIZE(unlike); i++)
		for (unsigned first = unlike[i].all ? 0 : 1; first < 512; first += 510) {
			unsigned end = unlike[i].all ? 512 : first + 1;

			for (unsigned p = first; p < end; p++)
				flip(hw, p, &unlike[i].flip);
			if (snp_firmware_unsmash(hw, HPA(AT)) != SNP_BAD_STATE)
				fail_msg("row %zu, page %u", i, first);
			for (unsigned p = first; p < end; p++)
				flip(hw, p, &unlike[i].flip);
			if (unlike[i].all)
				break;
		}
	assert_int_equal(snp_firmware_unsmash(hw, HPA(AT)), SNP_MOVED);
	assert_sound(hw, AT);
	assert_int_equal(peek_rmp_history(hw, HPA(AT + M2 - PAGE_SIZE), past), 3);
	assert_int_equal(past[0].event, RMP_EVENT_UNSMASHED);
	assert_int_equal(entry_at(hw, AT + M2).asid, ASID);	/* the neighbour is as it was */
	assert_int_equal(entry_at(hw, AT + M2).gpa, GPA_AT + M2);
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
		cmocka_unit_test(nothing_to_reclaim), cmocka_unit_test(what_cannot_be_moved),
		cmocka_unit_test(it_waits_for_its_turn),
		cmocka_unit_test(only_what_is_alike_is_unsmashed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
