/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * msr_memory.c - memory types: kept and checked, for no memory of ours has one.
 * SDM vol. 3A 12.11 and 12.12.
 */
#include "kvm/vcpu/msr.h"

#define PAT_RESET	0x0007040600070406ull
#define MTRR_CAP	(0x500ull | VCPU_NR_VAR_MTRRS)	/* write combining, fixed ranges */
#define DEF_TYPE_BITS	0xcffull

static bool is_type(unsigned type)
{
	return type < 8 && (0x73 & 1u << type);		/* UC WC WT WP WB */
}

/* Each byte is a memory type; PAT also has UC-. */
static enum msr_answer set_pat(struct vcpu *v, uint32_t index, bool host, uint64_t value)
{
	for (unsigned i = 0; i < 64; i += 8) {
		if (!is_type(value >> i & 0xff) && (value >> i & 0xff) != 7)
			return MSR_GP;
	}
	v->state.msr.pat = value;
	return MSR_OK;
}

static enum msr_answer set_default(struct vcpu *v, uint32_t index, bool host, uint64_t value)
{
	if ((value & ~DEF_TYPE_BITS) || !is_type(value & 0xff))
		return MSR_GP;
	v->msr.mtrr_default = value;
	return MSR_OK;
}

static enum msr_answer check_fixed(uint64_t value)
{
	for (unsigned i = 0; i < 64; i += 8) {
		if (!is_type(value >> i & 0xff))
			return MSR_GP;
	}
	return MSR_OK;
}

#define X_FIXED(name, base)							\
static enum msr_answer set_##name(struct vcpu *v, uint32_t index, bool host, uint64_t value) \
{										\
	if (check_fixed(value))							\
		return MSR_GP;							\
	v->msr.name[index - (base)] = value;					\
	return MSR_OK;								\
}
X_FIXED(mtrr_64k, 0x250)
X_FIXED(mtrr_16k, 0x258)
X_FIXED(mtrr_4k, 0x268)

/* Base and mask by turns. */
static enum msr_answer set_variable(struct vcpu *v, uint32_t index, bool host, uint64_t value)
{
	uint64_t reserved = vcpu_reserved_gpa_bits(v);

	if (index & 1)
		reserved |= 0x7ff;
	else if (is_type(value & 0xff))
		reserved |= 0xf00;
	else
		return MSR_GP;
	if (value & reserved)
		return MSR_GP;
	v->msr.mtrr_variable[index - 0x200] = value;
	return MSR_OK;
}

static const struct msr_row rows[] = {
	{ 0x0fe, .flags = MSR_NO_WRITE, .reset = MTRR_CAP },
	{ 0x200, 0x20f, .place = MSR_PLACE(msr.mtrr_variable), .set = set_variable },
	{ 0x250, .place = MSR_PLACE(msr.mtrr_64k), .set = set_mtrr_64k },
	{ 0x258, 0x259, .place = MSR_PLACE(msr.mtrr_16k), .set = set_mtrr_16k },
	{ 0x268, 0x26f, .place = MSR_PLACE(msr.mtrr_4k), .set = set_mtrr_4k },
	{ 0x210, 0x26f, .flags = MSR_REFUSES },			/* the holes */
	{ 0x277, .reset = PAT_RESET, .place = MSR_PLACE(state.msr.pat), .set = set_pat },
	{ 0x2ff, .place = MSR_PLACE(msr.mtrr_default), .set = set_default },
};

const struct msr_table msr_memory = { rows, ARRAY_SIZE(rows) };
