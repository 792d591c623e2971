/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * sev_asid.c - ASIDs name keys: which are taken, and when one may be given to
 * another guest (after a DF_FLUSH, spec snp.md 0.4 and 6.2).
 */
#include "kvm/types/sev.h"

#include <errno.h>

#include "base/log.h"
#include "hw/insn/psp.h"
#include "kvm/vcpu/load.h"

static bool test(const uint64_t *map, unsigned n)
{
	return map[n / 64] >> (n % 64) & 1;
}

static void set(uint64_t *map, unsigned n)
{
	map[n / 64] |= 1ull << (n % 64);
}

/* The first clear (or set) bit from @from to @to; @to + 1: none. */
static unsigned find(const uint64_t *map, unsigned from, unsigned to, bool is_set)
{
	while (from <= to && test(map, from) != is_set)
		from++;
	return from;
}

/* All that are to be reclaimed become free; false when none of ours is among them. */
static bool recycle(struct kvm *kvm, unsigned min, unsigned max)
{
	struct sev_module *m = sev_module(kvm);
	uint32_t error;
	int r;

	if (find(m->reclaim, min, max, true) > max)
		return false;
	/* DEACTIVATE would clear what the flush looks at. */
	write_lock(&m->deactivate_lock);
	psp_wbinvd_done(kvm->module->hw);
	/* They are the same ASIDs: with SNP its command cleans those of SEV guests, too. */
	r = sev_do_cmd(kvm, m->snp ? PSP_SNP_DF_FLUSH : PSP_DF_FLUSH, NULL, &error);
	write_unlock(&m->deactivate_lock);
	if (r)
		return false;
	for (unsigned i = 0; i <= m->max_asid / 64; i++) {
		m->used[i] ^= m->reclaim[i];
		m->reclaim[i] = 0;
	}
	return true;
}

int sev_asid_new(struct kvm *kvm, bool es, unsigned *asid)
{
	struct sev_module *m = sev_module(kvm);
	unsigned min = es ? 1 : m->min_asid, max = es ? m->min_asid - 1 : m->max_asid;
	unsigned n;

	if (min > max)
		return -ENOTTY;
	mutex_lock(&m->asid_lock);
	n = find(m->used, min, max, false);
	if (n > max && recycle(kvm, min, max))
		n = find(m->used, min, max, false);
	if (n <= max)
		set(m->used, n);
	mutex_unlock(&m->asid_lock);
	if (n > max)
		return -EBUSY;
	*asid = n;
	return 0;
}

void sev_asid_free(struct kvm *kvm, unsigned asid)
{
	struct sev_module *m = sev_module(kvm);

	lp_pool_forget_key(kvm->module->lp_pool, asid);
	mutex_lock(&m->asid_lock);
	set(m->reclaim, asid);
	mutex_unlock(&m->asid_lock);
}

void sev_decommission(struct kvm *kvm, uint32_t handle)
{
	struct psp_handle d = { .handle = handle };
	uint32_t error;

	if (handle && sev_do_cmd(kvm, PSP_DECOMMISSION, &d, &error))
		return;		/* the firmware has forgotten it already */
}

void sev_unbind_asid(struct kvm *kvm, uint32_t handle)
{
	struct sev_module *m = sev_module(kvm);
	struct psp_handle d = { .handle = handle };
	uint32_t error;
	int r;

	if (!handle)
		return;
	read_lock(&m->deactivate_lock);
	r = sev_do_cmd(kvm, PSP_DEACTIVATE, &d, &error);
	read_unlock(&m->deactivate_lock);
	if (r)
		log_error("SEV: DEACTIVATE of handle %u: firmware error %u", handle, error);
	sev_decommission(kvm, handle);
}
