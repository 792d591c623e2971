/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * sys.c - the module comes up: TDH.SYS.INIT, LP.INIT on each processor, CONFIG,
 * KEY.CONFIG on the package, TDMR.INIT gigabyte by gigabyte.
 */
#include <string.h>

#include "hw/cpu/seam.h"
#include "hw/tdx/tdx_priv.h"

#define TDMR_INFO_ALIGN	512u
#define GIGABYTE	(1ull << 30)

static bool is_in(const struct tdx *m, enum tdx_sys_state state)
{
	return atomic32_load(&m->sys_state) == (uint32_t)state;
}

static uint64_t sys(struct seam_call *c, enum tdx_lock_mode mode)
{
	return call_other(c, &c->m->sys, mode, TDX_SYS_BUSY);
}

uint64_t tdh_sys_init(struct seam_call *c)
{
	TRY(sys(c, TDX_EXCLUSIVE));
	if (!is_in(c->m, TDX_SYS_NEW))
		return TDX_SYS_INIT_NOT_PENDING;
	if (IN(c, RCX))
		return TDX_OPERAND_INVALID | TDX_OPERAND_RCX;
	atomic32_store(&c->m->sys_state, TDX_SYS_INIT_DONE);
	return TDX_SUCCESS;
}

uint64_t tdh_sys_lp_init(struct seam_call *c)
{
	uint32_t was = 0;

	TRY(sys(c, TDX_SHARED));
	if (!is_in(c->m, TDX_SYS_INIT_DONE))
		return TDX_SYS_LP_INIT_NOT_PENDING;
	if (!atomic32_cas(&c->m->lp_ready[cpu_number(c->cpu)], &was, 1))
		return TDX_SYS_LP_INIT_DONE;
	atomic32_add(&c->m->nr_lps_ready, 1);
	return TDX_SUCCESS;
}

/* A gigabyte-aligned range, behind the one before it. */
static uint64_t tdmr_add(struct tdx *m, hpa_t info)
{
	struct tdx_tdmr *t = &m->tdmrs[m->nr_tdmrs];
	uint64_t words[2], end;

	if (info.v % TDMR_INFO_ALIGN || !view_read(m->hw, info, 0, words, sizeof(words)))
		return TDX_OPERAND_INVALID | TDX_OPERAND_TDMR_INFO_PA;
	*t = (struct tdx_tdmr){ .base = words[0], .size = words[1], .next = words[0] };
	end = m->nr_tdmrs ? t[-1].base + t[-1].size : 0;
	if ((t->base | t->size) % GIGABYTE || !t->size || t->base < end ||
	    t->base + t->size < t->base || (t->base + t->size - 1) >> machine_phys_bits(m->hw))
		return TDX_INVALID_TDMR | m->nr_tdmrs;
	m->nr_tdmrs++;
	return TDX_SUCCESS;
}

uint64_t tdh_sys_config(struct seam_call *c)
{
	const uint64_t nr = IN(c, RDX), hkid = IN(c, R8);
	uint64_t list[TDX_TDMRS_MAX], status = TDX_SUCCESS;
	struct tdx *m = c->m;

	TRY(sys(c, TDX_EXCLUSIVE));
	if (!is_in(m, TDX_SYS_INIT_DONE) ||
	    atomic32_load(&m->nr_lps_ready) < m->hw->config.nr_cpus)
		return TDX_SYS_CONFIG_NOT_PENDING;
	if (IN(c, RCX) % TDMR_INFO_ALIGN)
		return TDX_OPERAND_INVALID | TDX_OPERAND_RCX;
	if (!nr || nr > TDX_TDMRS_MAX)
		return TDX_OPERAND_INVALID | TDX_OPERAND_RDX;
	if (hkid >> 16 || !tdx_key(m, (unsigned)hkid))
		return TDX_OPERAND_INVALID | TDX_OPERAND_R8;
	if (!view_read(m->hw, HPA(IN(c, RCX)), 0, list, nr * sizeof(list[0])))
		return TDX_OPERAND_INVALID | TDX_OPERAND_RCX;
	m->nr_tdmrs = 0;
	for (uint64_t i = 0; i < nr && !status; i++)
		status = tdmr_add(m, HPA(list[i]));
	if (status)
		return status;
	m->global_key = (unsigned)hkid;
	tdx_key(m, m->global_key)->state = TDX_KEY_ASSIGNED;
	atomic32_store(&m->sys_state, TDX_SYS_CONFIGURED);
	return TDX_SUCCESS;
}

uint64_t tdh_sys_key_config(struct seam_call *c)
{
	TRY(sys(c, TDX_EXCLUSIVE));
	if (!is_in(c->m, TDX_SYS_CONFIGURED))
		return TDX_SYS_KEY_CONFIG_NOT_PENDING;
	atomic32_store(&c->m->sys_state, TDX_SYS_READY);
	return TDX_SUCCESS;
}

/* The next gigabyte of the range that begins at RCX may be used from now on. */
uint64_t tdh_sys_tdmr_init(struct seam_call *c)
{
	struct tdx_tdmr *t = c->m->tdmrs, *end = t + c->m->nr_tdmrs;

	while (t < end && t->base != IN(c, RCX))
		t++;
	if (t == end)
		return TDX_OPERAND_INVALID | TDX_OPERAND_RCX;
	TRY(call_other(c, &t->lock, TDX_EXCLUSIVE, TDX_OPERAND_BUSY | TDX_OPERAND_RCX));
	if (t->next == t->base + t->size)
		return TDX_TDMR_ALREADY_INITIALIZED;
	sync_word_store(&t->next, t->next + GIGABYTE);
	OUT(c, RDX) = t->next;
	return TDX_SUCCESS;
}

bool tdx_may_use(const struct tdx *m, hpa_t page)
{
	for (unsigned i = 0; i < m->nr_tdmrs; i++)
		if (page.v >= m->tdmrs[i].base && page.v < sync_word_load(&m->tdmrs[i].next))
			return true;
	return false;
}
