/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * test_traces.c - what a host sees of a TD's memory, call by call: T1 to T24 of the worked
 * traces, as far as no vCPU runs.
 */
#include "hw/tdx/a_td.h"

#include "hw/tdx/tdx_priv.h"

#define ST(level, state)	((uint64_t)(state) << 8 | (level))

struct bench {
	struct tdx_machine t;
	uint64_t	   tdr, tdvpr;
	struct td	   *td;
	uint64_t	   own;		/* its control pages and its vCPU's */
};

static struct bench bench_up(void)
{
	struct bench b = { .t = a_tdx_machine() };

	b.tdr = a_td(&b.t, FIRST_KEY);
	b.td = pamt_entry(&b.t.hw->tdx->pamt, HPA(b.tdr), TDX_4K)->object;
	return b;
}

static void finalize(struct bench *b)
{
	assert_int_equal(call(&b->t, TDH_MR_FINALIZE, b->tdr, 0, 0, 0), TDX_NO_VCPUS);
	b->tdvpr = a_vcpu(&b->t, b->tdr, 7);
	SUCCEEDS(call(&b->t, TDH_MR_FINALIZE, b->tdr, 0, 0, 0));
}

static void tables(struct bench *b)
{
	b->own = atomic64_load(&b->td->chldcnt);
	for (uint64_t level = 3; level; level--)
		SUCCEEDS(call(&b->t, TDH_MEM_SEPT_ADD, level, b->tdr, a_page(&b->t), 0));
	assert_int_equal(atomic64_load(&b->td->chldcnt), b->own + 3);
}

static void expect(struct bench *b, uint64_t got, uint64_t status, uint64_t rcx, uint64_t rdx)
{
	assert_int_equal(got, status);
	assert_int_equal(b->t.r.gpr[SEAM_RCX], rcx);
	assert_int_equal(b->t.r.gpr[SEAM_RDX], rdx);
}

static uint64_t mem(struct bench *b, enum tdh_leaf leaf, uint64_t rcx, uint64_t page)
{
	return call(&b->t, leaf, rcx, b->tdr, page, 0);
}

static void pages_come_and_go(void **unused)
{
	struct bench b = bench_up();
	uint64_t p1 = a_page(&b.t), p5 = a_page(&b.t);

	(void)unused;
	finalize(&b);
	/* T1 */
	expect(&b, mem(&b, TDH_MEM_PAGE_AUG, 0x1000, p1), 0xc0000b0000000001, 0x8000000000000000,
	       ST(3, 0));
	tables(&b);
	/* T3 to T6 */
	expect(&b, mem(&b, TDH_MEM_SEPT_ADD, 1, p5), 0xc0000b0d00000001, 0x8000000000000007,
	       ST(1, 0x84));
	expect(&b, mem(&b, TDH_MEM_PAGE_AUG, 0x1000, p1), 0, 0, 0);
	expect(&b, mem(&b, TDH_MEM_PAGE_AUG, 0x1000, p5), 0xc0000b0d00000001,
	       0x80000000000000f0 | p1, ST(0, 2));
	expect(&b, mem(&b, TDH_MEM_PAGE_AUG, 0x2000, p1), 0xc000030000000008, 0, 0);
	/* T11 to T16, of a pending page */
	expect(&b, mem(&b, TDH_MEM_PAGE_REMOVE, 0x1000, 0), 0xc0000b0600000001,
	       0x80000000000000f0 | p1, ST(0, 2));
	expect(&b, mem(&b, TDH_MEM_RANGE_BLOCK, 0x1000, 0), 0, 0, 0);
	expect(&b, mem(&b, TDH_MEM_RANGE_BLOCK, 0x1000, 0), 0x00000b0700000001,
	       0x80000000000000f0 | p1, ST(0, 3));
	expect(&b, mem(&b, TDH_MEM_PAGE_REMOVE, 0x1000, 0), 0xc0000b0800000001, 0, 0);
	SUCCEEDS(call(&b.t, TDH_MEM_TRACK, b.tdr, 0, 0, 0));
	/* T21 */
	assert_int_equal(call(&b.t, TDH_PHYMEM_PAGE_WBINVD, p1 | (uint64_t)FIRST_KEY << 46, 0, 0, 0) &
			 TDX_STATUS_MASK, TDX_PAGE_METADATA_INCORRECT);
	expect(&b, mem(&b, TDH_MEM_PAGE_REMOVE, 0x1000, 0), 0, p1, 0);
	SUCCEEDS(call(&b.t, TDH_PHYMEM_PAGE_WBINVD, p1 | (uint64_t)FIRST_KEY << 46, 0, 0, 0));
	/* T22, T24 */
	assert_int_equal(call(&b.t, TDH_MR_EXTEND, 0x1000, b.tdr, 0, 0), TDX_OP_STATE_INCORRECT);
	assert_int_equal(call(&b.t, TDH_PHYMEM_PAGE_RECLAIM, b.tdr, 0, 0, 0),
			 TDX_LIFECYCLE_STATE_INCORRECT);
	assert_int_equal(atomic64_load(&b.td->chldcnt), b.own + 3);
	no_tdx_machine(&b.t);
}

/* T17 to T20: somebody is inside, and has been since before. */
static void who_is_inside_keeps_it(void **unused)
{
	struct bench b = bench_up();
	uint64_t p1 = a_page(&b.t);

	(void)unused;
	finalize(&b);
	tables(&b);
	SUCCEEDS(mem(&b, TDH_MEM_PAGE_AUG, 0x1000, p1));
	atomic32_add(&b.td->in_epoch[1], 1);
	SUCCEEDS(mem(&b, TDH_MEM_RANGE_BLOCK, 0x1000, 0));
	SUCCEEDS(call(&b.t, TDH_MEM_TRACK, b.tdr, 0, 0, 0));
	expect(&b, mem(&b, TDH_MEM_PAGE_REMOVE, 0x1000, 0), 0xc0000b0800000001, 0, 0);
	assert_int_equal(call(&b.t, TDH_MEM_TRACK, b.tdr, 0, 0, 0), 0x8000020100000000);
	atomic32_sub(&b.td->in_epoch[1], 1);
	SUCCEEDS(mem(&b, TDH_MEM_PAGE_REMOVE, 0x1000, 0));
	no_tdx_machine(&b.t);
}

/* Bytes and states of 2 MiB stay what they are through demote and promote. */
static void sizes(void **unused)
{
	struct bench b = bench_up();
	uint64_t big = a_2m_page(&b.t), table = a_page(&b.t);

	(void)unused;
	finalize(&b);
	tables(&b);
	expect(&b, mem(&b, TDH_MEM_PAGE_AUG, 1, big), 0xc0000b0d00000001, 0x8000000000000007,
	       ST(1, 0x84));
	expect(&b, mem(&b, TDH_MEM_PAGE_AUG, 0x200001, big), 0, 0, 0);
	assert_int_equal(atomic64_load(&b.td->chldcnt), b.own + 3 + 512);
	expect(&b, mem(&b, TDH_MEM_PAGE_DEMOTE, 0x200001, table), 0xc0000b0600000001,
	       0x80000000000000f0 | big, ST(1, 2));
	SUCCEEDS(mem(&b, TDH_MEM_RANGE_BLOCK, 0x200001, 0));
	expect(&b, mem(&b, TDH_MEM_PAGE_DEMOTE, 0x200001, table), 0xc0000b0800000001, 0, 0);
	SUCCEEDS(call(&b.t, TDH_MEM_TRACK, b.tdr, 0, 0, 0));
	SUCCEEDS(mem(&b, TDH_MEM_PAGE_DEMOTE, 0x200001, table));
	assert_int_equal(atomic64_load(&b.td->chldcnt), b.own + 3 + 512 + 1);
	expect(&b, mem(&b, TDH_MEM_SEPT_RD, 0x203000, 0), 0, 0x80000000000000f0 | (big + 0x3000),
	       ST(0, 2));
	/* T23, and back */
	SUCCEEDS(mem(&b, TDH_MEM_RANGE_BLOCK, 0x200001, 0));
	SUCCEEDS(call(&b.t, TDH_MEM_TRACK, b.tdr, 0, 0, 0));
	assert_int_equal(mem(&b, TDH_MEM_SEPT_REMOVE, 0x200001, 0), 0xc0000b0e00000001);
	expect(&b, mem(&b, TDH_MEM_PAGE_PROMOTE, 0x200001, 0), 0, table, 0);
	expect(&b, mem(&b, TDH_MEM_SEPT_RD, 0x200001, 0), 0, 0x80000000000000f0 | big, ST(1, 2));
	assert_int_equal(atomic64_load(&b.td->chldcnt), b.own + 3 + 512);
	no_tdx_machine(&b.t);
}

/* What the host had at the source, the TD has; the host reads nothing of it. */
static void launch(void **unused)
{
	struct bench b = bench_up();
	uint64_t source = a_page(&b.t), page = a_page(&b.t);
	uint8_t bytes[PAGE_SIZE];

	(void)unused;
	tables(&b);
	memset(page_bytes(&b.t, source), 0x5a, PAGE_SIZE);
	SUCCEEDS(call(&b.t, TDH_MEM_PAGE_ADD, 0x5000, b.tdr, page, source));
	for (uint64_t i = 0; i < PAGE_SIZE; i += 256)
		SUCCEEDS(call(&b.t, TDH_MR_EXTEND, 0x5000 + i, b.tdr, 0, 0));
	assert_true(view_read(b.t.hw, HPA(page), FIRST_KEY, bytes, PAGE_SIZE));
	assert_memory_equal(bytes, page_bytes(&b.t, source), PAGE_SIZE);
	assert_true(view_read(b.t.hw, HPA(page), 0, bytes, PAGE_SIZE));
	assert_memory_not_equal(bytes, page_bytes(&b.t, source), 16);
	/* Before the end of the launch nothing need be blocked. */
	expect(&b, mem(&b, TDH_MEM_PAGE_REMOVE, 0x5000, 0), 0, page, 0);
	no_tdx_machine(&b.t);
}

/* From the last vCPU's flush to the last page. */
static void teardown(void **unused)
{
	struct bench b = bench_up();
	uint64_t page = a_page(&b.t);

	(void)unused;
	finalize(&b);
	tables(&b);
	SUCCEEDS(mem(&b, TDH_MEM_PAGE_AUG, 0x5000, page));
	assert_int_equal(call(&b.t, TDH_MNG_KEY_FREEID, b.tdr, 0, 0, 0), TDX_LIFECYCLE_STATE_INCORRECT);
	assert_int_equal(call(&b.t, TDH_MNG_VPFLUSHDONE, b.tdr, 0, 0, 0), TDX_FLUSHVP_NOT_DONE);
	SUCCEEDS(call(&b.t, TDH_VP_FLUSH, b.tdvpr, 0, 0, 0));
	assert_int_equal(call(&b.t, TDH_VP_FLUSH, b.tdvpr, 0, 0, 0), TDX_VCPU_NOT_ASSOCIATED);
	SUCCEEDS(call(&b.t, TDH_MNG_VPFLUSHDONE, b.tdr, 0, 0, 0));
	assert_int_equal(call(&b.t, TDH_MNG_KEY_FREEID, b.tdr, 0, 0, 0), TDX_WBCACHE_NOT_COMPLETE);
	assert_int_equal(call(&b.t, TDH_PHYMEM_CACHE_WB, 1, 0, 0, 0), TDX_WBCACHE_RESUME_ERROR);
	cpu_kick(b.t.cpu);
	assert_int_equal(call(&b.t, TDH_PHYMEM_CACHE_WB, 0, 0, 0, 0), TDX_INTERRUPTED_RESUMABLE);
	cpu_ack(b.t.cpu);
	SUCCEEDS(call(&b.t, TDH_PHYMEM_CACHE_WB, 1, 0, 0, 0));
	assert_int_equal(call(&b.t, TDH_PHYMEM_CACHE_WB, 0, 0, 0, 0), TDX_NO_HKID_READY_TO_WBCACHE);
	SUCCEEDS(call(&b.t, TDH_MNG_KEY_FREEID, b.tdr, 0, 0, 0));
	assert_int_equal(call(&b.t, TDH_PHYMEM_PAGE_RECLAIM, b.tdr, 0, 0, 0),
			 TDX_TD_ASSOCIATED_PAGES_EXIST);
	for (uint64_t p = b.t.at; p < b.t.at + b.t.used * PAGE_SIZE; p += PAGE_SIZE) {
		uint64_t s = p == b.tdr ? 0 : call(&b.t, TDH_PHYMEM_PAGE_RECLAIM, p, 0, 0, 0);

		assert_true(!s || s == (TDX_PAGE_METADATA_INCORRECT | TDX_OPERAND_RCX));
	}
	SUCCEEDS(call(&b.t, TDH_PHYMEM_PAGE_RECLAIM, b.tdr, 0, 0, 0));
	assert_int_equal(b.t.r.gpr[SEAM_RCX], TDX_PT_TDR);
	/* The key id is free again, and another key. */
	a_td(&b.t, FIRST_KEY);
	no_tdx_machine(&b.t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pages_come_and_go),
		cmocka_unit_test(who_is_inside_keeps_it),
		cmocka_unit_test(sizes),
		cmocka_unit_test(launch),
		cmocka_unit_test(teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
