/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * snp_cpuid.c - the rules by which AMD's firmware compares CPUID values with
 * its own processor's (docs/facts/snp-cpuid-page.tsv).
 */
#include "hw/psp/snp_cpuid.h"

#include "base/bits.h"
#include "hw/insn/machine.h"

enum { A, B, C, D };

#define ZERO		'0'	/* reserved: must be zero */
#define UNCHECKED	'u'
#define MASK		'm'	/* no bit that the processor lacks */
#define EXACT		'x'
#define LESS		'l'	/* at most the processor's, as numbers */
#define SET		's'
#define SIGNATURE	'f'	/* family, then model, then stepping, at most the processor's */
#define INVERSE		'i'	/* as MASK; corrected as by the firmware's slip */
#define SAVED		'w'	/* size of a save area: xsave_size(), compact_size() */
#define PARTS		'p'	/* by parts[], all other bits as the last of them says */

struct leaf {
	uint32_t leaf, sub;
	char	 rule[5];		/* of EAX, EBX, ECX, EDX */
	uint32_t zero[4];		/* of unchecked registers: bits that are reserved */
};

static const struct leaf leaves[] = {
	{ 0x0, 0, "luuu", { 0 } },
	{ 0x1, 0, "fppm", { 0xf000f000 } },
	{ 0x2, 0, "uuuu", { 0 } },
	{ 0x4, 0, "uuuu", { 0 } },
	{ 0x5, 0, "uuuu", { 0xffff0000, 0xffff0000, 0xfffffffc, 0xffffff00 } },
	{ 0x6, 0, "mxmx", { 0 } },
	{ 0x7, 0, "lmpi", { 0 } },
	{ 0x7, 1, "mxxx", { 0 } },
	{ 0xb, 0, "uuuu", { 0xffffffe0, 0xffff0000, 0xffff0000 } },
	{ 0xb, 1, "uuuu", { 0xffffffe0, 0xffff0000, 0xffff0000 } },
	{ 0xb, 2, "uuuu", { 0xffffffe0, 0xffff0000, 0xffff0000 } },
	{ 0xd, 0, "pwux", { 0 } },
	{ 0xd, 1, "mwmm", { 0 } },
	{ 0xd, 2, "xxxx", { 0 } },
	{ 0xd, 5, "xxmx", { 0 } },
	{ 0xd, 6, "xxmx", { 0 } },
	{ 0xd, 7, "xxmx", { 0 } },
	{ 0xd, 9, "xxxx", { 0 } },
	{ 0xd, 11, "xxxx", { 0 } },
	{ 0xd, 12, "xxxx", { 0 } },
	{ 0xf, 0, "xuxu", { 0, 0, 0, 0xfffffffd } },
	{ 0xf, 1, "uuuu", { 0xfffffe00, 0, 0, 0xfffffff8 } },
	{ 0x10, 0, "xuxx", { 0, 0xfffffff9 } },
	{ 0x10, 1, "uuuu", { 0xffffffe0, 0, 0xfffffffb, 0xffff0000 } },
	{ 0x80000000, 0, "luuu", { 0 } },
	{ 0x80000001, 0, "fumm", { 0xf000f000, 0x0fffffff } },
	{ 0x80000002, 0, "uuuu", { 0 } },
	{ 0x80000003, 0, "uuuu", { 0 } },
	{ 0x80000004, 0, "uuuu", { 0 } },
	{ 0x80000005, 0, "uuuu", { 0 } },
	{ 0x80000006, 0, "uuuu", { 0, 0, 0, 0x00030000 } },
	{ 0x80000007, 0, "xmum", { 0 } },
	{ 0x80000008, 0, "pmup", { 0, 0, 0xfffc0f00 } },
	{ 0x8000000a, 0, "uuxm", { 0xffffff00 } },
	{ 0x80000019, 0, "uuxx", { 0 } },
	{ 0x8000001a, 0, "uxxx", { 0xfffffff8 } },
	{ 0x8000001b, 0, "mxxx", { 0 } },
	{ 0x8000001d, 0, "uuuu", { 0xfc003c00, 0, 0, 0xfffffffc } },
	{ 0x8000001d, 1, "uuuu", { 0xfc003c00, 0, 0, 0xfffffffc } },
	{ 0x8000001d, 2, "uuuu", { 0xfc003c00, 0, 0, 0xfffffffc } },
	{ 0x8000001d, 3, "uuuu", { 0xfc003c00, 0, 0, 0xfffffffc } },
	{ 0x8000001d, 4, "uxux", { 0xfffffff0 } },
	{ 0x8000001e, 0, "uuuu", { 0, 0xffff0000, 0xfffff800, 0xffffffff } },
	{ 0x8000001f, 0, "mpuu", { 0 } },
	{ 0x80000020, 0, "xuxx", { 0, 0xffffffe1 } },
	{ 0x80000020, 1, "uxxu", { 0 } },
	{ 0x80000020, 2, "uxxu", { 0 } },
	{ 0x80000020, 3, "xumx", { 0 } },
	{ 0x80000021, 0, "muxx", { 0, 0xfffff000 } },
	{ 0x80000022, 0, "mpux", { 0 } },
	{ 0x80000023, 0, "muxx", { 0 } },
	{ 0x80000024, 0, "lmmx", { 0 } },
	{ 0x80000024, 1, "mxxx", { 0 } },
	{ 0x80000026, 0, "uuuu", { 0 } },
	{ 0x80000026, 1, "uuuu", { 0 } },
	{ 0x80000026, 2, "uuuu", { 0 } },
	{ 0x80000026, 3, "uuuu", { 0 } },
};

#define ALL_ELSE	0u

static const struct part {
	uint32_t leaf;
	uint8_t	 reg;
	char	 rule;
	uint32_t bits;
} parts[] = {
	{ 0x1, B, EXACT, 0x0000ff00 },		/* CLFLUSH's line */
	{ 0x1, B, UNCHECKED, 0xffff0000 },
	{ 0x1, B, ZERO, ALL_ELSE },
	{ 0x1, C, UNCHECKED, BIT(27) | BIT(31) },	/* OSXSAVE, a hypervisor's */
	{ 0x1, C, MASK, ALL_ELSE },
	{ 0x7, C, UNCHECKED, BIT(4) },		/* OSPKE */
	{ 0x7, C, MASK, ALL_ELSE },
	{ 0xd, A, SET, 3 },			/* x87, SSE */
	{ 0xd, A, MASK, ALL_ELSE },
	{ 0x80000008, A, LESS, 0x000000ff },
	{ 0x80000008, A, LESS, 0x0000ff00 },
	{ 0x80000008, A, LESS, 0x00ff0000 },
	{ 0x80000008, A, ZERO, ALL_ELSE },
	{ 0x80000008, D, LESS, 0x0000ffff },	/* INVLPGB's count */
	{ 0x80000008, D, LESS, 0x00ff0000 },	/* RDPRU's highest */
	{ 0x80000008, D, ZERO, ALL_ELSE },
	{ 0x8000001f, B, UNCHECKED, 0x00000fc0 },
	{ 0x8000001f, B, LESS, 0x0000f000 },
	{ 0x8000001f, B, EXACT, ALL_ELSE },
	{ 0x80000022, B, LESS, 0x0000000f },
	{ 0x80000022, B, LESS, 0x000003f0 },
	{ 0x80000022, B, UNCHECKED, ALL_ELSE },
};

static uint32_t signature_of(uint32_t eax)
{
	const uint32_t family = (eax >> 20 & 0xff) + (eax >> 8 & 0xf);
	const uint32_t model = (eax >> 16 & 0xf) << 4 | (eax >> 4 & 0xf);

	return family << 16 | model << 8 | (eax & 0xf);
}

/* What becomes of the bits @bits of @v, which are @host in the processor. */
static uint32_t rule_apply(char rule, uint32_t v, uint32_t host, uint32_t bits)
{
	const uint32_t is = v & bits, has = host & bits;
	uint32_t to = is;

	switch (rule) {
	case ZERO:
		to = 0;
		break;
	case MASK:
		to = is & has;
		break;
	case INVERSE:
		to = is & ~has ? is & ~has : is;
		break;
	case EXACT:
		to = has;
		break;
	case LESS:
		to = is > has ? has : is;
		break;
	case SET:
		to = bits;
		break;
	case SIGNATURE:
		to = signature_of(is) > signature_of(has) ? has : is;
		break;
	default:
		break;
	}
	return (v & ~bits) | to;
}

static uint32_t parts_apply(uint32_t leaf, unsigned reg, uint32_t v, uint32_t host)
{
	uint32_t rest = ~0u;

	for (unsigned i = 0; i < ARRAY_SIZE(parts); i++) {
		const struct part *p = &parts[i];

		if (p->leaf != leaf || p->reg != reg)
			continue;
		v = rule_apply(p->rule, v, host, p->bits == ALL_ELSE ? rest : p->bits);
		rest &= ~p->bits;
	}
	return v;
}

/* The standard format: of the highest component that is on.  Genoa's numbers. */
static uint32_t xsave_size(const struct snp_cpuid_entry *e)
{
	static const struct { uint8_t bit; uint16_t size; } ends[] = {
		{ 9, 0x988 }, { 7, 0x980 }, { 6, 0x580 }, { 5, 0x380 }, { 2, 0x340 },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(ends); i++)
		if (e->xcr0_in & BIT(ends[i].bit))
			return ends[i].size;
	return 0x240;
}

/* The compacted format: of all that are on. */
static uint32_t compact_size(const struct snp_cpuid_entry *e)
{
	static const struct { uint8_t bit; uint16_t size; } user[] = {
		{ 2, 0x100 }, { 5, 0x40 }, { 6, 0x200 }, { 7, 0x400 }, { 9, 0x8 },
	};
	uint32_t size = 0x240;

	for (unsigned i = 0; i < ARRAY_SIZE(user); i++)
		size += e->xcr0_in & BIT(user[i].bit) ? user[i].size : 0;
	return size + (e->xss_in & BIT(11) ? 0x10 : 0) + (e->xss_in & BIT(12) ? 0x18 : 0);
}

static uint32_t corrected(const struct leaf *l, const struct snp_cpuid_entry *e, unsigned reg,
			  uint32_t host)
{
	const uint32_t v = e->reg[reg];

	switch (l->rule[reg]) {
	case PARTS:
		return parts_apply(l->leaf, reg, v, host);
	case SAVED:
		return l->sub ? compact_size(e) : xsave_size(e);
	default:
		return rule_apply(l->rule[reg], v, host, ~0u) & ~l->zero[reg];
	}
}

/* That slip may leave a refused value as it was. */
static bool is_refused(const struct leaf *l, unsigned reg, uint32_t v, uint32_t host, uint32_t to)
{
	return to != v || (l && l->rule[reg] == INVERSE && v & ~host);
}

static const struct leaf *leaf_find(uint32_t leaf, uint32_t sub)
{
	for (unsigned i = 0; i < ARRAY_SIZE(leaves); i++)
		if (leaves[i].leaf == leaf && leaves[i].sub == sub)
			return &leaves[i];
	return NULL;
}

static bool entry_sanitize(const struct hw *hw, struct snp_cpuid_entry *e)
{
	const struct leaf *l = leaf_find(e->eax_in, e->ecx_in);
	const struct cpuid_regs r = hw_cpuid(hw, e->eax_in, e->ecx_in);
	const uint32_t host[4] = { r.eax, r.ebx, r.ecx, r.edx };
	bool ok = !e->reserved;

	for (unsigned i = 0; i < 4; i++) {
		const uint32_t to = l ? corrected(l, e, i, host[i]) : 0;

		ok = ok && !is_refused(l, i, e->reg[i], host[i], to);
		e->reg[i] = to;
	}
	return ok;
}

/* The processor's own functions; those for a hypervisor to fill are not looked at. */
static bool is_checked(uint32_t leaf)
{
	return leaf <= 0xffff || (leaf >= 0x80000000 && leaf <= 0x8000ffff);
}

bool snp_cpuid_sanitize(const struct hw *hw, struct snp_cpuid_entry *e, uint32_t nr)
{
	bool ok = true;

	for (uint32_t i = 0; i < nr; i++)
		if (is_checked(e[i].eax_in) && !entry_sanitize(hw, &e[i]))
			ok = false;
	return ok;
}
