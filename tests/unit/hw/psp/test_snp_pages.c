/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * test_snp_pages.c - docs/facts/snp-page-states.tsv, snp-launch-update.tsv,
 * snp-launch-pages.tsv and snp-reclaim.tsv: every combination of their columns that the model
 * has (there is no RMP in physical memory: rows with "rmp" cannot be asked).
 *
 * usage: test_hw_psp_snp_pages DOCS/FACTS
 */
#include "a_snp.h"
#include "model/rmp/facts.h"

#include "hw/psp/snp_cpuid.h"
#include "hw/psp/snp_id_block.h"

#include <openssl/evp.h>

#include <stdio.h>
#include <stdlib.h>

#define ASID		3u
#define GPA_AT		0x40000000ull
#define NR_STATES	(SNP_STATE_DEFAULT + 1u)

static const char *folder;

static struct facts facts_of(const char *name)
{
	static char path[4096];

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	return facts_read(path);
}

static void facts_end(struct facts *f)
{
	const char *name = strrchr(f->file, '/') + 1;

	printf("%s: %llu cases of %u rows, %llu from memory\n", name,
	       (unsigned long long)f->nr_cases, f->nr_rows, (unsigned long long)f->nr_memory);
	assert_int_equal(f->nr_wrong, 0);
	assert_true(f->nr_cases);
	facts_free(f);
}

/* -- snp-page-states.tsv -- */

static const char *bit_name(bool b)
{
	return b ? "1" : "0";
}

static void check_state(struct facts *f, unsigned bits, unsigned page, unsigned type)
{
	static const char *const pages[] = { "0", "1", "n" }, *const types[] = { "0", "1", "2", "3" };
	const struct rmp_entry e = {
		.covered = true, .assigned = bits & 1, .validated = bits & 2,
		.asid = bits & 4 ? ASID : 0, .immutable = bits & 8, .vmsa = bits & 16,
		.gpa = (uint64_t)type << 48 | (page == 2 ? 0x7000 : page * PAGE_SIZE) };
	struct fact_case c = { 0 };
	char *const *row;

	fact_is(&c, "assigned", bit_name(e.assigned));
	fact_is(&c, "validated", bit_name(e.validated));
	fact_is(&c, "asid", e.asid ? "n" : "0");
	fact_is(&c, "immutable", bit_name(e.immutable));
	fact_is(&c, "lock", bit_name(e.immutable));	/* the firmware keeps them equal */
	fact_is(&c, "gpa_page", pages[page]);
	fact_is(&c, "gpa_type", types[type]);
	fact_is(&c, "vmsa", bit_name(e.vmsa));
	row = facts_find(f, &c);
	if (row && strcmp(state_names[snp_state_of(&e)], fact_cell(f, row, "state")))
		facts_wrong(f, &c, row, state_names[snp_state_of(&e)]);
}

static void page_states(void **unused)
{
	struct facts f = facts_of("snp-page-states.tsv");

	(void)unused;
	for (unsigned i = 0; i < 32 * 3 * 4; i++)
		check_state(&f, i % 32, i / 32 % 3, i / 96);
	facts_end(&f);
}

/* -- snp-launch-update.tsv -- */

struct guest_case {
	bool	 up, active, imi_ok;
	unsigned state;			/* of its context page */
	unsigned gstate;		/* 0 init, 1 launch, 2 running */
	uint64_t gctx;
};

struct page_case {
	bool	 rsvd, command_2m, is_2m, odd, own, cpuid_ok;
	unsigned state, type;
	uint64_t at;
};

static void say_update(struct fact_case *c, const struct guest_case *g, const struct page_case *p)
{
	static const char *const types[] = { "0", "1", "2", "3", "4", "5", "6", "7" };
	static const char *const gstates[] = { "init", "launch", "running" };

	fact_is(c, "rsvd", bit_name(p->rsvd));
	fact_is(c, "platform", bit_name(g->up));
	fact_is(c, "gctx", state_names[g->state]);
	fact_is(c, "page", state_names[p->state]);
	fact_is(c, "size", p->command_2m ? "2m" : "4k");
	fact_is(c, "rmp_size", p->is_2m ? "2m" : "4k");
	fact_is(c, "align", p->odd ? "odd" : "even");
	fact_is(c, "type", types[p->type]);
	fact_is(c, "gstate", gstates[g->gstate]);
	fact_is(c, "active", bit_name(g->active));
	fact_is(c, "asid", p->own ? "own" : "other");
	fact_is(c, "imi", g->imi_ok ? "yes" : "no");
	fact_is(c, "cpuid", p->cpuid_ok ? "good" : "bad");
}

static bool same_entry(const struct rmp_entry *a, const struct rmp_entry *b)
{
	return a->assigned == b->assigned && a->is_2m == b->is_2m &&
	       a->immutable == b->immutable && a->vmsa == b->vmsa &&
	       a->validated == b->validated && a->asid == b->asid && a->gpa == b->gpa &&
	       !memcmp(a->perm, b->perm, sizeof(a->perm));
}

static void update_run(struct snp *s, struct facts *f, const struct fact_case *c,
		       char *const *row, const struct guest_case *g, const struct page_case *p)
{
	struct psp_snp_launch_update in = update_of(g->gctx, p->at, p->type, p->command_2m);
	struct rmp_entry was, now;
	enum psp_status st;
	char text[32];

	in.address += p->odd ? PAGE_SIZE : 0;
	in.reserved1 = p->rsvd;
	memcpy(in.vmpl_perms, "\x01\x03\x07", 3);
	was = entry_of(s, in.address);
	st = cmd(s, PSP_SNP_LAUNCH_UPDATE, &in);
	now = entry_of(s, in.address);
	snprintf(text, sizeof(text), "%d", st);
	if (strcmp(text, fact_cell(f, row, "status")))
		facts_wrong(f, c, row, text);
	if (st == PSP_SUCCESS) {
		was.validated = true;
		was.immutable = false;
		was.vmsa = !strcmp(fact_cell(f, row, "after"), "guest-valid,vmsa");
		memcpy(&was.perm[1], "\x01\x03\x07", 3);
	}
	if (!same_entry(&was, &now))
		facts_wrong(f, c, row, "another entry");
}

/* A CPUID page of one leaf. */
static void put_cpuid(struct snp *s, uint64_t a, bool good)
{
	struct snp_cpuid_page p = { .count = 1, .entry[0].eax_in = 0x80000000 };

	p.entry[0].reg[0] = good ? 0 : ~0u;
	put(s, a, &p, sizeof(p));
}

static void update_check(struct snp *s, struct facts *f, const struct guest_case *g,
			 const struct page_case *p)
{
	struct fact_case c = { 0 };
	char *const *row;

	say_update(&c, g, p);
	row = facts_find(f, &c);
	if (!row)
		return;
	if (p->type == PSP_SNP_CPUID && p->state == SNP_STATE_PRE_GUEST && !p->is_2m)
		put_cpuid(s, p->at, p->cpuid_ok);
	into_state(s, p->at, p->state, p->is_2m, p->own ? ASID : OTHER_ASID, GPA_AT);
	update_run(s, f, &c, row, g, p);
	give_back(s, p->at, p->is_2m);
}

/* Every page with this guest.  What the hypervisor owns has no size to speak of. */
static void update_pages(struct snp *s, struct facts *f, const struct guest_case *g, uint64_t at)
{
	for (unsigned i = 0; i < NR_STATES * 8 * 64; i++) {
		const struct page_case p = {
			.state = i / 512, .type = i / 64 % 8, .rsvd = i & 1, .command_2m = i & 2,
			.is_2m = i & 4, .odd = i & 8, .own = i & 16, .cpuid_ok = i & 32,
			.at = i / 512 == SNP_STATE_DEFAULT ? UNCOVERED : at };
		const bool guests = p.state >= SNP_STATE_PRE_GUEST &&
				    p.state <= SNP_STATE_GUEST_VALID;
		const bool small = p.state == SNP_STATE_HYPERVISOR ||
				   p.state == SNP_STATE_HV_FIXED || p.state == SNP_STATE_DEFAULT;

		if ((p.is_2m && small) || (p.odd && !p.is_2m) || (!p.own && !guests) ||
		    (!p.cpuid_ok && p.type != PSP_SNP_CPUID))
			continue;
		/* One reserved field is as good as another type, size or owner. */
		if (p.rsvd && (p.type > 1 || p.is_2m || !p.own))
			continue;
		update_check(s, f, g, &p);
	}
}

static void update_with(struct facts *f, struct guest_case g)
{
	struct snp s = a_machine_with(true);
	struct psp_snp_launch_start start = { .policy = POLICY };

	if (g.up) {
		assert_int_equal(init(&s), PSP_SUCCESS);
		flush(&s);
	}
	g.gctx = start.gctx = g.state == SNP_STATE_DEFAULT ? UNCOVERED : a_page(&s);
	if (g.up && g.state == SNP_STATE_CONTEXT) {
		start.flags = g.imi_ok ? 0 : PSP_SNP_START_IMI;
		assign(&s, g.gctx, 0, 0, false, true);
		assert_int_equal(cmd_at(&s, PSP_SNP_GCTX_CREATE, g.gctx), PSP_SUCCESS);
		if (g.gstate)
			assert_int_equal(cmd(&s, PSP_SNP_LAUNCH_START, &start), PSP_SUCCESS);
		if (g.active)
			assert_int_equal(activate(&s, g.gctx, ASID), PSP_SUCCESS);
		if (g.gstate == 2)
			assert_int_equal(launch_finish(&s, g.gctx), PSP_SUCCESS);
	} else {
		into_state(&s, g.gctx, g.state, false, ASID, GPA_AT);
	}
	update_pages(&s, f, &g, a_large(&s));
	no_snp(&s);
}

static void launch_update_of_everything(void **unused)
{
	static const struct guest_case guests[] = {
		{ .gstate = 0, .imi_ok = true }, { .gstate = 1, .imi_ok = true },
		{ .gstate = 1, .active = true, .imi_ok = true }, { .gstate = 1, .active = true },
		{ .gstate = 2, .active = true, .imi_ok = true },
	};
	struct facts f = facts_of("snp-launch-update.tsv");
	struct guest_case g;

	(void)unused;
	for (unsigned state = 0; state < NR_STATES; state++)
		for (unsigned up = 0; up < 2; up++) {
			g = (struct guest_case){ .up = up, .state = state, .imi_ok = true };
			if (!up || state != SNP_STATE_CONTEXT)
				update_with(&f, g);
		}
	for (unsigned i = 0; i < ARRAY_SIZE(guests); i++) {
		g = guests[i];
		g.up = true;
		g.state = SNP_STATE_CONTEXT;
		update_with(&f, g);
	}
	facts_end(&f);
}

/* -- snp-reclaim.tsv -- */

static void reclaim_check(struct snp *s, struct facts *f, unsigned state, unsigned bits, uint64_t at)
{
	const bool rsvd = bits & 1, command_2m = bits & 2, is_2m = bits & 4, odd = bits & 8;
	const bool up = bits & 16;
	const uint64_t page = odd ? at + PAGE_SIZE : at;
	struct fact_case c = { 0 };
	char *const *row;
	enum psp_status st;
	const char *after;
	char text[64];

	fact_is(&c, "rsvd", bit_name(rsvd));
	fact_is(&c, "platform", bit_name(up));
	fact_is(&c, "where", state == SNP_STATE_DEFAULT ? "uncovered" : "page");
	fact_is(&c, "size", command_2m ? "2m" : "4k");
	fact_is(&c, "rmp_size", is_2m ? "2m" : "4k");
	fact_is(&c, "align", odd ? "odd" : "even");
	fact_is(&c, "state", state_names[state]);
	row = facts_find(f, &c);
	if (!row)
		return;
	into_state(s, at, state, is_2m, ASID, GPA_AT);
	st = cmd_at(s, PSP_SNP_PAGE_RECLAIM, page | command_2m | (rsvd ? 0x10 : 0));
	after = fact_cell(f, row, "after");
	if (!strcmp(after, "same"))
		after = state_names[state];
	snprintf(text, sizeof(text), "%d", st);
	if (strcmp(text, fact_cell(f, row, "status")))
		facts_wrong(f, &c, row, text);
	if (strcmp(state_names[state_of(s, at)], after))
		facts_wrong(f, &c, row, state_names[state_of(s, at)]);
	give_back(s, at, is_2m);
}

static void reclaim_of_everything(void **unused)
{
	struct facts f = facts_of("snp-reclaim.tsv");

	(void)unused;
	for (unsigned up = 0; up < 2; up++) {
		struct snp s = up ? an_snp() : a_machine_with(true);
		const uint64_t at = a_large(&s);

		for (unsigned i = 0; i < NR_STATES * 16; i++) {
			const unsigned state = i / 16;
			const bool small = state == SNP_STATE_HYPERVISOR ||
					   state == SNP_STATE_HV_FIXED ||
					   state == SNP_STATE_DEFAULT;

			/* The table has no row for what nobody can make. */
			if (((i & 4) && small) || ((i & 8) && !(i & 4)) ||
			    state == SNP_STATE_INVALID)
				continue;
			reclaim_check(&s, &f, state, i % 16 | up << 4,
				      state == SNP_STATE_DEFAULT ? UNCOVERED : at);
		}
		no_snp(&s);
	}
	facts_end(&f);
}

/* -- snp-launch-pages.tsv -- */

static void sha384(const void *bytes, size_t len, uint8_t *out)
{
	assert_true(EVP_Digest(bytes, len, out, NULL, EVP_sha384(), NULL));
}

/* PAGE_INFO by the table's own words. */
static void extend(uint8_t *ld, const uint8_t *contents, unsigned type, const uint8_t *perms,
		   uint64_t gpa)
{
	uint8_t info[0x70] = { 0 };

	memcpy(info, ld, 48);
	memcpy(info + 48, contents, 48);
	info[0x60] = 0x70;
	info[0x62] = (uint8_t)type;
	memcpy(info + 0x65, perms, 3);
	memcpy(info + 0x68, &gpa, sizeof(gpa));
	sha384(info, sizeof(info), ld);
}

/* Does a launch with this ID block's digest go through?  Otherwise BAD_MEASUREMENT. */
static enum psp_status finish_with(struct snp *s, uint64_t gctx, const uint8_t *ld)
{
	struct psp_snp_launch_finish in = { .gctx = gctx, .flags = PSP_SNP_FINISH_ID_BLOCK,
					    .id_block = a_page(s), .id_auth = a_page(s) };
	struct snp_id_block block = { .policy = POLICY };
	struct snp_id_auth auth = { 0 };

	memcpy(block.ld, ld, sizeof(block.ld));
	put(s, in.id_block, &block, sizeof(block));
	put(s, in.id_auth, &auth, sizeof(auth));
	return cmd(s, PSP_SNP_LAUNCH_FINISH, &in);
}

/* What the row says that the guest finds, the page having been @bytes. */
static void check_data(struct facts *f, char *const *row, const uint8_t *was, const uint8_t *now)
{
	const char *data = fact_cell(f, row, "data");
	static const uint8_t zeros[PAGE_SIZE];

	if (!strcmp(data, "host"))
		assert_memory_equal(now, was, PAGE_SIZE);
	else if (!strcmp(data, "zero"))
		assert_memory_equal(now, zeros, PAGE_SIZE);
	else
		assert_int_equal(now[0], 3);	/* the version of the secrets page */
}

static void page_check(struct snp *s, struct facts *f, char *const *row, bool large)
{
	const unsigned type = (unsigned)atoi(fact_cell(f, row, "type"));
	const uint64_t at = large ? a_large(s) : a_page(s);
	const uint64_t gctx = a_guest(s, POLICY, ASID);
	uint8_t bytes[PAGE_SIZE], now[PAGE_SIZE], contents[48] = { 0 }, ld[48] = { 0 };
	struct psp_snp_launch_update in = update_of(gctx, at, type, large);

	memcpy(in.vmpl_perms, "\x07\x03\x01", 3);
	assign(s, at, GPA_AT, ASID, large, true);
	for (unsigned i = 0; i < (large ? 512 : 1); i++) {
		memset(bytes, 0, sizeof(bytes));
		if (type != PSP_SNP_CPUID)
			memset(bytes, (int)(i + 1), sizeof(bytes));
		put(s, at + i * PAGE_SIZE, bytes, sizeof(bytes));
		if (!strcmp(fact_cell(f, row, "contents"), "sha384")) {
			if (type == PSP_SNP_VMSA)
				memset(bytes + 0x2f0, 0, 16);
			sha384(bytes, sizeof(bytes), contents);
		}
		extend(ld, contents, type, in.vmpl_perms, GPA_AT + i * PAGE_SIZE);
	}
	if (large && strcmp(fact_cell(f, row, "size"), "both")) {
		assert_int_equal(cmd(s, PSP_SNP_LAUNCH_UPDATE, &in), PSP_INVALID_PAGE_SIZE);
	} else {
		assert_int_equal(cmd(s, PSP_SNP_LAUNCH_UPDATE, &in), PSP_SUCCESS);
		assert_int_equal(entry_of(s, at).vmsa, atoi(fact_cell(f, row, "vmsa")));
		if (type == PSP_SNP_VMSA)
			memset(bytes, 1, sizeof(bytes));
		assert_true(view_read(s->hw, HPA(at + (large ? 511 : 0) * PAGE_SIZE), ASID, now,
				      sizeof(now)));
		check_data(f, row, bytes, now);
		assert_int_equal(finish_with(s, gctx, now), PSP_BAD_MEASUREMENT);
		/* the digest is right: what is asked next is the key's algorithm */
		assert_int_equal(finish_with(s, gctx, ld), PSP_INVALID_PARAM);
	}
	give_back(s, at, large);
	assert_int_equal(cmd_at(s, PSP_SNP_DECOMMISSION, gctx), PSP_SUCCESS);
	flush(s);
	f->nr_cases++;
}

static void each_type_of_page(void **unused)
{
	struct facts f = facts_of("snp-launch-pages.tsv");
	struct snp s = an_snp();

	(void)unused;
	for (unsigned i = 0; i < f.nr_rows; i++)
		for (unsigned large = 0; large < 2; large++)
			page_check(&s, &f, f.row[i], large);
	no_snp(&s);
	facts_end(&f);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(page_states), cmocka_unit_test(launch_update_of_everything),
		cmocka_unit_test(reclaim_of_everything), cmocka_unit_test(each_type_of_page),
	};

	folder = argc > 1 ? argv[1] : "docs/facts";
	return cmocka_run_group_tests(tests, NULL, NULL);
}
