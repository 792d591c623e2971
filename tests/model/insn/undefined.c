/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
#include "model/insn/undefined.h"

#include "base/macros.h"

#define CF X86_FLAGS_CF
#define PF X86_FLAGS_PF
#define AF X86_FLAGS_AF
#define ZF X86_FLAGS_ZF
#define SF X86_FLAGS_SF
#define OF X86_FLAGS_OF

/* What an instruction with a count leaves undefined, by that count. */
enum by_count { ALWAYS, SHIFT, ROTATE, DOUBLE_SHIFT };

/* SDM vol. 2, "Flags Affected" of each; APM vol. 3, chapter 3, agrees or leaves less undefined. */
static const struct undefined {
	uint16_t	mnemonic;
	uint16_t	flags;
	uint8_t		by_count;
	const char	*source;
} table[] = {
#define U(m, f, c, s)	{ ZYDIS_MNEMONIC_##m, f, c, s }
	U(AND, AF, ALWAYS, "SDM 2A AND"), U(OR, AF, ALWAYS, "SDM 2B OR"),
	U(XOR, AF, ALWAYS, "SDM 2D XOR"), U(TEST, AF, ALWAYS, "SDM 2B TEST"),
	U(MUL, SF | ZF | AF | PF, ALWAYS, "SDM 2B MUL"),
	U(IMUL, SF | ZF | AF | PF, ALWAYS, "SDM 2A IMUL"),
	U(DIV, CF | OF | SF | ZF | AF | PF, ALWAYS, "SDM 2A DIV"),
	U(IDIV, CF | OF | SF | ZF | AF | PF, ALWAYS, "SDM 2A IDIV"),
	U(SHL, CF | OF | AF, SHIFT, "SDM 2B SAL/SAR/SHL/SHR"),
	U(SHR, CF | OF | AF, SHIFT, "SDM 2B SAL/SAR/SHL/SHR"),
	U(SAR, OF | AF, SHIFT, "SDM 2B SAL/SAR/SHL/SHR"),
	U(ROL, OF, ROTATE, "SDM 2B RCL/RCR/ROL/ROR"), U(ROR, OF, ROTATE, "SDM 2B RCL/RCR/ROL/ROR"),
	U(RCL, OF, ROTATE, "SDM 2B RCL/RCR/ROL/ROR"), U(RCR, OF, ROTATE, "SDM 2B RCL/RCR/ROL/ROR"),
	U(SHLD, CF | OF | SF | ZF | AF | PF, DOUBLE_SHIFT, "SDM 2B SHLD"),
	U(SHRD, CF | OF | SF | ZF | AF | PF, DOUBLE_SHIFT, "SDM 2B SHRD"),
	U(BT, OF | SF | AF | PF, ALWAYS, "SDM 2A BT"), U(BTS, OF | SF | AF | PF, ALWAYS, "SDM 2A BTS"),
	U(BTR, OF | SF | AF | PF, ALWAYS, "SDM 2A BTR"), U(BTC, OF | SF | AF | PF, ALWAYS, "SDM 2A BTC"),
	U(BSF, CF | OF | SF | AF | PF, ALWAYS, "SDM 2A BSF"),
	U(BSR, CF | OF | SF | AF | PF, ALWAYS, "SDM 2A BSR"),
	U(TZCNT, OF | SF | AF | PF, ALWAYS, "SDM 2B TZCNT"),
	U(LZCNT, OF | SF | AF | PF, ALWAYS, "SDM 2A LZCNT"),
	U(ANDN, AF | PF, ALWAYS, "SDM 2A ANDN"), U(BEXTR, SF | AF | PF, ALWAYS, "SDM 2A BEXTR"),
	U(BLSI, AF | PF, ALWAYS, "SDM 2A BLSI"), U(BLSMSK, AF | PF, ALWAYS, "SDM 2A BLSMSK"),
	U(BLSR, AF | PF, ALWAYS, "SDM 2A BLSR"), U(BZHI, AF | PF, ALWAYS, "SDM 2A BZHI"),
	U(AAA, OF | SF | ZF | PF, ALWAYS, "SDM 2A AAA"), U(AAS, OF | SF | ZF | PF, ALWAYS, "SDM 2A AAS"),
	U(AAM, OF | AF | CF, ALWAYS, "SDM 2A AAM"), U(AAD, OF | AF | CF, ALWAYS, "SDM 2A AAD"),
	U(DAA, OF, ALWAYS, "SDM 2A DAA"), U(DAS, OF, ALWAYS, "SDM 2A DAS"),
#undef U
};

/* Masked as the processor does: 5 bits, 6 with 64-bit operands. */
static unsigned count_of(const struct insn *i, const struct world *before, unsigned operand)
{
	uint64_t v = i->o[operand].type == ZYDIS_OPERAND_TYPE_IMMEDIATE ?
		     i->o[operand].imm.value.u : before->r[X86_RCX];

	return (unsigned)v & (i->o[0].size == 64 ? 63 : 31);
}

static uint64_t shift_flags(const struct insn *i, const struct world *before, uint64_t all)
{
	unsigned n = count_of(i, before, 1), size = i->o[0].size;

	if (!n)
		return 0;
	return (all & AF) | (n != 1 ? all & OF : 0) | (n >= size ? all & CF : 0);
}

uint64_t undefined_flags(const struct insn *i, const struct world *before)
{
	unsigned k, n;

	for (k = 0; k < ARRAY_SIZE(table); k++) {
		if (table[k].mnemonic != i->in.mnemonic)
			continue;
		switch (table[k].by_count) {
		case SHIFT:
			return shift_flags(i, before, table[k].flags);
		case ROTATE:
			return count_of(i, before, 1) == 1 ? 0 : table[k].flags;
		case DOUBLE_SHIFT:
			n = count_of(i, before, 2);
			return n > i->o[0].size ? table[k].flags : n ? AF | (n > 1 ? OF : 0) : 0;
		default:
			return table[k].flags;
		}
	}
	return 0;
}

static bool is_memory_fault(const struct world *w)
{
	return w->vector == X86_PF || w->vector == X86_AC || w->vector == X86_GP || w->vector == X86_SS_FAULT ||
	       w->vector == X86_NP || w->vector == X86_TS;
}

bool undefined_faulting_compare(const struct insn *i, const struct world *before,
				const struct world *real)
{
	const uint64_t repeats = ZYDIS_ATTRIB_HAS_REPE | ZYDIS_ATTRIB_HAS_REPNE;

	/* of the string instructions these prefixes belong to CMPS and SCAS only */
	return i->in.meta.category == ZYDIS_CATEGORY_STRINGOP && (i->in.attributes & repeats) &&
	       is_memory_fault(real) && real->rip == before->rip &&
	       !((real->flags ^ before->flags) & X86_FLAGS_STATUS);
}

/* SHLD and SHRD by more than 16 bits of 16 (SDM 2B); BSWAP of 16 bits (SDM 2A). */
bool undefined_result(const struct insn *i, const struct world *before)
{
	switch (i->in.mnemonic) {
	case ZYDIS_MNEMONIC_SHLD: case ZYDIS_MNEMONIC_SHRD:
		return count_of(i, before, 2) > i->o[0].size;
	case ZYDIS_MNEMONIC_BSWAP:
		return i->o[0].size == 16;
	default:
		return false;
	}
}

/* More than one access, or an access and other checks of what it read. */
static bool has_many_faults(ZydisMnemonic m)
{
	switch (m) {
	case ZYDIS_MNEMONIC_RET: case ZYDIS_MNEMONIC_IRET: case ZYDIS_MNEMONIC_IRETD:
	case ZYDIS_MNEMONIC_IRETQ: case ZYDIS_MNEMONIC_CALL: case ZYDIS_MNEMONIC_JMP:
	case ZYDIS_MNEMONIC_POPA: case ZYDIS_MNEMONIC_POPAD: case ZYDIS_MNEMONIC_PUSHA:
	case ZYDIS_MNEMONIC_PUSHAD: case ZYDIS_MNEMONIC_ENTER:
	case ZYDIS_MNEMONIC_FLDENV: case ZYDIS_MNEMONIC_FNSTENV: case ZYDIS_MNEMONIC_FNSAVE:
	case ZYDIS_MNEMONIC_FRSTOR: case ZYDIS_MNEMONIC_FXSAVE: case ZYDIS_MNEMONIC_FXSAVE64:
	case ZYDIS_MNEMONIC_FXRSTOR: case ZYDIS_MNEMONIC_FXRSTOR64:
	/* "may access any byte" of the components it works on, in any order: SDM vol. 1 13.13 */
	case ZYDIS_MNEMONIC_XSAVE: case ZYDIS_MNEMONIC_XSAVE64:
	case ZYDIS_MNEMONIC_XSAVEOPT: case ZYDIS_MNEMONIC_XSAVEOPT64:
	case ZYDIS_MNEMONIC_XRSTOR: case ZYDIS_MNEMONIC_XRSTOR64:
	case ZYDIS_MNEMONIC_FLD: case ZYDIS_MNEMONIC_FSTP: case ZYDIS_MNEMONIC_FBLD:
	case ZYDIS_MNEMONIC_FBSTP: case ZYDIS_MNEMONIC_MASKMOVDQU:
	case ZYDIS_MNEMONIC_LDS: case ZYDIS_MNEMONIC_LES: case ZYDIS_MNEMONIC_LSS:
	case ZYDIS_MNEMONIC_LFS: case ZYDIS_MNEMONIC_LGS: case ZYDIS_MNEMONIC_BOUND:
		return true;
	default:
		return false;
	}
}

/* Opcodes that end before their ModRM byte on one vendor's, and are #UD in any case. */
static bool is_cut_off(ZydisMnemonic m)
{
	return m == ZYDIS_MNEMONIC_UD0 || m == ZYDIS_MNEMONIC_UD1 || m == ZYDIS_MNEMONIC_VMREAD ||
	       m == ZYDIS_MNEMONIC_VMWRITE;
}

bool undefined_fault(const struct insn *i, const struct world *before, const struct world *real,
		     const struct world *model)
{
	if ((real->vector == X86_UD && model->vector == X86_PF && model->error & 0x10) ||
	    (model->vector == X86_UD && real->vector == X86_PF && real->error & 0x10))
		return is_cut_off(i->in.mnemonic);
	if (!is_memory_fault(real) || !is_memory_fault(model) || real->rip != before->rip ||
	    model->rip != before->rip)
		return false;
	/* alignment, or the stack segment's limit */
	if (real->vector != X86_PF && model->vector != X86_PF && !real->error && !model->error)
		return true;
	return has_many_faults(i->in.mnemonic);
}
