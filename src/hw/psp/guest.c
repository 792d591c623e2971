/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * guest.c - guests and the ASIDs that their keys are installed for; SEV API
 * 55766 chapter 6: ACTIVATE, DEACTIVATE, DECOMMISSION, GUEST_STATUS.
 */
#include "hw/psp/psp_priv.h"

#include "hw/mem/tmr.h"

#include <openssl/crypto.h>
#include <openssl/rand.h>
#include <stdlib.h>
#include <string.h>

struct psp_guest *psp_guest_find(struct psp *psp, uint32_t handle)
{
	return handle && handle <= psp->nr_slots ? psp->guests[handle - 1] : NULL;
}

/* The lowest free handle; 0: no memory. */
static uint32_t handle_new(struct psp *psp)
{
	const uint32_t more = psp->nr_slots ? psp->nr_slots * 2 : 16;
	struct psp_guest **bigger;
	uint32_t i;

	for (i = 0; i < psp->nr_slots; i++)
		if (!psp->guests[i])
			return i + 1;
	bigger = realloc(psp->guests, more * sizeof(*bigger));
	if (!bigger)
		return 0;
	memset(bigger + psp->nr_slots, 0, (more - psp->nr_slots) * sizeof(*bigger));
	psp->guests = bigger;
	psp->nr_slots = more;
	return i + 1;
}

/* Its own key, or that of a guest with the same policy that may share. */
static enum psp_status key_choose(struct psp *psp, struct psp_guest *g, uint32_t share)
{
	const struct psp_guest *other;

	if (!share)
		return RAND_bytes(g->key, sizeof(g->key)) == 1 ? PSP_SUCCESS : PSP_HWERROR_PLATFORM;
	other = psp_guest_find(psp, share);
	if (!other)
		return PSP_INVALID_GUEST;
	if (other->policy != g->policy || other->policy & PSP_POLICY_NOKS)
		return PSP_POLICY_FAILURE;
	memcpy(g->key, other->key, sizeof(g->key));
	return PSP_SUCCESS;
}

static void guest_dispose(struct psp_guest *g)
{
	EVP_MD_CTX_free(g->digest);
	mutex_fini(&g->lock);
	free(g->sums);
	OPENSSL_cleanse(g, sizeof(*g));
	free(g);
}

enum psp_status psp_guest_make(struct psp *psp, uint32_t policy, uint32_t share,
			       const struct psp_channel *ch, enum psp_guest_state state,
			       uint32_t *handle)
{
	struct psp_guest *g = calloc(1, sizeof(*g));
	enum psp_status st;

	if (!g)
		return PSP_RESOURCE_LIMIT;
	mutex_init(&g->lock, "psp_guest.lock", RANK_PSP_GUEST);
	g->policy = policy;
	g->channel = *ch;
	g->state = state;
	g->digest = EVP_MD_CTX_new();
	st = key_choose(psp, g, share);
	if (st == PSP_SUCCESS && policy & PSP_POLICY_ES && !psp->es)
		st = PSP_UNSUPPORTED;
	if (st == PSP_SUCCESS && (!g->digest || !EVP_DigestInit_ex(g->digest, EVP_sha256(), NULL)))
		st = PSP_RESOURCE_LIMIT;
	if (st == PSP_SUCCESS) {
		g->handle = handle_new(psp);
		st = g->handle ? PSP_SUCCESS : PSP_RESOURCE_LIMIT;
	}
	if (st != PSP_SUCCESS) {
		guest_dispose(g);
		return st;
	}
	psp->guests[g->handle - 1] = g;
	psp->nr_guests++;
	psp->state = PSP_WORKING;
	*handle = g->handle;
	return PSP_SUCCESS;
}

enum psp_status psp_asid_check(const struct psp *psp, uint32_t asid, uint32_t has)
{
	if (!asid || asid > psp->nr_asids)
		return PSP_INVALID_ASID;
	if (psp->asids[asid] == ASID_TAKEN)
		return PSP_ASID_OWNED;
	return has ? PSP_ACTIVE : PSP_SUCCESS;
}

enum psp_status psp_asid_take(struct psp *psp, uint32_t asid, const uint8_t key[MEM_KEY_BYTES])
{
	if (psp->asids[asid] == ASID_DIRTY)
		return PSP_DFFLUSH_REQUIRED;
	if (!view_key_install(psp->hw, (keyslot_t)asid, key))
		return PSP_RESOURCE_LIMIT;
	psp->asids[asid] = ASID_TAKEN;
	return PSP_SUCCESS;
}

/* It is clean as long as no guest could run under it. */
void psp_asid_give(struct psp *psp, uint32_t asid, bool has_run)
{
	view_key_remove(psp->hw, (keyslot_t)asid);
	psp->asids[asid] = has_run ? ASID_DIRTY : ASID_CLEAN;
	if (has_run)
		atomic32_store(&psp->wbinvd_done, 0);
}

static void guest_deactivate(struct psp *psp, struct psp_guest *g)
{
	if (!g->asid)
		return;
	psp_asid_give(psp, g->asid, g->has_run);
	g->asid = 0;
	g->has_run = false;
}

void psp_guest_free(struct psp *psp, struct psp_guest *g)
{
	guest_deactivate(psp, g);
	for (size_t i = 0; i < g->nr_sums; i++)
		tmr_give(psp->hw, g->sums[i]);
	psp->guests[g->handle - 1] = NULL;
	psp->nr_guests--;
	guest_dispose(g);
}

void psp_guests_free(struct psp *psp)
{
	for (uint32_t i = 0; i < psp->nr_slots; i++)
		if (psp->guests[i])
			psp_guest_free(psp, psp->guests[i]);
}

void psp_guest_runs(struct psp_guest *g)
{
	OPENSSL_cleanse(&g->channel, sizeof(g->channel));
	g->state = PSP_GUEST_RUNNING;
	g->has_run = g->asid;
}

/* SEV-ES guests live below MIN_SEV_ASID, the others from there on. */
static bool asid_suits(const struct psp *psp, const struct psp_guest *g, uint32_t asid)
{
	return psp_guest_is_es(g) ? asid < psp->min_sev_asid : asid >= psp->min_sev_asid;
}

PSP_COMMAND(psp_do_activate)
{
	const struct psp_activate *in = buf;
	const uint32_t asid = in->asid;
	struct psp_guest *g = psp_guest_find(psp, in->handle);
	enum psp_status st;

	if (!g)
		return PSP_INVALID_GUEST;
	st = psp_asid_check(psp, asid, g->asid);
	if (st != PSP_SUCCESS)
		return st;
	if (g->state == PSP_GUEST_SENT)
		return PSP_INVALID_GUEST_STATE;
	if (psp->asids[asid] == ASID_DIRTY)
		return PSP_DFFLUSH_REQUIRED;
	if (!asid_suits(psp, g, asid))
		return PSP_INVALID_ASID;
	st = psp_asid_take(psp, asid, g->key);
	if (st != PSP_SUCCESS)
		return st;
	g->asid = asid;
	g->has_run = g->state == PSP_GUEST_RUNNING || g->state == PSP_GUEST_SUPDATE;
	return PSP_SUCCESS;
}

PSP_COMMAND(psp_do_deactivate)
{
	struct psp_guest *g = psp_guest_find(psp, ((const struct psp_handle *)buf)->handle);

	if (!g)
		return PSP_INVALID_GUEST;
	if (!g->asid)
		return PSP_INACTIVE;
	guest_deactivate(psp, g);
	return PSP_SUCCESS;
}

PSP_COMMAND(psp_do_decommission)
{
	struct psp_guest *g = psp_guest_find(psp, ((const struct psp_handle *)buf)->handle);

	if (!g)
		return PSP_INVALID_GUEST;
	if (g->asid)
		return PSP_ACTIVE;
	psp_guest_free(psp, g);
	if (!psp->nr_guests)
		psp->state = PSP_INIT_DONE;
	return PSP_SUCCESS;
}

PSP_COMMAND(psp_do_guest_status)
{
	struct psp_guest_status *out = buf;
	const struct psp_guest *g = psp_guest_find(psp, out->handle);

	out->state = g ? (uint8_t)g->state : PSP_GUEST_UNINIT;
	if (g) {
		out->policy = g->policy;
		out->asid = g->asid;
	}
	return PSP_SUCCESS;
}
