/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * frees-too-early.c - a hypervisor that frees a page of a guest's without RMPUPDATE.
 *
 * KVM cannot be made to do this from outside: here is a hypervisor of a few lines, on the machine itself.
 * A page goes to one guest, comes back and goes to the next, which ends; then its memory is freed while the
 * RMP still says whose it is.  On silicon whoever gets that memory next has an #PF at the first write, in
 * code that has nothing to do with guests.
 *
 * $ frees-too-early
 * softcvm: warning: finding 1 (APM vol. 2 15.36.5): freed without RMPUPDATE: page 0x*: gfn 0x12 of ASID 2, 4K,
 * not validated; RMPUPDATE gave it to the hypervisor, RMPUPDATE assigned it (ASID 2, 4K), its memory went away
 */
#include <stdio.h>

#include "hw/insn/machine.h"
#include "hw/insn/phys.h"
#include "hw/insn/rmp.h"
#include "trace/counters.h"

static int give_to(struct hw *hw, hpa_t page, unsigned asid)
{
	const struct rmp_operand guest = { .gpa = 0x12000, .assigned = 1, .asid = asid };

	return rmpupdate(hw, page, &guest);
}

static int take_back(struct hw *hw, hpa_t page)
{
	const struct rmp_operand hypervisor = { .assigned = 0 };

	return rmpupdate(hw, page, &hypervisor);
}

int main(void)
{
	const struct hw_config config = {
		.vendor = HW_VENDOR_AMD, .phys_bits = 48, .phys_reduction = 5, .c_bit = 47,
		.nr_cpus = 1, .snp = true, .tell_findings = true,
		.counters = counters_create(NR_COUNTERS),
	};
	struct hw *hw;
	hpa_t page;

	if (!config.counters || hw_create(&config, &hw) != HW_OK)
		return 1;
	page = phys_page_alloc(hw);
	if (give_to(hw, page, 1) || take_back(hw, page) || give_to(hw, page, 2))
		return 1;
	phys_page_free(hw, page);	/* here: take_back() is missing */
	hw_destroy(hw);
	counters_destroy(config.counters);
	return 0;
}
