/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* an_rmp.h - a machine with an RMP, and short words for what is done to it. */
#pragma once
#include "hw/mem/a_machine.h"

#include "hw/insn/peek.h"
#include "hw/insn/rmp.h"
#include "hw/mem/rmp.h"
#include "hw/snp/guest.h"

#define AT	0x40000000ull		/* a 2 MiB boundary */
#define M2	0x200000ull
#define ASID	5u
#define GFN_AT	0x12000ull		/* of the page at AT, a 2 MiB boundary */
#define GPA_AT	(GFN_AT << PAGE_SHIFT)

static inline struct hw *an_rmp(void)
{
	return a_machine((struct hw_config){ .vendor = HW_VENDOR_AMD, .phys_bits = 48,
					     .phys_reduction = 5, .c_bit = 47, .snp = true,
					     .rmp_end = 1ull << 42 });
}

static inline struct rmp_operand to_guest(uint64_t gpa, uint32_t asid, bool large, bool immutable)
{
	return (struct rmp_operand){ .gpa = gpa, .assigned = 1, .page_size = large,
				     .immutable = immutable, .asid = asid };
}

static inline enum rmp_status assign(struct hw *hw, uint64_t a, uint64_t gpa, uint32_t asid,
				     bool large)
{
	struct rmp_operand o = to_guest(gpa, asid, large, false);

	return rmpupdate(hw, HPA(a), &o);
}

static inline enum rmp_status release(struct hw *hw, uint64_t a, bool large)
{
	struct rmp_operand o = { .page_size = large };

	return rmpupdate(hw, HPA(a), &o);
}

static inline struct rmp_entry entry_at(struct hw *hw, uint64_t a)
{
	struct rmp_entry e;

	assert_true(peek_rmp(hw, HPA(a), &e));
	return e;
}

static inline void assert_sound(struct hw *hw, uint64_t a)
{
	const char *wrong = peek_rmp_wrong(hw, HPA(a));

	if (wrong)
		fail_msg("%#llx: %s", (unsigned long long)a, wrong);
}

static inline struct rmp_target target(uint64_t a, uint64_t gpa, bool large)
{
	return (struct rmp_target){ .hpa = HPA(a), .gpa = gpa, .asid = ASID,
				    .level = large ? PG_LEVEL_2M : PG_LEVEL_4K };
}

static inline struct rmp_done pvalidate(struct hw *hw, uint64_t a, uint64_t gpa, bool large,
					bool validate)
{
	struct rmp_target t = target(a, gpa, large);

	return snp_pvalidate(hw, &t, large, validate);
}
