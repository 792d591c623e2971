/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* td.c - a TD's life, from a key id to none: the TDH.MNG leaves.  docs/facts/tdx-life.tsv. */
#include <stdlib.h>
#include <string.h>

#include "hw/tdx/measure.h"
#include "hw/tdx/params.h"
#include "hw/tdx/tdx_priv.h"
#include "os/clock.h"

static uint64_t kot(struct seam_call *c)
{
	return call_other(c, &c->m->kot, TDX_EXCLUSIVE, TDX_OPERAND_BUSY | TDX_OPERAND_KOT);
}

struct tdx_key *tdx_key(struct tdx *m, unsigned hkid)
{
	return hkid - m->first_key < m->nr_keys ? &m->keys[hkid - m->first_key] : NULL;
}

static struct td *td_new(struct seam_call *c, hpa_t tdr, uint16_t hkid)
{
	struct td *td = calloc(1, sizeof(*td));

	if (!td)
		return NULL;
	td->m = c->m;
	td->tdr = tdr;
	td->hkid = hkid;
	td->life = TD_HKID_ASSIGNED;
	atomic64_init(&td->epoch, 1);
	td->mr = measure_new();
	if (td->mr)
		return td;
	free(td);
	return NULL;
}

void td_free(struct td *td)
{
	measure_free(td->mr);
	free(td->cpuid);
	free(td->vcpus);
	free(td);
}

uint64_t tdh_mng_create(struct seam_call *c)
{
	const uint64_t hkid = IN(c, RDX);
	struct pamt_held *h;
	struct tdx_key *key;
	struct td *td;
	hpa_t tdr;

	key = hkid >> 16 ? NULL : tdx_key(c->m, (unsigned)hkid);
	if (!key)
		return TDX_OPERAND_INVALID | TDX_OPERAND_RDX;
	TRY(call_page(c, SEAM_RCX, TDX_4K, &tdr));
	TRY(call_hold_free(c, tdr, TDX_4K, TDX_OPERAND_RCX, &h));
	TRY(kot(c));
	if (key->state != TDX_KEY_FREE)
		return TDX_HKID_NOT_FREE;
	td = td_new(c, tdr, (uint16_t)hkid);
	if (!td)
		return TDX_RND_NO_ENTROPY;
	key->state = TDX_KEY_ASSIGNED;
	pamt_give(h, TDX_PT_TDR, HPA(0), td);
	return TDX_SUCCESS;
}

uint64_t tdh_mng_key_config(struct seam_call *c)
{
	uint8_t key[MEM_KEY_BYTES];

	TRY(call_tdr(c, SEAM_RCX, TDX_EXCLUSIVE));
	if (atomic32_load(&c->td->fatal))
		return TDX_TD_FATAL;
	/* With one package this also answers who comes a second time. */
	if (c->td->life != TD_HKID_ASSIGNED)
		return TDX_LIFECYCLE_STATE_INCORRECT;
	os_random(key, sizeof(key));
	if (!view_key_install(c->m->hw, c->td->hkid, key))
		return TDX_KEY_GENERATION_FAILED;
	c->td->life = TD_KEYS_CONFIGURED;
	return TDX_SUCCESS;
}

uint64_t tdh_mng_addcx(struct seam_call *c)
{
	struct pamt_held *h;
	hpa_t page;

	TRY(call_tdr(c, SEAM_RDX, TDX_EXCLUSIVE));
	if (atomic32_load(&c->td->fatal))
		return TDX_TD_FATAL;
	if (c->td->life != TD_KEYS_CONFIGURED)
		return TDX_TD_KEYS_NOT_CONFIGURED;
	if (c->td->nr_tdcx == TDX_TDCS_PAGES_MAX)
		return TDX_TDCX_NUM_INCORRECT;
	TRY(call_page(c, SEAM_RCX, TDX_4K, &page));
	TRY(call_hold_free(c, page, TDX_4K, TDX_OPERAND_RCX, &h));
	if (c->td->op_state != TD_UNINITIALIZED)
		return TDX_OP_STATE_INCORRECT;
	td_owns(c->td, h, TDX_PT_TDCX, NULL);
	c->td->tdcx[c->td->nr_tdcx++] = page;
	return TDX_SUCCESS;
}

uint64_t tdh_mng_init(struct seam_call *c)
{
	struct td_params p;
	hpa_t params;

	TRY(call_tdr(c, SEAM_RCX, TDX_EXCLUSIVE));
	TRY(call_state(c, OP_IN(TD_UNINITIALIZED), false));
	params = HPA(IN(c, RDX));
	if (params.v % TD_PARAMS_BYTES || params.v >> machine_phys_bits(c->m->hw) ||
	    !view_read(c->m->hw, params, 0, &p, sizeof(p)))
		return TDX_OPERAND_INVALID | TDX_OPERAND_RDX;
	TRY(params_apply(c, &p));
	c->td->sept_root = c->td->tdcx[TDCX_SEPT_ROOT];
	if (!sept_table_make(c->td, c->td->sept_root))
		return td_is_fatal(c->td);
	c->td->op_state = TD_INITIALIZED;
	return TDX_SUCCESS;
}

uint64_t tdh_mng_vpflushdone(struct seam_call *c)
{
	struct tdx_key *key;

	TRY(call_tdr(c, SEAM_RCX, TDX_EXCLUSIVE));
	TRY(kot(c));
	if (c->td->life != TD_KEYS_CONFIGURED && c->td->life != TD_HKID_ASSIGNED)
		return TDX_LIFECYCLE_STATE_INCORRECT;
	if (atomic32_load(&c->td->nr_associated))
		return TDX_FLUSHVP_NOT_DONE;
	key = tdx_key(c->m, c->td->hkid);
	key->state = TDX_KEY_FLUSHED;
	key->to_flush = TDX_ALL_PACKAGES;
	c->td->life = TD_BLOCKED;
	return TDX_SUCCESS;
}

uint64_t tdh_mng_key_freeid(struct seam_call *c)
{
	struct tdx_key *key;

	TRY(call_tdr(c, SEAM_RCX, TDX_EXCLUSIVE));
	if (c->td->life != TD_BLOCKED)
		return TDX_LIFECYCLE_STATE_INCORRECT;
	TRY(kot(c));
	key = tdx_key(c->m, c->td->hkid);
	if (key->to_flush)
		return TDX_WBCACHE_NOT_COMPLETE;
	key->state = TDX_KEY_FREE;
	view_key_remove(c->m->hw, c->td->hkid);
	c->td->hkid = 0;
	c->td->life = TD_TEARDOWN;
	return TDX_SUCCESS;
}
