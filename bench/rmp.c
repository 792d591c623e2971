/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * rmp.c - what the instructions on the RMP cost, without a guest: each on pages whose entries
 * are there, which no TLB has.
 */
#include <stdio.h>

#include "bench/report.h"
#include "hw/insn/rmp.h"
#include "hw/mem/machine.h"
#include "hw/snp/guest.h"

#define AT		(1ull << 30)
#define SIZE_2M		(1ull << 21)
#define NR_LARGE	64u		/* pages of 2 MiB */
#define NR_SMALL	(NR_LARGE * 512)
#define ASID		1u

enum what {
	ASSIGN_4K, RELEASE_4K, ASSIGN_2M, RELEASE_2M, PSMASH_2M, VALIDATE_4K, RESCIND_4K, VALIDATE_2M,
	READ_4K, LOOK_4K, NR_WHATS,
};

static const struct { const char *key, *label; } names[NR_WHATS] = {
	[ASSIGN_4K] = { "rmpupdate.assign_4k", "RMPUPDATE: 4K to a guest" },
	[RELEASE_4K] = { "rmpupdate.release_4k", "RMPUPDATE: 4K to the hypervisor" },
	[ASSIGN_2M] = { "rmpupdate.assign_2m", "RMPUPDATE: 2M to a guest" },
	[RELEASE_2M] = { "rmpupdate.release_2m", "RMPUPDATE: 2M to the hypervisor" },
	[PSMASH_2M] = { "psmash", "PSMASH" },
	[VALIDATE_4K] = { "pvalidate.4k", "PVALIDATE: 4K" },
	[RESCIND_4K] = { "pvalidate.rescind_4k", "PVALIDATE: 4K rescinded" },
	[VALIDATE_2M] = { "pvalidate.2m", "PVALIDATE: 2M" },
	[READ_4K] = { "rmpread", "RMPREAD" },
	[LOOK_4K] = { "look", "what a TLB fill looks at" },
};

static struct hw *machine(void)
{
	struct hw_config c = { .vendor = HW_VENDOR_AMD, .phys_bits = 48, .phys_reduction = 5,
			       .c_bit = 51, .nr_cpus = 1, .snp = true,
			       .counters = counters_create(NR_COUNTERS) };
	struct hw *hw;

	if (!c.counters || hw_create(&c, &hw))
		cannot("no machine");
	return hw;
}

static void must(bool ok, enum what what)
{
	if (!ok)
		cannot("%s", names[what].label);
}

static struct rmp_done pvalidate(struct hw *hw, uint64_t a, bool large, bool validate)
{
	struct rmp_target t = { HPA(a), a, large ? PG_LEVEL_2M : PG_LEVEL_4K, ASID, 0 };

	return snp_pvalidate(hw, &t, large, validate);
}

static void once(struct hw *hw, enum what what, uint64_t a)
{
	struct rmp_operand to = { .gpa = a, .assigned = 1, .asid = ASID }, none = { 0 }, got;
	struct rmp_done d = { .eax = RMP_SUCCESS };
	enum rmp_status s = RMP_SUCCESS;
	struct rmp_look l;

	switch (what) {
	case ASSIGN_2M:
		to.page_size = 1;
		/* fallthrough */
	case ASSIGN_4K:
		s = rmpupdate(hw, HPA(a), &to);
		break;
	case RELEASE_2M:
		none.page_size = 1;
		/* fallthrough */
	case RELEASE_4K:
		s = rmpupdate(hw, HPA(a), &none);
		break;
	case PSMASH_2M:
		s = psmash(hw, HPA(a));
		break;
	case READ_4K:
		s = rmpread(hw, HPA(a), &got);
		break;
	case LOOK_4K:
		rmp_look(hw->frames.rmp, HPA(a), 0, &l);
		must(l.page.entry.asid == ASID, what);
		break;
	default:
		d = pvalidate(hw, a, what == VALIDATE_2M, what != RESCIND_4K);
	}
	must(s == RMP_SUCCESS && d.fault.verdict == RMP_PASS && !d.eax && !d.no_change, what);
}

static void all(struct hw *hw, enum what what, struct series *out)
{
	bool large = what == ASSIGN_2M || what == RELEASE_2M || what == PSMASH_2M || what == VALIDATE_2M;
	unsigned n = large ? NR_LARGE : NR_SMALL;
	double began = cpu_ns();

	for (unsigned i = 0; i < n; i++)
		once(hw, what, AT + i * (large ? SIZE_2M : PAGE_SIZE));
	series_add(out, (cpu_ns() - began) / n);
}

int main(int argc, char **argv)
{
	/* Each leaves what the next one needs. */
	static const enum what order[] = {
		ASSIGN_4K, READ_4K, LOOK_4K, VALIDATE_4K, RESCIND_4K, RELEASE_4K,
		ASSIGN_2M, VALIDATE_2M, RELEASE_2M, ASSIGN_2M, PSMASH_2M, RELEASE_4K,
	};
	struct series took[NR_WHATS] = { { 0 } };
	struct hw *hw = machine();
	struct report r;

	report_begin(&r, "rmp", "What the instructions on the RMP cost.", 11, &argc, argv);
	for (int run = -1; run < r.runs; run++) {
		struct series first = { 0 };

		for (size_t i = 0; i < ARRAY_SIZE(order); i++)
			all(hw, order[i], run < 0 ? &first : &took[order[i]]);
		series_free(&first);
	}
	for (size_t i = 0; i < NR_WHATS; i++) {
		report_series(&r, names[i].key, names[i].label, "ns", &took[i]);
		series_free(&took[i]);
	}
	hw_destroy(hw);
	return report_end(&r);
}
