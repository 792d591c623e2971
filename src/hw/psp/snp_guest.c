/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * snp_guest.c - guests by their context pages, and the ASIDs that they get:
 * firmware ABI 56860 chapter 8.
 */
#include "hw/psp/psp_snp_priv.h"

#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_BUCKETS	16u

static struct snp_guest **bucket_of(const struct psp *psp, uint64_t gctx)
{
	const uint64_t h = (gctx >> PAGE_SHIFT) * 0x9e3779b97f4a7c15ull;

	return &psp->snp.guests[h >> 32 & (psp->snp.nr_buckets - 1)];
}

struct snp_guest *snp_guest_find(const struct psp *psp, uint64_t gctx)
{
	struct snp_guest *g = psp->snp.nr_buckets ? *bucket_of(psp, gctx) : NULL;

	while (g && g->gctx != gctx)
		g = g->next;
	return g;
}

enum psp_status snp_guest_of(struct psp *psp, uint64_t gctx, struct snp_guest **out)
{
	if (!psp->snp.up)
		return PSP_INVALID_PLATFORM_STATE;
	*out = snp_state_at(psp, gctx) == SNP_STATE_CONTEXT ? snp_guest_find(psp, gctx) : NULL;
	return *out ? PSP_SUCCESS : PSP_INVALID_GUEST;
}

static void guest_link(struct psp *psp, struct snp_guest *g)
{
	struct snp_guest **b = bucket_of(psp, g->gctx);

	g->next = *b;
	*b = g;
}

/* Room for one more.  False: no memory. */
static bool buckets_grow(struct psp *psp)
{
	const size_t was = psp->snp.nr_buckets, now = was ? was * 2 : FIRST_BUCKETS;
	struct snp_guest **old = psp->snp.guests, **more;

	if (psp->snp.nr_contexts < was)
		return true;
	more = calloc(now, sizeof(*more));
	if (!more)
		return false;
	psp->snp.guests = more;
	psp->snp.nr_buckets = now;
	for (size_t i = 0; i < was; i++)
		for (struct snp_guest *g = old[i], *next; g; g = next) {
			next = g->next;
			guest_link(psp, g);
		}
	free(old);
	return true;
}

static bool guest_make(struct psp *psp, uint64_t gctx)
{
	struct snp_guest *g = buckets_grow(psp) ? calloc(1, sizeof(*g)) : NULL;

	if (!g)
		return false;
	mutex_init(&g->lock, "snp_guest.lock", RANK_PSP_GUEST);
	g->gctx = gctx;
	guest_link(psp, g);
	psp->snp.nr_contexts++;
	return true;
}

/* An ASID that LAUNCH_FINISH has let run is dirty from now on. */
static void guest_free(struct psp *psp, struct snp_guest *g)
{
	struct snp_guest **at = bucket_of(psp, g->gctx);

	if (g->asid)
		psp_asid_give(psp, g->asid, g->state == SNP_GUEST_RUNNING);
	if (g->state != SNP_GUEST_INIT)
		psp->snp.nr_launched--;
	while (*at != g)
		at = &(*at)->next;
	*at = g->next;
	psp->snp.nr_contexts--;
	snp_hash_free(&g->hash);
	mutex_fini(&g->lock);
	OPENSSL_cleanse(g, sizeof(*g));
	free(g);
}

void snp_guests_free(struct psp *psp)
{
	for (size_t i = 0; i < psp->snp.nr_buckets; i++)
		while (psp->snp.guests[i])
			guest_free(psp, psp->snp.guests[i]);
	free(psp->snp.guests);
	psp->snp.guests = NULL;
	psp->snp.nr_buckets = 0;
}

static enum psp_status context_check(struct psp *psp, uint64_t gctx)
{
	struct rmp_entry e;

	if (!snp_is_page(gctx))
		return PSP_INVALID_PARAM;
	if (!psp->snp.up)
		return PSP_INVALID_PLATFORM_STATE;
	e = snp_page(psp->hw, HPA(gctx));
	if (snp_state_of(&e) != SNP_STATE_FIRMWARE)
		return PSP_INVALID_PAGE_STATE;
	if (e.is_2m)
		return PSP_INVALID_PAGE_SIZE;
	return frames_host(&psp->hw->frames, HPA(gctx)) ? PSP_SUCCESS : PSP_INVALID_CONFIG;
}

PSP_COMMAND(psp_do_snp_gctx_create)
{
	static const struct rmp_entry context = { .assigned = true, .immutable = true, .vmsa = true };
	const uint64_t gctx = ((const struct psp_snp_addr *)buf)->address;
	enum psp_status st = context_check(psp, gctx);
	struct snp_guest *stale = st == PSP_SUCCESS ? snp_guest_find(psp, gctx) : NULL;

	if (st != PSP_SUCCESS)
		return st;
	if (stale)			/* whose page went away under it */
		guest_free(psp, stale);
	if (!guest_make(psp, gctx))
		return PSP_RESOURCE_LIMIT;
	st = snp_status_of_move(snp_firmware_move(psp->hw, HPA(gctx), false, SNP_STATE_FIRMWARE,
						  &context, RMP_EVENT_FIRMWARE));
	if (st != PSP_SUCCESS)
		guest_free(psp, snp_guest_find(psp, gctx));
	return st;
}

static bool owns_pages(const struct psp *psp, uint32_t asid)
{
	return asid <= UINT16_MAX && sync_word_load(&psp->hw->frames.rmp->asid_pages[asid]);
}

static enum psp_status activate(struct psp *psp, uint64_t gctx, uint32_t asid)
{
	struct snp_guest *g;
	enum psp_status st = snp_guest_of(psp, gctx, &g);

	if (st != PSP_SUCCESS)
		return st;
	if (g->state == SNP_GUEST_INIT)
		return PSP_INVALID_GUEST_STATE;
	if (owns_pages(psp, asid))
		return PSP_INVALID_CONFIG;
	st = psp_asid_check(psp, asid, g->asid);
	if (st == PSP_SUCCESS)
		st = psp_asid_take(psp, asid, g->key);
	if (st == PSP_SUCCESS)
		g->asid = asid;
	return st;
}

PSP_COMMAND(psp_do_snp_activate)
{
	const struct psp_snp_activate *in = buf;

	return snp_is_page(in->gctx) ? activate(psp, in->gctx, in->asid) : PSP_INVALID_PARAM;
}

/* Cores are APIC ids; the key goes to all of them, whichever are asked for. */
static enum psp_status check_cores(struct psp *psp, const struct psp_snp_activate_ex *in)
{
	enum psp_status st = PSP_SUCCESS;
	uint32_t id;

	if (!in->nr_ids || in->nr_ids > psp->hw->config.nr_cpus)
		return PSP_INVALID_PARAM;
	for (uint32_t i = 0; st == PSP_SUCCESS && i < in->nr_ids; i++) {
		st = psp_get(psp, in->ids_address + i * sizeof(id), &id, sizeof(id));
		if (st == PSP_SUCCESS && id >= psp->hw->config.nr_cpus)
			st = PSP_INVALID_PARAM;
	}
	return st;
}

PSP_COMMAND(psp_do_snp_activate_ex)
{
	const struct psp_snp_activate_ex *in = buf;
	struct snp_guest *g;
	enum psp_status st;

	if (in->length != sizeof(*in) || in->reserved || !snp_is_page(in->gctx))
		return PSP_INVALID_PARAM;
	st = snp_guest_of(psp, in->gctx, &g);
	if (st == PSP_SUCCESS && g->state == SNP_GUEST_INIT)
		st = PSP_INVALID_GUEST_STATE;
	if (st == PSP_SUCCESS)
		st = check_cores(psp, in);
	if (st != PSP_SUCCESS)
		return st;
	return g->asid && g->asid == in->asid ? PSP_SUCCESS : activate(psp, in->gctx, in->asid);
}

PSP_COMMAND(psp_do_snp_decommission)
{
	static const struct rmp_entry firmware = { .assigned = true, .immutable = true };
	const uint64_t gctx = ((const struct psp_snp_addr *)buf)->address;
	struct snp_guest *g;
	enum psp_status st = snp_is_page(gctx) ? snp_guest_of(psp, gctx, &g) : PSP_INVALID_PARAM;

	if (st == PSP_SUCCESS)
		st = snp_status_of_move(snp_firmware_move(psp->hw, HPA(gctx), false,
							  SNP_STATE_CONTEXT, &firmware,
							  RMP_EVENT_FIRMWARE));
	if (st == PSP_SUCCESS)
		guest_free(psp, g);
	return st;
}

_Static_assert(sizeof(struct psp_snp_guest_state) == 32, "layout of the firmware ABI");

PSP_COMMAND(psp_do_snp_guest_status)
{
	const struct psp_snp_guest_status *in = buf;
	struct psp_snp_guest_state out = { 0 };
	struct snp_guest *g;
	enum psp_status st;

	if (!snp_is_page(in->gctx) || snp_crosses_page(in->address, sizeof(out)))
		return PSP_INVALID_PARAM;
	st = snp_guest_of(psp, in->gctx, &g);
	if (st != PSP_SUCCESS)
		return st;
	if (!snp_may_write(psp, in->address))
		return PSP_INVALID_PAGE_STATE;
	out.policy = g->policy;
	out.asid = g->asid;
	out.state = (uint8_t)g->state;
	out.flags = !!(g->finish_flags & PSP_SNP_FINISH_NO_VCEK);
	return psp_put(psp, in->address, &out, sizeof(out));
}
