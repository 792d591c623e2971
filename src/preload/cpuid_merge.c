/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
#include "base/bits.h"
#include "preload/own_cpuid.h"

/*
 * Features whose instructions any program may use, without asking anybody: they
 * are announced when both processors have them.  All other bits are the
 * model's, as a kernel on it would see them.
 */
#define USER_1_ECX	(BIT(0) | BIT(1) | BIT(9) | BIT(12) | BIT(13) | BIT(19) | BIT(20) |	\
			 BIT(22) | BIT(23) | BIT(25) | BIT(26) | BIT(27) | BIT(28) | BIT(29) |	\
			 BIT(30))
#define USER_1_EDX	(BIT(0) | BIT(4) | BIT(8) | BIT(15) | BIT(19) | BIT(23) | BIT(24) |	\
			 BIT(25) | BIT(26))
#define USER_7_EBX	(~(BIT(1) | BIT(2) | BIT(7) | BIT(10) | BIT(12) | BIT(15) | BIT(20)))
#define USER_7_ECX	(~BIT(2))
#define USER_EXT_ECX	(BIT(0) | BIT(5) | BIT(6) | BIT(7) | BIT(8) | BIT(11) | BIT(15) | BIT(16) | BIT(21))
#define USER_EXT_EDX	(BIT(0) | BIT(4) | BIT(8) | BIT(11) | BIT(15) | BIT(22) | BIT(23) |	\
			 BIT(24) | BIT(25) | BIT(27) | BIT(30) | BIT(31))
#define LEAF_XSAVE	0xd

static uint32_t both(uint32_t model, uint32_t real_one, uint64_t of_user)
{
	return model & (real_one | ~(uint32_t)of_user);
}

struct cpuid_regs own_cpuid_merge(uint32_t leaf, uint32_t subleaf, struct cpuid_regs model,
				  struct cpuid_regs host)
{
	switch (leaf) {
	case 1:
		model.ecx = both(model.ecx, host.ecx, USER_1_ECX);
		model.edx = both(model.edx, host.edx, USER_1_EDX);
		return model;
	case 7:
		if (subleaf == 0) {
			model.ebx = both(model.ebx, host.ebx, USER_7_EBX);
			model.ecx = both(model.ecx, host.ecx, USER_7_ECX);
			model.edx = both(model.edx, host.edx, ~0u);
		}
		return model;
	case LEAF_XSAVE:		/* how much XSAVE writes is this processor's to say */
		return host;
	case 0x80000001:
		model.ecx = both(model.ecx, host.ecx, USER_EXT_ECX);
		model.edx = both(model.edx, host.edx, USER_EXT_EDX);
		return model;
	default:
		return model;
	}
}
