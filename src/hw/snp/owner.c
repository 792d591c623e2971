/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* owner.c - whose bytes are they?  The RMP knows first, then the keys. */
#include "hw/insn/owner.h"

#include <stdio.h>

#include "hw/insn/view.h"
#include "hw/mem/rmp_check.h"
#include "hw/mem/view.h"
#include "hw/snp/snp_priv.h"

bool hw_has_owners(const struct hw *hw)
{
	return unlikely(hw->frames.rmp || rcu_dereference(hw->frames.views));
}

/* The page at @host when it is assigned. */
static hpa_t assigned(struct hw *hw, const void *host)
{
	struct rmp_look l;
	hpa_t a;

	if (likely(!hw->frames.rmp))
		return HPA_INVALID;
	a = snp_watched(hw, host, PG_LEVEL_4K);
	if (!hpa_is_valid(a))
		return HPA_INVALID;
	rmp_look(hw->frames.rmp, a, 0, &l);
	return l.page.assigned ? a : HPA_INVALID;
}

enum byte_owner hw_owner_at(struct hw *hw, const void *host)
{
	if (unlikely(hpa_is_valid(assigned(hw, host))))
		return OWNER_RMP;
	return unlikely(view_is_hidden(hw, host) || view_is_left(hw, host)) ? OWNER_KEY : OWNER_HOST;
}

void hw_owner_text(struct hw *hw, const void *host, char *to, size_t size)
{
	hpa_t a = assigned(hw, host);
	uint32_t slot = hpa_is_valid(a) ? 0 : view_owner_at(hw, host);

	if (hpa_is_valid(a))
		rmp_describe(hw->frames.rmp, a, to, size);
	else if (slot)
		snprintf(to, size, slot == VIEW_OWNER_GONE ? "of a key that is no more"
							   : "of the key of ASID %u", slot);
	else if (size)
		*to = 0;
}
