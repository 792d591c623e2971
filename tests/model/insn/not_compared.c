/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
#include "model/insn/not_compared.h"

#include <cpuid.h>
#include <stdio.h>
#include <string.h>

#include "base/bits.h"
#include "base/macros.h"
#include "model/insn/compare.h"
#include "model/insn/xsave.h"

/* The same for every machine. */
static const struct reason {
	uint16_t	mnemonic;
	const char	*why;
} reasons[] = {
#define OWN	"answers what each machine has for itself (own table tests)"
#define ENTERS	"enters the kernel"
#define ASKS	"asks this machine's hypervisor, if there is one"
#define UMIP	"Linux answers it for programs (own table tests)"
	{ ZYDIS_MNEMONIC_CPUID, OWN }, { ZYDIS_MNEMONIC_RDTSC, OWN },
	{ ZYDIS_MNEMONIC_RDTSCP, OWN }, { ZYDIS_MNEMONIC_RDPID, OWN },
	{ ZYDIS_MNEMONIC_RDRAND, OWN }, { ZYDIS_MNEMONIC_RDSEED, OWN },
	{ ZYDIS_MNEMONIC_RDPMC, OWN },
	{ ZYDIS_MNEMONIC_SYSCALL, ENTERS }, { ZYDIS_MNEMONIC_SYSENTER, ENTERS },
	{ ZYDIS_MNEMONIC_VMCALL, ASKS }, { ZYDIS_MNEMONIC_VMMCALL, ASKS },
	{ ZYDIS_MNEMONIC_INT1, ASKS }, { ZYDIS_MNEMONIC_VMRUN, ASKS }, { ZYDIS_MNEMONIC_VMLOAD, ASKS },
	{ ZYDIS_MNEMONIC_VMSAVE, ASKS }, { ZYDIS_MNEMONIC_STGI, ASKS },
	{ ZYDIS_MNEMONIC_CLGI, ASKS }, { ZYDIS_MNEMONIC_SKINIT, ASKS },
	{ ZYDIS_MNEMONIC_INVLPGA, ASKS }, { ZYDIS_MNEMONIC_PVALIDATE, ASKS },
	{ ZYDIS_MNEMONIC_RMPADJUST, ASKS }, { ZYDIS_MNEMONIC_RDPRU, ASKS },
	{ ZYDIS_MNEMONIC_SGDT, UMIP }, { ZYDIS_MNEMONIC_SIDT, UMIP }, { ZYDIS_MNEMONIC_SLDT, UMIP },
	{ ZYDIS_MNEMONIC_STR, UMIP }, { ZYDIS_MNEMONIC_SMSW, UMIP },
};

/* What a processor may lack: leaf (0DH: subleaf 1), register (0 EAX ... 3 EDX), bit. */
static const struct feature {
	uint16_t	isa_set;
	uint32_t	leaf;
	uint8_t		reg, bit;
	const char	*why;
} features[] = {
#define F(set, l, r, b)	{ ZYDIS_ISA_SET_##set, l, r, b, "this processor has no " #set }
	F(AVX, 1, 2, 28), F(SSE3, 1, 2, 0), F(SSSE3, 1, 2, 9), F(SSE4, 1, 2, 19), F(SSE42, 1, 2, 20),
	F(PCLMULQDQ, 1, 2, 1), F(AES, 1, 2, 25), F(MOVBE, 1, 2, 22), F(POPCNT, 1, 2, 23),
	F(CMPXCHG16B, 1, 2, 13), F(SHA, 7, 1, 29), F(BMI1, 7, 1, 3), F(BMI2, 7, 1, 8),
	F(ADOX_ADCX, 7, 1, 19), F(CLFLUSHOPT, 7, 1, 23), F(CLWB, 7, 1, 24),
	F(RDWRFSGS, 7, 1, 0), F(INVPCID, 7, 1, 10), F(SMAP, 7, 1, 20),
	F(XSAVE, 1, 2, 27), F(XSAVEOPT, 0xd, 0, 0),
	F(LZCNT, 0x80000001, 2, 5), F(PREFETCH_NOP, 0x80000001, 2, 8),
#undef F
};

static bool has(const struct feature *f)
{
	unsigned r[4] = { 0 };

	return __get_cpuid_count(f->leaf, f->leaf == 0xd, &r[0], &r[1], &r[2], &r[3]) &&
	       r[f->reg] >> f->bit & 1;
}

/* The set that a mnemonic belongs to is the same in all its forms, but MMX's in SSE. */
static ZydisISASet set_of(ZydisMnemonic m);

const char *not_compared_why(uint64_t key)
{
	ZydisMnemonic m = form_mnemonic(key);
	unsigned k;

	for (k = 0; k < ARRAY_SIZE(reasons); k++)
		if (reasons[k].mnemonic == m)
			return reasons[k].why;
	for (k = 0; k < ARRAY_SIZE(features); k++)
		if (features[k].isa_set == set_of(m) && !has(&features[k]))
			return features[k].why;
	return NULL;
}

static ZydisISASet sets[ZYDIS_MNEMONIC_MAX_VALUE + 1];

static void learn_sets(void)
{
	ZydisDecodedOperand o[ZYDIS_MAX_OPERAND_COUNT];
	ZydisDecodedInstruction in;
	uint64_t seed = random_seed;	/* goes on as if nothing had been drawn */
	struct insn i;
	unsigned m, tries;
	size_t k;

	for (m = X86_MODE_16; m <= X86_MODE_64; m++) {
		struct form_list l = form_list_of((enum x86_mode)m);

		for (k = 0; k < l.nr; k++)
			for (tries = 0; !sets[form_mnemonic(l.form[k].key)] && tries < 100; tries++)
				if (generate_insn(&l.form[k], &i) &&
				    form_decode(i.mode, i.bytes, i.len, &in, o))
					sets[in.mnemonic] = in.meta.isa_set;
		form_list_free(&l);
	}
	random_seed = seed;
}

static ZydisISASet set_of(ZydisMnemonic m)
{
	static bool learnt;

	if (!learnt)
		learn_sets();
	learnt = true;
	return sets[m];
}

static bool has_prefix(const struct insn *i, uint8_t value)
{
	unsigned k;

	for (k = 0; k < i->in.raw.prefix_count; k++)
		if (i->in.raw.prefixes[k].value == value)
			return true;
	return false;
}

/* BT [r],r: which of the two sums must be canonical is nowhere said. */
static bool is_own_base(const struct insn *i)
{
	ZydisMachineMode m = ZYDIS_MACHINE_MODE_LONG_64;
	ZydisRegister r;

	if (i->o[0].type != ZYDIS_OPERAND_TYPE_MEMORY || i->o[1].type != ZYDIS_OPERAND_TYPE_REGISTER)
		return false;
	r = ZydisRegisterGetLargestEnclosing(m, i->o[1].reg.value);
	return r == ZydisRegisterGetLargestEnclosing(m, i->o[0].mem.base) ||
	       r == ZydisRegisterGetLargestEnclosing(m, i->o[0].mem.index);
}

bool is_worth_it(const struct insn *i)
{
	/* The vendors do not agree about 66 before near branches in 64-bit mode. */
	if (i->mode == X86_MODE_64 && has_prefix(i, 0x66) &&
	    i->in.meta.branch_type != ZYDIS_BRANCH_TYPE_NONE &&
	    i->in.meta.branch_type != ZYDIS_BRANCH_TYPE_FAR)
		return false;
	switch (i->in.mnemonic) {
	case ZYDIS_MNEMONIC_INT:
		/* a system call; and what Linux takes for its own breakpoints */
		return i->o[0].imm.value.u != 0x80 && i->o[0].imm.value.u != 3 &&
		       i->o[0].imm.value.u != 4;
	case ZYDIS_MNEMONIC_LOOPE: case ZYDIS_MNEMONIC_LOOPNE:
		/* AMD's take F2 and F3 for the condition, which no manual says. */
		return !has_prefix(i, 0xf2) && !has_prefix(i, 0xf3);
	case ZYDIS_MNEMONIC_BT: case ZYDIS_MNEMONIC_BTS: case ZYDIS_MNEMONIC_BTR:
	case ZYDIS_MNEMONIC_BTC:
		return !is_own_base(i);
	default:
		return true;
	}
}

static bool calls_64_bit(const struct insn *i, const struct world *before)
{
	uint64_t at = linear_of(i, before) - WORLD_BASE;
	unsigned offset = i->in.operand_width == 16 ? 2 : 4;
	uint16_t sel;

	if (at > WORLD_SIZE - 6)
		return false;
	memcpy(&sel, native_memory() + at + offset, 2);
	return (sel | 3) == WORLD_CS64;
}

bool is_worth_running(const struct insn *i, const struct world *before)
{
	if (i->mode != X86_MODE_64 && i->in.mnemonic == ZYDIS_MNEMONIC_CALL &&
	    i->o[0].type == ZYDIS_OPERAND_TYPE_MEMORY &&
	    i->in.meta.branch_type == ZYDIS_BRANCH_TYPE_FAR && calls_64_bit(i, before))
		return false;
	return xsave_is_comparable(i, before);
}

void not_compared_report(int only_mode)
{
	unsigned m;
	size_t n;

	for (m = X86_MODE_16; m <= X86_MODE_64; m++) {
		struct form_list l = form_list_of((enum x86_mode)m);
		const char *last = NULL;

		for (n = 0; n < l.nr && (!only_mode || only_mode == 16 << m); n++) {
			const char *why = not_compared_why(l.form[n].key);
			char name[FORM_NAME_MAX];

			if (!why)
				continue;
			form_name(l.form[n].key, name, sizeof(name));
			if (why != last)
				printf("%s%u-bit, not compared (%s):", last ? "\n" : "", 16u << m, why);
			printf(" [%s]", name);
			last = why;
		}
		if (last)
			putchar('\n');
		form_list_free(&l);
	}
}
