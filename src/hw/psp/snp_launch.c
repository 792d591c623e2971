/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * snp_launch.c - firmware ABI 56860 chapter 8: from SNP_LAUNCH_START to
 * SNP_LAUNCH_FINISH.
 */
#include "hw/psp/psp_snp_priv.h"

#include "hw/psp/snp_cpuid.h"

#include <openssl/crypto.h>
#include <openssl/rand.h>
#include <stdlib.h>
#include <string.h>

#define POLICY_MINOR_HI		7
#define POLICY_MINOR_LO		0
#define POLICY_MAJOR_HI		15
#define POLICY_MAJOR_LO		8
_Static_assert(sizeof(struct snp_cpuid_page) == PAGE_SIZE, "layout of the firmware ABI");

#define POLICY_KNOWN		BITS(20, 0)

/* -- SNP_LAUNCH_START -- */

static bool abi_is_ours(uint64_t policy)
{
	const uint64_t major = FIELD_GET(POLICY_MAJOR, policy);

	return major < PSP_API_MAJOR ||
	       (major == PSP_API_MAJOR && FIELD_GET(POLICY_MINOR, policy) <= PSP_API_MINOR);
}

/* Two threads of a core: CPUID 8000_001E. */
static bool smt_is_on(const struct hw *hw)
{
	return hw_cpuid(hw, 0x8000001e, 0).ebx >> 8 & 0xff;
}

static bool policy_is_good(const struct psp *psp, uint64_t policy, const struct snp_guest *agent)
{
	if (agent && (!(policy & PSP_SNP_POLICY_MIGRATE) || agent->agent))
		return false;
	if (!(policy & PSP_SNP_POLICY_MBO) || policy & ~POLICY_KNOWN || !abi_is_ours(policy))
		return false;
	if (!(policy & PSP_SNP_POLICY_SMT) && smt_is_on(psp->hw))
		return false;
	return !agent || !(policy & PSP_SNP_POLICY_SINGLE) ||
	       agent->policy & PSP_SNP_POLICY_SINGLE;
}

/* What a guest has for itself.  False: libcrypto failed. */
static bool make_secrets(struct snp_guest *g)
{
	bool ok = RAND_bytes(g->key, sizeof(g->key)) == 1 &&
		  RAND_bytes(g->root, sizeof(g->root)) == 1 &&
		  RAND_bytes(g->report_id, sizeof(g->report_id)) == 1;

	for (unsigned i = 0; ok && i < SNP_NR_VMPCKS; i++) {
		g->vmpcks[i].count = 0;
		ok = RAND_bytes(g->vmpcks[i].key, sizeof(g->vmpcks[i].key)) == 1;
	}
	return ok;
}

static enum psp_status launch_start(struct psp *psp, struct snp_guest *g,
				    const struct psp_snp_launch_start *in,
				    const struct snp_guest *agent)
{
	if (!g->hash.ctx && !snp_hash_make(&g->hash))
		return PSP_RESOURCE_LIMIT;
	if (!make_secrets(g))
		return PSP_HWERROR_PLATFORM;
	g->policy = in->policy;
	g->agent = agent ? agent->gctx : 0;
	memset(g->agent_report_id, 0xff, sizeof(g->agent_report_id));
	if (agent)
		memcpy(g->agent_report_id, agent->report_id, sizeof(g->agent_report_id));
	g->imi = in->flags & PSP_SNP_START_IMI;
	g->desired_tsc_khz = in->desired_tsc_khz;
	memcpy(g->gosvw, in->gosvw, sizeof(g->gosvw));
	g->state = SNP_GUEST_LAUNCH;
	psp->snp.nr_launched++;
	return PSP_SUCCESS;
}

PSP_COMMAND(psp_do_snp_launch_start)
{
	const struct psp_snp_launch_start *in = buf;
	struct snp_guest *g, *agent = NULL;
	enum psp_status st;

	if (!snp_is_page(in->gctx) || !snp_is_page(in->ma_gctx) ||
	    in->flags & ~(PSP_SNP_START_AGENT | PSP_SNP_START_IMI))
		return PSP_INVALID_PARAM;
	st = snp_guest_of(psp, in->gctx, &g);
	if (st != PSP_SUCCESS)
		return st;
	if (g->state != SNP_GUEST_INIT)
		return PSP_INVALID_GUEST_STATE;
	if (in->flags & PSP_SNP_START_AGENT)
		st = snp_guest_of(psp, in->ma_gctx, &agent);
	if (st != PSP_SUCCESS)
		return st;
	if (!policy_is_good(psp, in->policy, agent))
		return PSP_POLICY_FAILURE;
	return launch_start(psp, g, in, agent);
}

/* -- SNP_LAUNCH_UPDATE -- */

struct update {				/* one command */
	struct psp	 *psp;
	struct snp_guest *g;
	uint64_t	  at;
	struct rmp_entry  entry;
	bool		  large;
	struct snp_page	  page;
	uint8_t		  ld[SNP_DIGEST_BYTES], imd[SNP_DIGEST_BYTES];	/* so far */
	uint64_t	  measured;	/* bytes, of a page with the hypervisor's contents */
	bool		  failed;	/* libcrypto, meanwhile */
};

static size_t update_size(const struct update *u)
{
	return PG_LEVEL_SIZE(u->large ? PG_LEVEL_2M : PG_LEVEL_4K);
}

static enum psp_status update_check_page(const struct update *u)
{
	if (snp_state_of(&u->entry) != SNP_STATE_PRE_GUEST)
		return PSP_INVALID_PAGE_STATE;
	if (u->entry.is_2m != u->large)
		return PSP_INVALID_PAGE_SIZE;
	if (u->large && !IS_ALIGNED(u->at, PG_LEVEL_SIZE(PG_LEVEL_2M)))
		return PSP_INVALID_ADDRESS;
	switch (u->page.type) {
	case PSP_SNP_NORMAL:
	case PSP_SNP_ZERO:
	case PSP_SNP_UNMEASURED:
		return PSP_SUCCESS;
	case PSP_SNP_VMSA:
	case PSP_SNP_SECRETS:
	case PSP_SNP_CPUID:
		return u->large ? PSP_INVALID_PAGE_SIZE : PSP_SUCCESS;
	default:
		return PSP_INVALID_PARAM;
	}
}

static enum psp_status update_check_guest(const struct update *u)
{
	if (u->g->state != SNP_GUEST_LAUNCH)
		return PSP_INVALID_GUEST_STATE;
	if (!u->g->asid)
		return PSP_INACTIVE;
	if (u->entry.asid != u->g->asid)
		return PSP_INVALID_PAGE_OWNER;
	return u->g->imi && !u->page.imi ? PSP_INVALID_PARAM : PSP_SUCCESS;
}

/* What the firmware puts into the 4 KiB at @a, which the guest's key has in view. */
static bool compose(struct update *u, hpa_t a, uint8_t *bytes)
{
	const keyslot_t key = (keyslot_t)u->g->asid;

	switch (u->page.type) {
	case PSP_SNP_ZERO:
		memset(bytes, 0, PAGE_SIZE);
		return view_write(u->psp->hw, a, key, bytes, PAGE_SIZE);
	case PSP_SNP_UNMEASURED:
		return true;
	case PSP_SNP_SECRETS:
		snp_secrets_compose(u->psp, u->g, bytes);
		return view_write(u->psp->hw, a, key, bytes, PAGE_SIZE);
	default:			/* CPUID: @bytes are what was checked */
		return view_write(u->psp->hw, a, key, bytes, PAGE_SIZE);
	}
}

/* The digests go on by the 4 KiB at offset @off, of which @bytes is known. */
static bool measure(struct update *u, uint64_t off, const uint8_t *bytes)
{
	uint8_t contents[SNP_DIGEST_BYTES];

	u->page.gpa = GPA(u->entry.gpa + off);
	return snp_digest_contents(&u->g->hash, u->page.type, bytes, contents) &&
	       snp_digest_extend(&u->g->hash, u->ld, &u->page, contents) &&
	       (!u->page.imi || snp_digest_extend(&u->g->hash, u->imd, &u->page, contents));
}

static enum psp_status update_bytes(struct update *u, uint8_t *bytes)
{
	for (uint64_t off = 0; off < update_size(u); off += PAGE_SIZE) {
		if (!compose(u, HPA(u->at + off), bytes))
			return PSP_INVALID_ADDRESS;
		if (!measure(u, off, bytes))
			return PSP_HWERROR_UNSAFE;
	}
	return PSP_SUCCESS;
}

static enum psp_status update_entry(const struct update *u)
{
	struct rmp_entry to = u->entry;

	to.validated = true;
	to.immutable = false;
	to.vmsa |= u->page.type == PSP_SNP_VMSA;
	memcpy(&to.perm[1], u->page.vmpl_perms, sizeof(u->page.vmpl_perms));
	return snp_status_of_move(snp_firmware_move(u->psp->hw, HPA(u->at), u->large,
						    SNP_STATE_PRE_GUEST, &to,
						    RMP_EVENT_LAUNCHED));
}

/* The hypervisor's contents are measured as the guest's key sees them, once they are encrypted. */
static bool has_contents(const struct update *u)
{
	return u->page.type == PSP_SNP_NORMAL || u->page.type == PSP_SNP_VMSA;
}

static void see_contents(void *arg, const uint8_t *bytes, size_t len)
{
	struct update *u = arg;

	for (size_t at = 0; at < len; at += PAGE_SIZE, u->measured += PAGE_SIZE)
		u->failed = u->failed || !measure(u, u->measured, bytes + at);
}

/* Encrypted, filled, measured, given to the guest; or all as it was. */
static enum psp_status update_perform(struct update *u, uint8_t *bytes)
{
	const size_t size = update_size(u);
	const keyslot_t key = (keyslot_t)u->g->asid;
	enum psp_status st;

	memcpy(u->ld, u->g->ld, sizeof(u->ld));
	memcpy(u->imd, u->g->imd, sizeof(u->imd));
	if (!view_encrypt_seen(u->psp->hw, HPA(u->at), size, key,
			       has_contents(u) ? see_contents : NULL, u))
		return PSP_INVALID_ADDRESS;
	if (has_contents(u))
		st = u->failed ? PSP_HWERROR_UNSAFE : PSP_SUCCESS;
	else
		st = update_bytes(u, bytes);
	if (st == PSP_SUCCESS)
		st = update_entry(u);
	if (st != PSP_SUCCESS) {
		(void)!view_decrypt(u->psp->hw, HPA(u->at), size, key);
		return st;
	}
	memcpy(u->g->ld, u->ld, sizeof(u->ld));
	memcpy(u->g->imd, u->imd, sizeof(u->imd));
	return PSP_SUCCESS;
}

/*
 * CPUID: the raw page into @bytes, and good; what is not is corrected where it
 * lies, in the clear, for the hypervisor to see.
 */
static enum psp_status cpuid_page_check(struct update *u, uint8_t *bytes)
{
	struct snp_cpuid_page *page = (struct snp_cpuid_page *)(void *)bytes;
	enum psp_status st = psp_get(u->psp, u->at, bytes, PAGE_SIZE);

	if (st != PSP_SUCCESS)
		return st;
	if (page->reserved1 || page->reserved2 || page->count > SNP_CPUID_MAX)
		return PSP_INVALID_PARAM;
	if (snp_cpuid_sanitize(u->psp->hw, page->entry, page->count))
		return PSP_SUCCESS;
	st = psp_put(u->psp, u->at, bytes, PAGE_SIZE);
	return st == PSP_SUCCESS ? PSP_INVALID_PARAM : st;
}

static enum psp_status update_run(struct update *u)
{
	uint8_t bytes[PAGE_SIZE] __attribute__((aligned(16)));
	enum psp_status st = PSP_SUCCESS;

	if (u->page.type == PSP_SNP_CPUID)
		st = cpuid_page_check(u, bytes);
	if (st == PSP_SUCCESS)
		st = update_perform(u, bytes);
	if (u->page.type == PSP_SNP_SECRETS)
		OPENSSL_cleanse(bytes, sizeof(bytes));
	return st;
}

static bool update_is_well_formed(const struct psp_snp_launch_update *in)
{
	return snp_is_page(in->gctx) && snp_is_page(in->address) &&
	       !(in->page & ~(PSP_SNP_UPDATE_2M | FIELD_MASK(PSP_SNP_UPDATE_TYPE) |
			      PSP_SNP_UPDATE_IMI)) &&
	       !in->reserved1 && !in->reserved2 && !in->reserved3;
}

/* Everything but the page, its entry and the guest. */
static struct update update_from(struct psp *psp, const struct psp_snp_launch_update *in)
{
	return (struct update){
		.psp = psp, .at = in->address, .large = in->page & PSP_SNP_UPDATE_2M,
		.page = { .type = (uint8_t)FIELD_GET(PSP_SNP_UPDATE_TYPE, in->page),
			  .imi = in->page & PSP_SNP_UPDATE_IMI,
			  .vmpl_perms = { in->vmpl_perms[0], in->vmpl_perms[1],
					  in->vmpl_perms[2] } },
	};
}

static enum psp_status update_check(struct update *u)
{
	enum psp_status st;

	u->entry = snp_page(u->psp->hw, HPA(u->at));
	st = update_check_page(u);
	return st == PSP_SUCCESS ? update_check_guest(u) : st;
}

PSP_COMMAND(psp_do_snp_launch_update)
{
	const struct psp_snp_launch_update *in = buf;
	struct update u = update_from(psp, in);
	enum psp_status st;

	if (!update_is_well_formed(in))
		return PSP_INVALID_PARAM;
	st = snp_guest_of(psp, in->gctx, &u.g);
	if (st == PSP_SUCCESS)
		st = update_check(&u);
	return st == PSP_SUCCESS ? update_run(&u) : st;
}

/*
 * -- Many --
 *
 * Pages that differ in their address alone, in a row within 2 MiB, are encrypted
 * at once, measured one after the other, and given to the guest.  When anything is
 * not as it should be, nothing of that has been: each goes by itself.
 */
#define ROW_MAX		512u

struct in_row {
	struct rmp_entry  entry;
	uint8_t		  ld[SNP_DIGEST_BYTES];	/* with this page */
};

struct row {
	struct update	  u;
	struct in_row	 *pages;	/* ROW_MAX */
	unsigned	  nr, seen;
};

/* @in goes with @first, @i pages behind it. */
static bool is_in_row(const struct psp_snp_launch_update *first,
		      const struct psp_snp_launch_update *in, unsigned i)
{
	const uint64_t at = first->address + i * PAGE_SIZE;
	struct psp_snp_launch_update like = *first;

	like.address = at;
	return !memcmp(&like, in, sizeof(like)) &&
	       ALIGN_DOWN(at, ROW_MAX * PAGE_SIZE) == ALIGN_DOWN(first->address, ROW_MAX * PAGE_SIZE);
}

/* How many of @n are a row; each of them would be begun. */
static unsigned row_of(struct row *r, struct psp *psp, const struct psp_snp_launch_update *in,
		       unsigned n)
{
	r->u = update_from(psp, in);
	if (r->u.page.type != PSP_SNP_NORMAL || r->u.page.imi || r->u.large ||
	    !update_is_well_formed(in) || snp_guest_of(psp, in->gctx, &r->u.g) != PSP_SUCCESS)
		return 0;
	for (r->nr = 0; r->nr < n && is_in_row(in, &in[r->nr], r->nr); r->nr++) {
		r->u.at = in[r->nr].address;
		if (update_check(&r->u) != PSP_SUCCESS)
			break;
		r->pages[r->nr].entry = r->u.entry;
	}
	r->u.at = in->address;
	return r->nr;
}

static void see_row(void *arg, const uint8_t *bytes, size_t len)
{
	struct row *r = arg;
	struct update *u = &r->u;

	for (size_t at = 0; at < len; at += PAGE_SIZE) {
		struct in_row *page = &r->pages[r->seen++];

		u->entry = page->entry;
		u->failed = u->failed || !measure(u, 0, bytes + at);
		memcpy(page->ld, u->ld, sizeof(page->ld));
	}
}

/* False: all is as before. */
static bool row_encrypt(struct row *r)
{
	struct update *u = &r->u;
	const size_t size = r->nr * PAGE_SIZE;
	const keyslot_t key = (keyslot_t)u->g->asid;

	memcpy(u->ld, u->g->ld, sizeof(u->ld));
	if (!view_encrypt_seen(u->psp->hw, HPA(u->at), size, key, see_row, r))
		return false;
	if (u->failed)
		(void)!view_decrypt(u->psp->hw, HPA(u->at), size, key);
	return !u->failed;
}

/* The pages are the guest's now, up to the first whose entry somebody has changed meanwhile. */
static enum psp_status row_give(struct row *r, unsigned *done)
{
	const struct update *first = &r->u;
	struct update u = *first;
	enum psp_status st = PSP_SUCCESS;
	unsigned i;

	for (i = 0; i < r->nr; i++) {
		u.at = first->at + i * PAGE_SIZE;
		u.entry = r->pages[i].entry;
		st = update_entry(&u);
		if (st != PSP_SUCCESS)
			break;
	}
	if (i < r->nr)
		(void)!view_decrypt(u.psp->hw, HPA(u.at), (r->nr - i) * PAGE_SIZE,
				    (keyslot_t)u.g->asid);
	if (i)
		memcpy(u.g->ld, r->pages[i - 1].ld, sizeof(u.g->ld));
	*done = i;
	return st;
}

static enum psp_status one_by_one(struct psp *psp, struct psp_snp_launch_update *in, unsigned n,
				  unsigned *done)
{
	enum psp_status st = PSP_SUCCESS;

	for (*done = 0; st == PSP_SUCCESS && *done < n; *done += st == PSP_SUCCESS)
		st = psp_do_snp_launch_update(psp, &in[*done]);
	return st;
}

enum psp_status snp_launch_update_many(struct psp *psp, void *bufs, unsigned n, unsigned *done)
{
	struct psp_snp_launch_update *in = bufs;
	struct row r = { .pages = calloc(ROW_MAX, sizeof(*r.pages)) };
	enum psp_status st;

	if (!r.pages || row_of(&r, psp, in, n) < 2)
		st = one_by_one(psp, in, 1, done);
	else if (!row_encrypt(&r))
		st = one_by_one(psp, in, r.nr, done);
	else
		st = row_give(&r, done);
	free(r.pages);
	return st;
}

/* -- SNP_LAUNCH_FINISH -- */

static enum psp_status check_id(struct psp *psp, const struct snp_guest *g,
				const struct psp_snp_launch_finish *in,
				struct snp_id_block *block, struct snp_identity *identity)
{
	struct snp_id_auth auth;
	enum psp_status st = psp_get(psp, in->id_block, block, sizeof(*block));

	if (st == PSP_SUCCESS)
		st = psp_get(psp, in->id_auth, &auth, sizeof(auth));
	if (st == PSP_SUCCESS)
		st = snp_id_block_check(block, &auth, in->flags & PSP_SNP_FINISH_AUTHOR_KEY,
					g->ld, g->policy, identity);
	return st;
}

PSP_COMMAND(psp_do_snp_launch_finish)
{
	const struct psp_snp_launch_finish *in = buf;
	struct snp_id_block block = { { 0 } };
	struct snp_identity identity = { { 0 } };
	struct snp_guest *g;
	enum psp_status st;

	if (!snp_is_page(in->gctx) || in->flags & ~(PSP_SNP_FINISH_ID_BLOCK |
						    PSP_SNP_FINISH_AUTHOR_KEY |
						    PSP_SNP_FINISH_NO_VCEK))
		return PSP_INVALID_PARAM;
	st = snp_guest_of(psp, in->gctx, &g);
	if (st != PSP_SUCCESS)
		return st;
	if (g->state != SNP_GUEST_LAUNCH || g->imi)
		return PSP_INVALID_GUEST_STATE;
	if (!g->asid)
		return PSP_INACTIVE;
	if (in->flags & PSP_SNP_FINISH_ID_BLOCK)
		st = check_id(psp, g, in, &block, &identity);
	if (st != PSP_SUCCESS)
		return st;
	g->finish_flags = in->flags;
	memcpy(g->host_data, in->host_data, sizeof(g->host_data));
	g->id_block = block;
	g->identity = identity;
	g->state = SNP_GUEST_RUNNING;
	snp_hash_free(&g->hash);
	return PSP_SUCCESS;
}
