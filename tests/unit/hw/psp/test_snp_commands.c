/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * test_snp_commands.c - docs/facts/snp-commands.tsv, but for guests' messages
 * (test_snp_request.c): each row alone, with each of its values, and each two rows of a command
 * together, where the earlier step decides.
 *
 * usage: test_hw_psp_snp_commands DOCS/FACTS
 */
#define POOL_PAGES	2048u
#include "a_snp.h"
#include "model/rmp/facts.h"

#include "hw/psp/snp_id_block.h"

#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <stdio.h>
#include <stdlib.h>

#define ASID	3u
#define GPA_AT	0x40000000ull
#define GOOD	(-1)

static const char *folder;

/* One command, right in all but what has been broken. */
struct call {
	const char *name;
	bool	    reserved, down, sev_up, crossing, other_owner, imi, inactive, misaligned, length;
	bool	    gctx_2m, no_ram, dirty, no_wbinvd, asid_pages;
	int	    gctx, gstate, page[2];	/* states; page: what else the command names */
	const char *policy, *asid, *id, *entries;	/* the row's words */
	unsigned    broken;			/* steps that the fields above are for */
	bool	    cannot;			/* no such case on this machine */
};

static const struct call fine = { .gctx = GOOD, .gstate = GOOD, .page = { GOOD, GOOD } };

static bool is(const struct call *c, const char *name)
{
	return !strcmp(c->name, name);
}

static int state_named(const char *name)
{
	for (unsigned i = 0; i <= SNP_STATE_DEFAULT; i++)
		if (!strcmp(state_names[i], name))
			return (int)i;
	fail_msg("no such state: %s", name);
	return 0;
}

static int gstate_named(const char *name)
{
	return !strcmp(name, "init") ? 0 : !strcmp(name, "launch") ? 1 : 2;
}

/* The row's words into @c.  Columns what and value. */
static void break_it(struct call *c, const char *what, const char *value)
{
	if (!strcmp(what, "reserved"))
		c->reserved = true;
	else if (!strcmp(what, "platform"))
		c->down = true;
	else if (!strcmp(what, "gctx"))
		c->gctx = state_named(value);
	else if (!strcmp(what, "gctx-size"))
		c->gctx_2m = true;
	else if (!strcmp(what, "gctx-memory"))
		c->no_ram = true;
	else if (!strcmp(what, "gstate"))
		c->gstate = gstate_named(value);
	else if (!strncmp(what, "ma-gctx", 7) || !strcmp(what, "status-page") ||
		 !strcmp(what, "source"))
		c->page[0] = state_named(value);
	else if (!strcmp(what, "destination"))
		c->page[1] = state_named(value);
	else if (!strcmp(what, "policy"))
		c->policy = value;
	else if (!strcmp(what, "asid-pages"))
		c->asid_pages = true;
	else if (!strcmp(what, "asid"))
		c->asid = value;
	else if (!strcmp(what, "active"))
		c->inactive = true;	/* for ACTIVATE: the other way round */
	else if (!strcmp(what, "imi"))
		c->imi = true;
	else if (!strcmp(what, "id-block") || !strcmp(what, "id-auth"))
		c->id = value;
	else if (!strcmp(what, "wbinvd"))
		c->no_wbinvd = true;
	else if (!strcmp(what, "status-address"))
		c->crossing = true;
	else if (!strcmp(what, "source-asid") || !strcmp(what, "destination-asid"))
		c->other_owner = true;
	else if (!strcmp(what, "align"))
		c->misaligned = true;
	else if (!strcmp(what, "length"))
		c->length = true;
	else if (!strcmp(what, "sev-platform"))
		c->sev_up = true;
	else if (!strcmp(what, "asids"))
		c->dirty = true;
	else if (!strcmp(what, "entries"))
		c->entries = value;
	else if (!strcmp(what, "page") && !strcmp(value, "default"))
		c->page[0] = SNP_STATE_DEFAULT;
	else if (!strcmp(what, "page"))
		c->cannot = true;	/* no RMP in physical memory */
	else if (strcmp(what, "ok"))
		fail_msg("%s: what is %s?", c->name, what);
}

/* -- Making it so -- */

static struct snp machine_for(const struct call *c)
{
	struct snp s = a_machine_with(true);

	if (!c->down) {
		assert_int_equal(init(&s), PSP_SUCCESS);
		flush(&s);
	}
	return s;
}

static uint64_t page_in(struct snp *s, int state, uint32_t asid)
{
	uint64_t a = state == SNP_STATE_DEFAULT ? UNCOVERED : a_page(s);

	into_state(s, a, (enum snp_state)state, false, asid, GPA_AT);
	return a;
}

static uint64_t policy_for(const struct call *c)
{
	const bool debug = is(c, "SNP_DBG_DECRYPT") || is(c, "SNP_DBG_ENCRYPT");

	return POLICY | (debug && !c->policy ? PSP_SNP_POLICY_DEBUG : 0);
}

/* A guest in @c's state, or in @want; with an ASID if it can have one and @active. */
static uint64_t guest_for(struct snp *s, const struct call *c, int want, bool active)
{
	struct psp_snp_launch_start start = { .policy = policy_for(c) };
	const int gstate = c->gstate == GOOD ? want : c->gstate;

	if (c->gctx != GOOD)
		return page_in(s, c->gctx, ASID);
	if (c->down)
		return page_in(s, SNP_STATE_CONTEXT, 0);
	start.flags = c->imi ? PSP_SNP_START_IMI : 0;
	start.gctx = a_context(s);
	if (gstate)
		assert_int_equal(cmd(s, PSP_SNP_LAUNCH_START, &start), PSP_SUCCESS);
	if (gstate && (active || gstate == 2))
		assert_int_equal(activate(s, start.gctx, ASID), PSP_SUCCESS);
	if (gstate == 2 && !c->imi)
		assert_int_equal(launch_finish(s, start.gctx), PSP_SUCCESS);
	return start.gctx;
}

static enum psp_status run_gctx_create(struct snp *s, const struct call *c)
{
	const bool fixed = c->gctx == SNP_STATE_HYPERVISOR || c->gctx == SNP_STATE_HV_FIXED ||
			   c->gctx == SNP_STATE_DEFAULT;
	uint64_t a = c->gctx == SNP_STATE_DEFAULT ? UNCOVERED : a_large(s);

	if (c->no_ram)
		a = 0x3000000000;
	into_state(s, a, c->gctx == GOOD ? SNP_STATE_FIRMWARE : (enum snp_state)c->gctx,
		   c->gctx_2m && !fixed, ASID, GPA_AT);
	return cmd_at(s, PSP_SNP_GCTX_CREATE, a | (c->reserved ? 8 : 0));
}

static uint64_t bad_policy(const char *value)
{
	if (!value)
		return POLICY;
	if (strstr(value, "bit 18 clear"))
		return POLICY;
	if (strstr(value, "agent has an agent"))
		return POLICY | PSP_SNP_POLICY_MIGRATE;
	if (strstr(value, "bit 20 set"))
		return POLICY | PSP_SNP_POLICY_MIGRATE | PSP_SNP_POLICY_SINGLE;
	if (strstr(value, "bit 17 clear"))
		return PSP_SNP_POLICY_SMT;
	if (strstr(value, "major.minor"))
		return POLICY | PSP_API_MAJOR << 8 | (PSP_API_MINOR + 1);
	return POLICY | 1ull << 40;	/* a bit of 63:21 */
}

/* A migration agent, maybe one that has an agent itself. */
static uint64_t agent_for(struct snp *s, const struct call *c)
{
	struct psp_snp_launch_start start = { .policy = POLICY | PSP_SNP_POLICY_MIGRATE };

	if (c->page[0] != GOOD)
		return page_in(s, c->page[0], ASID);
	if (c->policy && strstr(c->policy, "agent has an agent")) {
		start.flags = PSP_SNP_START_AGENT;
		start.ma_gctx = a_guest(s, POLICY, 0);
	}
	start.gctx = a_context(s);
	assert_int_equal(cmd(s, PSP_SNP_LAUNCH_START, &start), PSP_SUCCESS);
	return start.gctx;
}

static enum psp_status run_launch_start(struct snp *s, const struct call *c)
{
	struct psp_snp_launch_start in = {
		.gctx = guest_for(s, c, 0, false), .policy = bad_policy(c->policy),
		.flags = c->reserved ? 4 : 0 };

	if (!c->down && (c->page[0] != GOOD || (c->policy && strstr(c->policy, "ma_en")))) {
		in.flags |= PSP_SNP_START_AGENT;
		in.ma_gctx = agent_for(s, c);
	}
	return cmd(s, PSP_SNP_LAUNCH_START, &in);
}

static enum psp_status run_activate(struct snp *s, const struct call *c)
{
	uint32_t asid = OTHER_ASID;
	uint64_t gctx;

	if (c->down || c->gctx != GOOD) {
		gctx = guest_for(s, c, 1, false);
	} else {
		gctx = guest_for(s, c, 1, c->inactive);
		if (c->asid && strstr(c->asid, "in use"))
			a_guest(s, POLICY, asid);
		if (c->asid && strstr(c->asid, "used before")) {
			const uint64_t old = a_guest(s, POLICY, asid);

			assert_int_equal(launch_finish(s, old), PSP_SUCCESS);
			assert_int_equal(cmd_at(s, PSP_SNP_DECOMMISSION, old), PSP_SUCCESS);
		}
	}
	if (c->asid_pages)
		assign(s, a_page(s), GPA_AT, asid, false, false);
	if (c->asid && strstr(c->asid, "maximum") && !c->asid_pages) {
		asid = 0;
		if (!c->down && !c->reserved && c->gctx == GOOD)
			assert_int_equal(activate(s, gctx, 16), activate(s, gctx, UINT32_MAX));
	}
	return activate(s, gctx | (c->reserved ? 8 : 0), asid);
}

static EVP_PKEY *a_key(void)
{
	EVP_PKEY *k = EVP_EC_gen("P-384");

	assert_non_null(k);
	return k;
}

static struct snp_id_key public_of(EVP_PKEY *key)
{
	struct snp_id_key k = { .curve = PSP_CURVE_P384 };
	uint8_t point[97];
	size_t n;

	assert_true(EVP_PKEY_get_octet_string_param(key, OSSL_PKEY_PARAM_ENCODED_PUBLIC_KEY, point,
						    sizeof(point), &n));
	for (unsigned i = 0; i < 48; i++) {
		k.q.x[i] = point[48 - i];
		k.q.y[i] = point[96 - i];
	}
	return k;
}

/* An ID block, right but for @c->id. */
static void put_id(struct snp *s, const struct call *c, struct psp_snp_launch_finish *in)
{
	const char *id = c->id;
	const bool author = strstr(id, "auth") != NULL;
	struct snp_id_block block = { .policy = POLICY, .version = 1 };
	static struct snp_id_auth auth;
	EVP_PKEY *key = a_key(), *of = a_key();

	auth = (struct snp_id_auth){ .id_key_algo = 1, .author_key_algo = 1,
				     .id_key = public_of(key), .author_key = public_of(of) };
	block.ld[5] = strstr(id, "launch digest") != NULL;
	block.policy ^= strstr(id, "policy") ? PSP_SNP_POLICY_DEBUG : 0;
	auth.id_key_algo += strstr(id, "id_key_algo") != NULL;
	auth.author_key_algo += strstr(id, "auth_key_algo") != NULL;
	auth.id_key.curve += !strncmp(id, "id key not", 10);
	auth.author_key.curve += strstr(id, "author key not") != NULL;
	assert_true(cert_sign_bytes(key, EVP_sha384(), &block, sizeof(block), auth.id_block_sig.r,
				    auth.id_block_sig.s));
	assert_true(cert_sign_bytes(of, EVP_sha384(), &auth.id_key, sizeof(auth.id_key),
				    auth.id_key_sig.r, auth.id_key_sig.s));
	auth.id_block_sig.s[3] ^= strstr(id, "signature of the ID block") != NULL;
	auth.id_key_sig.s[3] ^= strstr(id, "signature of the ID key") != NULL;
	EVP_PKEY_free(key);
	EVP_PKEY_free(of);
	in->flags |= PSP_SNP_FINISH_ID_BLOCK | (author ? PSP_SNP_FINISH_AUTHOR_KEY : 0);
	in->id_block = a_page(s);
	in->id_auth = a_page(s);
	put(s, in->id_block, &block, sizeof(block));
	put(s, in->id_auth, &auth, sizeof(auth));
}

static enum psp_status run_launch_finish(struct snp *s, const struct call *c)
{
	struct psp_snp_launch_finish in = { .gctx = guest_for(s, c, 1, !c->inactive) };

	if (c->id)
		put_id(s, c, &in);
	in.flags |= c->reserved ? 8 : 0;
	return cmd(s, PSP_SNP_LAUNCH_FINISH, &in);
}

static enum psp_status run_decommission(struct snp *s, const struct call *c)
{
	return cmd_at(s, PSP_SNP_DECOMMISSION, guest_for(s, c, 2, true) | (c->reserved ? 8 : 0));
}

static enum psp_status run_df_flush(struct snp *s, const struct call *c)
{
	const uint64_t gctx = a_guest(s, POLICY, ASID);

	assert_int_equal(launch_finish(s, gctx), PSP_SUCCESS);
	assert_int_equal(cmd_at(s, PSP_SNP_DECOMMISSION, gctx), PSP_SUCCESS);
	if (!c->no_wbinvd)
		psp_wbinvd_done(s->hw);
	return cmd(s, PSP_SNP_DF_FLUSH, NULL);
}

static enum psp_status run_guest_status(struct snp *s, const struct call *c)
{
	struct psp_snp_guest_status in = { .gctx = guest_for(s, c, 1, true) };

	in.gctx |= c->reserved ? 8 : 0;
	in.address = page_in(s, c->page[0] == GOOD ? SNP_STATE_FIRMWARE : c->page[0], ASID);
	in.address += c->crossing ? PAGE_SIZE - 8 : 0;
	return cmd(s, PSP_SNP_GUEST_STATUS, &in);
}

static enum psp_status run_dbg(struct snp *s, const struct call *c)
{
	const bool decrypt = is(c, "SNP_DBG_DECRYPT");
	const uint32_t owner = c->other_owner ? OTHER_ASID : ASID;
	struct psp_snp_dbg in = { .gctx = guest_for(s, c, 1, true) };
	const int from = decrypt ? SNP_STATE_GUEST_VALID : SNP_STATE_HYPERVISOR;
	const int to = decrypt ? SNP_STATE_FIRMWARE : SNP_STATE_PRE_GUEST;

	in.src = page_in(s, c->page[0] == GOOD ? from : c->page[0], owner);
	in.dst = page_in(s, c->page[1] == GOOD ? to : c->page[1], owner);
	in.src += c->reserved ? 16 : 0;
	return cmd(s, decrypt ? PSP_SNP_DBG_DECRYPT : PSP_SNP_DBG_ENCRYPT, &in);
}

/* 512 pages of one guest, in a row, all Pre-Guest; but for @c->entries. */
static uint64_t put_entries(struct snp *s, const struct call *c)
{
	const uint64_t at = a_large(s);
	const char *e = c->entries ? c->entries : "";
	const uint64_t gpa = GPA_AT + (strstr(e, "not aligned") ? PAGE_SIZE : 0);

	if (!strcmp(e, "one is 2M")) {
		assign(s, at, GPA_AT, ASID, true, true);
		return at;
	}
	for (unsigned i = 0; i < 512; i++) {
		const bool odd = i == 7;
		struct rmp_entry now;

		assign(s, at + i * PAGE_SIZE,
		       gpa + (odd && strstr(e, "not consecutive") ? 5 : i) * PAGE_SIZE,
		       odd && strstr(e, "ASIDs differ") ? OTHER_ASID : ASID, false,
		       !(odd && strstr(e, "Immutable 0")));
		now = entry_of(s, at + i * PAGE_SIZE);
		if (!odd || !c->entries)
			continue;
		now.vmsa = strstr(e, "VMSA 1");
		now.validated = strstr(e, "states differ");
		now.perm[1] = strstr(e, "VMPL masks") ? 1 : 0;
		if (strstr(e, "ASID 0"))
			now = (struct rmp_entry){ .immutable = true };
		if (now.immutable)
			firmware_turns(s, at + i * PAGE_SIZE, false, now);
	}
	return at;
}

static enum psp_status run_unsmash(struct snp *s, const struct call *c)
{
	uint64_t at = c->page[0] == SNP_STATE_DEFAULT ? UNCOVERED : put_entries(s, c);

	return cmd_at(s, PSP_SNP_PAGE_UNSMASH,
		      at + (c->reserved ? 16 : 0) + (c->misaligned ? PAGE_SIZE : 0));
}

static enum psp_status run_set_state(struct snp *s, const struct call *c)
{
	struct psp_snp_range_list list = { 0 };
	struct psp_snp_page_set_state in = { .length = sizeof(in), .list_address = a_page(s) };

	put(s, in.list_address, &list, sizeof(list));
	in.length += c->length ? 4 : 0;
	in.reserved = c->reserved;
	return cmd(s, PSP_SNP_PAGE_SET_STATE, &in);
}

static enum psp_status run_shutdown(struct snp *s, const struct call *c)
{
	struct psp_snp_shutdown_ex in = { .length = sizeof(in) };

	if (c->dirty && !c->down)
		a_guest(s, POLICY, ASID);
	if (c->sev_up)
		assert_int_equal(cmd(s, PSP_INIT, &(struct psp_init){ 0 }), PSP_SUCCESS);
	in.length += c->length ? 4 : 0;
	in.flags |= c->reserved ? 0x80 : 0;
	return cmd(s, PSP_SNP_SHUTDOWN_EX, &in);
}

static const struct {
	const char	*name;
	enum psp_status	(*run)(struct snp *s, const struct call *c);
} commands[] = {
	{ "SNP_GCTX_CREATE", run_gctx_create }, { "SNP_LAUNCH_START", run_launch_start },
	{ "SNP_ACTIVATE", run_activate }, { "SNP_LAUNCH_FINISH", run_launch_finish },
	{ "SNP_DECOMMISSION", run_decommission }, { "SNP_DF_FLUSH", run_df_flush },
	{ "SNP_GUEST_STATUS", run_guest_status }, { "SNP_DBG_DECRYPT", run_dbg },
	{ "SNP_DBG_ENCRYPT", run_dbg }, { "SNP_PAGE_UNSMASH", run_unsmash },
	{ "SNP_PAGE_SET_STATE", run_set_state }, { "SNP_SHUTDOWN_EX", run_shutdown },
};

/* -- Rows -- */

struct tally { unsigned rows, cases, pairs, impossible, elsewhere; };

static const char *cell(const struct facts *f, unsigned row, const char *name)
{
	return fact_cell(f, f->row[row], name);
}

/* What this machine cannot show: one socket, no SMT, no RMP in memory; a guest loses its ASID
 * only with its context, so a page's owner is asked first. */
static bool is_impossible(const struct facts *f, unsigned row)
{
	const char *what = cell(f, row, "what"), *value = cell(f, row, "value");

	return strstr(value, "SMT is on") || strstr(value, "socket") ||
	       (!strcmp(what, "page") && strcmp(value, "default")) ||
	       (!strcmp(what, "active") && !strncmp(cell(f, row, "command"), "SNP_DBG", 7));
}

static void check(enum psp_status got, const struct facts *f, unsigned row, const char *value)
{
	if (got != (enum psp_status)atoi(cell(f, row, "status")))
		fail_msg("%s, step %s, %s %s: status %d, not %s", cell(f, row, "command"),
			 cell(f, row, "step"), cell(f, row, "what"), value, got,
			 cell(f, row, "status"));
}

static void run_call(const struct facts *f, unsigned row, const char *value, unsigned command,
		     const struct call *c)
{
	struct snp s = machine_for(c);

	check(commands[command].run(&s, c), f, row, value);
	no_snp(&s);
}

/* The values of a row one by one: those of states are a|b, those of others are words. */
static char *next_value(char **rest, const char *what)
{
	const bool many = strcmp(what, "reserved") && strchr(*rest ? *rest : "", '|');

	return many || !*rest ? strsep(rest, "|") : strsep(rest, "");
}

static struct call call_of(const struct facts *f, unsigned row, const char *value)
{
	struct call c = fine;

	c.name = cell(f, row, "command");
	break_it(&c, cell(f, row, "what"), value);
	return c;
}

static void each_value(const struct facts *f, unsigned row, unsigned command, struct tally *t)
{
	char values[512], *rest = values, *value;

	snprintf(values, sizeof(values), "%s", cell(f, row, "value"));
	while ((value = next_value(&rest, cell(f, row, "what")))) {
		const struct call c = call_of(f, row, value);

		run_call(f, row, value, command, &c);
		t->cases++;
	}
}

/* Two rows whose words are about different things, of different steps: the first decides. */
static bool fit_together(const struct facts *f, unsigned a, unsigned b)
{
	const char *wa = cell(f, a, "what"), *wb = cell(f, b, "what");
	const bool guest = !strcmp(wa, "gctx") || !strcmp(wa, "platform");

	if (!strcmp(wb, "ok") || !strcmp(wa, wb) || atoi(cell(f, a, "step")) >= atoi(cell(f, b, "step")))
		return false;
	/* Where there is no guest, or its pages are not, nothing else of it can be wrong. */
	if (guest || !strcmp(wa, "gctx-size") || !strcmp(wa, "gctx-memory"))
		return !strcmp(wb, "reserved") || !strcmp(wb, "align") || !strcmp(wb, "length");
	if (!strcmp(wa, "gstate") || !strcmp(wa, "asid-pages") || !strcmp(wa, "imi"))
		return !strncmp(wb, "id-", 3);
	if (!strncmp(wa, "id-", 3) || !strcmp(wa, "asid") || !strcmp(wa, "active") ||
	    !strcmp(wa, "page") || !strcmp(wa, "entries"))
		return false;
	return strcmp(cell(f, a, "command"), "SNP_SHUTDOWN_EX") || strcmp(wb, "platform");
}

static void each_pair(const struct facts *f, unsigned row, unsigned command, struct tally *t)
{
	for (unsigned b = row + 1; b < f->nr_rows; b++) {
		struct call c;
		char first[64];

		if (strcmp(cell(f, row, "command"), cell(f, b, "command")) || is_impossible(f, b) ||
		    !fit_together(f, row, b))
			continue;
		snprintf(first, sizeof(first), "%s", cell(f, row, "value"));
		first[strcspn(first, "|")] = 0;
		c = call_of(f, row, first);
		snprintf(first, sizeof(first), "%s", cell(f, b, "value"));
		first[strcspn(first, "|")] = 0;
		break_it(&c, cell(f, b, "what"), first);
		run_call(f, row, cell(f, b, "what"), command, &c);
		t->pairs++;
	}
}

static void every_row_holds(void **unused)
{
	struct tally t = { 0 };
	struct facts f;
	char path[4096];

	(void)unused;
	snprintf(path, sizeof(path), "%s/snp-commands.tsv", folder);
	f = facts_read(path);
	for (unsigned i = 0; i < f.nr_rows; i++) {
		unsigned n = 0;

		while (n < ARRAY_SIZE(commands) && strcmp(commands[n].name, cell(&f, i, "command")))
			n++;
		if (n == ARRAY_SIZE(commands)) {
			t.elsewhere++;
		} else if (is_impossible(&f, i)) {
			t.impossible++;
		} else {
			each_value(&f, i, n, &t);
			each_pair(&f, i, n, &t);
			t.rows++;
		}
	}
	printf("snp-commands.tsv: %u of %u rows hold, %u cases and %u pairs; %u of messages and SEV, "
	       "%u that this machine cannot show\n", t.rows, f.nr_rows, t.cases, t.pairs,
	       t.elsewhere, t.impossible);
	facts_free(&f);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(every_row_holds) };

	folder = argc > 1 ? argv[1] : "docs/facts";
	return cmocka_run_group_tests(tests, NULL, NULL);
}
