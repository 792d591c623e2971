/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * test_snp_many.c - psp_commands() is as many calls of psp_command().
 *
 * Two machines get the same commands, one by one and at once: the same answer,
 * the same number done, the same entries, bytes and digest, whatever is wrong
 * with one of them.
 */
#include "a_snp.h"

#include "hw/psp/psp_snp_priv.h"
#include "sync/crowd.h"

#include <stdlib.h>

#define ASID	3u
#define GPA_AT	0x40000000ull
#define PAGES	260u			/* a row, its end at 2 MiB, and another */

struct twin {
	struct snp	 s;
	uint64_t	 gctx, at;	/* at: of the pages */
	struct psp_snp_launch_update u[PAGES];
};

/* Pages with contents, the guest's by RMPUPDATE, 100 before a boundary of 2 MiB. */
static struct twin *a_twin(void)
{
	struct twin *t = calloc(1, sizeof(*t));
	uint8_t page[PAGE_SIZE];

	assert_non_null(t);
	t->s = an_snp();
	t->gctx = a_guest(&t->s, POLICY, ASID);
	t->at = a_large(&t->s);
	assert_int_equal(a_large(&t->s), t->at + SIZE_2M);
	t->at += (512 - 100) * PAGE_SIZE;
	(void)a_large(&t->s);
	for (unsigned i = 0; i < PAGES; i++) {
		memset(page, (int)i + 1, sizeof(page));
		memcpy(page, &i, sizeof(i));
		put(&t->s, t->at + i * PAGE_SIZE, page, sizeof(page));
		assign(&t->s, t->at + i * PAGE_SIZE, GPA_AT + i * PAGE_SIZE, ASID, false, true);
		t->u[i] = update_of(t->gctx, t->at + i * PAGE_SIZE, PSP_SNP_NORMAL, false);
	}
	return t;
}

static void no_twin(struct twin *t)
{
	for (unsigned i = 0; i < PAGES; i++)
		give_back(&t->s, t->at + i * PAGE_SIZE, false);
	no_snp(&t->s);
	free(t);
}

/* What is wrong with page @i: each must stop both at the same place, or neither. */
static void nothing(struct twin *t, unsigned i)
{
	(void)t;
	(void)i;
}

static void not_the_guests(struct twin *t, unsigned i)
{
	give_back(&t->s, t->at + i * PAGE_SIZE, false);
}

static void of_another(struct twin *t, unsigned i)
{
	give_back(&t->s, t->at + i * PAGE_SIZE, false);
	assign(&t->s, t->at + i * PAGE_SIZE, GPA_AT, OTHER_ASID, false, true);
}

static void another_gpa(struct twin *t, unsigned i)
{
	give_back(&t->s, t->at + i * PAGE_SIZE, false);
	assign(&t->s, t->at + i * PAGE_SIZE, GPA_AT + (1ull << 30), ASID, false, true);
}

static void of_zeros(struct twin *t, unsigned i)
{
	t->u[i] = update_of(t->gctx, t->u[i].address, PSP_SNP_ZERO, false);
}

static void unmeasured(struct twin *t, unsigned i)
{
	t->u[i] = update_of(t->gctx, t->u[i].address, PSP_SNP_UNMEASURED, false);
}

static void a_vmsa(struct twin *t, unsigned i)
{
	t->u[i] = update_of(t->gctx, t->u[i].address, PSP_SNP_VMSA, false);
}

static void permissions(struct twin *t, unsigned i)
{
	t->u[i].vmpl_perms[1] = 3;
}

static void an_image(struct twin *t, unsigned i)
{
	t->u[i].page |= PSP_SNP_UPDATE_IMI;
}

static void large(struct twin *t, unsigned i)
{
	t->u[i].page |= PSP_SNP_UPDATE_2M;
}

static void reserved(struct twin *t, unsigned i)
{
	t->u[i].reserved3 = 1;
}

static void no_context(struct twin *t, unsigned i)
{
	t->u[i].gctx += PAGE_SIZE;
}

static void twice(struct twin *t, unsigned i)
{
	t->u[i].address = t->u[i ? i - 1 : 1].address;
}

static void no_memory(struct twin *t, unsigned i)
{
	uint64_t host = (uintptr_t)t->s.bytes + (t->u[i].address - t->s.at);

	phys_retire(t->s.hw, (void *)(uintptr_t)host, PAGE_SIZE);
}

static enum psp_status one_by_one(struct twin *t, unsigned *done)
{
	enum psp_status st = PSP_SUCCESS;

	for (*done = 0; *done < PAGES; (*done)++) {
		st = cmd(&t->s, PSP_SNP_LAUNCH_UPDATE, &t->u[*done]);
		if (st != PSP_SUCCESS)
			break;
	}
	return st;
}

/* The guest's view of what is its own, the raw bytes of the rest. */
static void assert_same_page(struct twin *a, struct twin *b, unsigned i)
{
	const uint64_t at[] = { a->at + i * PAGE_SIZE, b->at + i * PAGE_SIZE };
	const struct rmp_entry ea = entry_of(&a->s, at[0]), eb = entry_of(&b->s, at[1]);
	const keyslot_t key = ea.validated ? ASID : 0;
	uint8_t pa[PAGE_SIZE], pb[PAGE_SIZE];
	bool there = view_read(a->s.hw, HPA(at[0]), key, pa, sizeof(pa));

	assert_memory_equal(&ea, &eb, sizeof(ea));
	assert_int_equal(there, view_read(b->s.hw, HPA(at[1]), key, pb, sizeof(pb)));
	if (there)
		assert_memory_equal(pa, pb, sizeof(pa));
}

static const uint8_t *digest_of(struct twin *t)
{
	return snp_guest_find(t->s.hw->psp, t->gctx)->ld;
}

static void assert_same(struct twin *a, struct twin *b)
{
	for (unsigned i = 0; i < PAGES; i++)
		assert_same_page(a, b, i);
	assert_memory_equal(digest_of(a), digest_of(b), SNP_DIGEST_BYTES);
}

static const struct {
	const char *name;
	void	   (*wrong)(struct twin *t, unsigned i);
	bool	    goes_on;		/* all the others too */
} rows[] = {
	{ "nothing", nothing, true },
	{ "the hypervisor's", not_the_guests, false },
	{ "another guest's", of_another, false },
	{ "elsewhere in the guest", another_gpa, true },
	{ "zeros", of_zeros, true },
	{ "unmeasured", unmeasured, true },
	{ "a VMSA", a_vmsa, true },
	{ "other permissions", permissions, true },
	{ "of a migration image", an_image, true },
	{ "2 MiB", large, false },
	{ "reserved bits", reserved, false },
	{ "no context", no_context, false },
	{ "the one before again", twice, false },
	{ "no memory", no_memory, false },
};

static void compare(unsigned row, unsigned at)
{
	struct twin *one = a_twin(), *many = a_twin();
	unsigned done_one, done_many;
	enum psp_status st;

	rows[row].wrong(one, at);
	rows[row].wrong(many, at);
	st = one_by_one(one, &done_one);
	assert_int_equal(psp_commands(many->s.hw, PSP_SNP_LAUNCH_UPDATE, many->u, PAGES, &done_many),
			 st);
	assert_int_equal(done_many, done_one);
	assert_int_equal(st == PSP_SUCCESS, rows[row].goes_on);
	if (st == PSP_SUCCESS)
		assert_int_equal(done_one, PAGES);
	else if (rows[row].wrong != twice || at)
		assert_int_equal(done_one, at);
	assert_same(one, many);
	no_twin(one);
	no_twin(many);
}

static void whatever_is_wrong(void **unused)
{
	static const unsigned at[] = { 0, 1, 99, 100, 101, PAGES - 1 };

	(void)unused;
	for (unsigned row = 0; row < ARRAY_SIZE(rows); row++)
		for (unsigned i = 0; i < (rows[row].wrong == nothing ? 1 : ARRAY_SIZE(at)); i++) {
			print_message("%s: page %u\n", rows[row].name, at[i]);
			compare(row, at[i]);
		}
}

/* ---- an entry that changes under the firmware's hands ---- */

#define TAKEN	70u			/* a page of the first row */

struct theft {
	struct twin	*t;
	unsigned	 delay, done;
	enum psp_status	 st;
};

static void launch_or_steal(void *arg, unsigned who)
{
	struct theft *theft = arg;
	struct twin *t = theft->t;

	if (!who) {
		theft->st = psp_commands(t->s.hw, PSP_SNP_LAUNCH_UPDATE, t->u, PAGES, &theft->done);
		return;
	}
	for (volatile unsigned i = 0; i < theft->delay; i++)
		;
	(void)!snp_firmware_reclaim(t->s.hw, HPA(t->at + TAKEN * PAGE_SIZE), false);
}

/* Whenever it happens: what has been done is what that many commands do, or all was done before. */
static void stolen_after(unsigned delay, unsigned *stolen)
{
	struct twin *one = a_twin(), *many = a_twin();
	struct theft theft = { .t = many, .delay = delay };
	unsigned done;

	crowd_run(2, launch_or_steal, &theft);
	if (theft.st == PSP_SUCCESS) {
		assert_int_equal(theft.done, PAGES);
	} else {
		assert_int_equal(theft.st, PSP_INVALID_PAGE_STATE);
		assert_int_equal(theft.done, TAKEN);
		(*stolen)++;
		assert_int_equal(snp_firmware_reclaim(one->s.hw, HPA(one->at + TAKEN * PAGE_SIZE),
						      false), SNP_MOVED);
	}
	(void)one_by_one(one, &done);
	assert_same(one, many);
	no_twin(one);
	no_twin(many);
}

static void an_entry_is_taken(void **unused)
{
	unsigned stolen = 0;

	(void)unused;
	for (unsigned i = 0; i < 24; i++)
		stolen_after(i * 20000, &stolen);
	print_message("taken in time: %u of 24\n", stolen);
}

/* Of no commands at all nothing is asked; others go one by one. */
static void other_commands(void **unused)
{
	struct snp s = an_snp();
	struct psp_snp_addr pages[3];
	unsigned done = 7;

	(void)unused;
	assert_int_equal(psp_commands(s.hw, PSP_SNP_PAGE_RECLAIM, pages, 0, &done), PSP_SUCCESS);
	assert_int_equal(done, 0);
	for (unsigned i = 0; i < ARRAY_SIZE(pages); i++)
		pages[i].address = a_firmware_page(&s);
	pages[2].address = a_context(&s);
	assert_int_equal(psp_commands(s.hw, PSP_SNP_PAGE_RECLAIM, pages, 3, &done),
			 PSP_INVALID_PAGE_STATE);
	assert_int_equal(done, 2);
	assert_int_equal(state_of(&s, pages[1].address), SNP_STATE_RECLAIM);
	no_snp(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(whatever_is_wrong), cmocka_unit_test(an_entry_is_taken),
		cmocka_unit_test(other_commands),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
