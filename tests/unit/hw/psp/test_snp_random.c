/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * test_snp_random.c - RMPUPDATE and the secure processor's commands on a few pages in
 * random order, against a small model that knows of each page its state and of each guest its own.
 *
 * usage: test_hw_psp_snp_random [SEED]
 */
#define POOL_PAGES	1024u
#include "a_snp.h"

#include <stdio.h>
#include <stdlib.h>

#define STEPS		60000u
#define NR_PAGES	48u
#define NR_ASIDS	4u
#define GPA_AT		0x40000000ull

struct owned {				/* a page, and the guest whose context it is */
	enum snp_state	state;
	uint32_t	asid;		/* whose page it is */
	unsigned	gstate;		/* 0 init, 1 launch, 2 running */
	uint32_t	active;		/* ASID of the guest */
};

struct model {
	struct snp	s;
	uint64_t	at;
	struct owned	page[NR_PAGES];
	bool		dirty[NR_ASIDS + 1], taken[NR_ASIDS + 1];
	unsigned	nr[32];		/* successes, by kind of step */
};

static uint64_t seed;

static unsigned draw(unsigned n)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (unsigned)(seed >> 20) % n;
}

static uint64_t address(const struct model *m, unsigned p)
{
	return m->at + p * PAGE_SIZE;
}

static bool is_immutable(enum snp_state s)
{
	return s == SNP_STATE_FIRMWARE || s == SNP_STATE_CONTEXT || s == SNP_STATE_PRE_GUEST;
}

static unsigned pages_of(const struct model *m, uint32_t asid)
{
	unsigned n = 0;

	for (unsigned p = 0; p < NR_PAGES; p++)
		n += m->page[p].asid == asid && m->page[p].state >= SNP_STATE_PRE_GUEST &&
		     m->page[p].state <= SNP_STATE_GUEST_VALID;
	return n;
}

/* A page in @state, if one comes soon. */
static unsigned pick(const struct model *m, enum snp_state state)
{
	unsigned p = draw(NR_PAGES);

	for (unsigned i = 0; i < 12 && m->page[p].state != state; i++)
		p = draw(NR_PAGES);
	return p;
}

/* An ASID that a guest launches with; seldom any; 0: none there. */
static uint32_t pick_asid(const struct model *m)
{
	const struct owned *o = &m->page[pick(m, SNP_STATE_CONTEXT)];

	if (o->state == SNP_STATE_CONTEXT && o->active)
		return o->active;
	return draw(64) ? 0 : 1 + draw(NR_ASIDS);
}

/* To the hypervisor, the firmware, or a guest, for it to launch or to validate itself. */
static void step_rmpupdate(struct model *m, unsigned p)
{
	const uint32_t asid = draw(2) ? pick_asid(m) : 0;
	const unsigned to = asid ? 2 + draw(4) / 3 : draw(2);
	const struct rmp_operand o = { .assigned = to > 0, .immutable = to == 1 || to == 2,
				       .asid = asid,
				       .gpa = to < 2 ? 0 : GPA_AT + p * PAGE_SIZE };
	const enum rmp_status st = rmpupdate(m->s.hw, HPA(address(m, p)), &o);

	assert_int_equal(st, is_immutable(m->page[p].state) ? RMP_FAIL_PERMISSION : RMP_SUCCESS);
	if (st != RMP_SUCCESS)
		return;
	m->nr[0]++;
	m->page[p] = (struct owned){ .asid = asid, .state = to == 0 ? SNP_STATE_HYPERVISOR :
				     to == 1 ? SNP_STATE_FIRMWARE :
				     to == 2 ? SNP_STATE_PRE_GUEST : SNP_STATE_GUEST_INVALID };
}

static void step_reclaim(struct model *m, unsigned p)
{
	struct owned *o = &m->page[p];
	const enum psp_status st = cmd_at(&m->s, PSP_SNP_PAGE_RECLAIM, address(m, p));

	assert_int_equal(st, o->state == SNP_STATE_CONTEXT ? PSP_INVALID_PAGE_STATE : PSP_SUCCESS);
	if (o->state == SNP_STATE_FIRMWARE)
		o->state = SNP_STATE_RECLAIM;
	else if (o->state == SNP_STATE_PRE_GUEST)
		o->state = SNP_STATE_GUEST_INVALID;
	m->nr[1]++;
}

static void step_create(struct model *m, unsigned p)
{
	struct owned *o = &m->page[p];
	const enum psp_status st = cmd_at(&m->s, PSP_SNP_GCTX_CREATE, address(m, p));

	assert_int_equal(st, o->state == SNP_STATE_FIRMWARE ? PSP_SUCCESS : PSP_INVALID_PAGE_STATE);
	if (st == PSP_SUCCESS) {
		*o = (struct owned){ .state = SNP_STATE_CONTEXT };
		m->nr[2]++;
	}
}

static void step_decommission(struct model *m, unsigned p)
{
	struct owned *o = &m->page[p];
	const enum psp_status st = cmd_at(&m->s, PSP_SNP_DECOMMISSION, address(m, p));

	assert_int_equal(st, o->state == SNP_STATE_CONTEXT ? PSP_SUCCESS : PSP_INVALID_GUEST);
	if (st != PSP_SUCCESS)
		return;
	m->taken[o->active] = false;
	m->dirty[o->active] |= o->gstate == 2;
	*o = (struct owned){ .state = SNP_STATE_FIRMWARE };
	m->nr[3]++;
}

static void step_start(struct model *m, unsigned p)
{
	struct owned *o = &m->page[p];
	const enum psp_status st = launch_start(&m->s, address(m, p), POLICY);

	assert_int_equal(st, o->state != SNP_STATE_CONTEXT ? PSP_INVALID_GUEST :
			     o->gstate ? PSP_INVALID_GUEST_STATE : PSP_SUCCESS);
	if (st == PSP_SUCCESS) {
		o->gstate = 1;
		m->nr[4]++;
	}
}

static void step_activate(struct model *m, unsigned p)
{
	struct owned *o = &m->page[p];
	const uint32_t asid = 1 + draw(NR_ASIDS);
	const enum psp_status st = activate(&m->s, address(m, p), asid);

	assert_int_equal(st, o->state != SNP_STATE_CONTEXT ? PSP_INVALID_GUEST :
			     !o->gstate ? PSP_INVALID_GUEST_STATE :
			     pages_of(m, asid) ? PSP_INVALID_CONFIG :
			     m->taken[asid] ? PSP_ASID_OWNED : o->active ? PSP_ACTIVE :
			     m->dirty[asid] ? PSP_DFFLUSH_REQUIRED : PSP_SUCCESS);
	if (st == PSP_SUCCESS) {
		o->active = asid;
		m->taken[asid] = true;
		m->nr[5]++;
	}
}

static void step_finish(struct model *m, unsigned p)
{
	struct owned *o = &m->page[p];
	const enum psp_status st = launch_finish(&m->s, address(m, p));

	assert_int_equal(st, o->state != SNP_STATE_CONTEXT ? PSP_INVALID_GUEST :
			     o->gstate != 1 ? PSP_INVALID_GUEST_STATE :
			     !o->active ? PSP_INACTIVE : PSP_SUCCESS);
	if (st == PSP_SUCCESS) {
		o->gstate = 2;
		m->nr[6]++;
	}
}

static void step_update(struct model *m, unsigned g)
{
	const struct owned *o = &m->page[g];
	const unsigned p = pick(m, SNP_STATE_PRE_GUEST);
	struct owned *q = &m->page[p];
	const enum psp_status st = launch_update(&m->s, address(m, g), address(m, p),
						 1 + draw(4), false);

	assert_int_equal(st, o->state != SNP_STATE_CONTEXT ? PSP_INVALID_GUEST :
			     q->state != SNP_STATE_PRE_GUEST ? PSP_INVALID_PAGE_STATE :
			     o->gstate != 1 ? PSP_INVALID_GUEST_STATE :
			     !o->active ? PSP_INACTIVE :
			     q->asid != o->active ? PSP_INVALID_PAGE_OWNER : PSP_SUCCESS);
	if (st == PSP_SUCCESS) {
		q->state = SNP_STATE_GUEST_VALID;
		m->nr[7]++;
	}
}

static void step_flush(struct model *m, unsigned p)
{
	(void)p;
	if (draw(8))
		return;
	flush(&m->s);
	memset(m->dirty, 0, sizeof(m->dirty));
	m->nr[8]++;
}

static void compare(struct model *m)
{
	for (unsigned p = 0; p < NR_PAGES; p++) {
		const struct rmp_entry e = entry_of(&m->s, address(m, p));

		assert_int_equal(snp_state_of(&e), m->page[p].state);
		if (m->page[p].state >= SNP_STATE_PRE_GUEST)
			assert_int_equal(e.asid, m->page[p].asid);
	}
	for (uint16_t asid = 1; asid <= NR_ASIDS; asid++)
		assert_int_equal(peek_rmp_asid_pages(m->s.hw, asid), pages_of(m, asid));
	assert_null(peek_rmp_wrong(m->s.hw, HPA(m->at)));
}

static void any_order(void **unused)
{
	static void (*const steps[])(struct model *m, unsigned p) = {
		step_rmpupdate, step_rmpupdate, step_reclaim, step_create, step_decommission,
		step_start, step_activate, step_finish, step_update, step_update, step_update,
		step_flush,
	};
	struct model m = { .s = an_snp() };

	(void)unused;
	m.at = a_large(&m.s);
	for (unsigned p = 0; p < NR_PAGES; p++)
		m.page[p].state = SNP_STATE_HYPERVISOR;
	for (unsigned i = 0; i < STEPS; i++) {
		const unsigned n = draw(ARRAY_SIZE(steps));

		/* What takes much to come to is left alone for a while. */
		if ((steps[n] == step_decommission || steps[n] == step_finish) && draw(6))
			continue;
		steps[n](&m, draw(4) && n > 3 ? pick(&m, SNP_STATE_CONTEXT) : draw(NR_PAGES));
		if (!(i % 64))
			compare(&m);
	}
	compare(&m);
	printf("%u steps; done:", STEPS);
	for (unsigned i = 0; i < 9; i++) {
		printf(" %u", m.nr[i]);
		assert_true(m.nr[i]);
	}
	printf("\n");
	no_snp(&m.s);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(any_order) };

	seed = argc > 1 ? strtoull(argv[1], NULL, 0) : 20;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
