/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * test_guest.c - PVALIDATE, RMPADJUST and RMPQUERY in all combinations of their
 * columns; what comes before them (modes, CPL, the guest's tables) is in
 * tests/unit/hw/cpu/test_snp.c.
 */
#include "model/rmp/a_page.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NPF_MASK	0x3f8000005full

static const char *const states[] = {
	"uncovered", "hypervisor", "hypervisor-mixed", "hv-fixed", "reclaim", "firmware",
	"context", "pre-guest", "pre-swap", "guest-invalid", "guest-valid",
};

static enum pg_level level_of(const char *map)
{
	return is(map, "1g") ? PG_LEVEL_1G : is(map, "2m") ? PG_LEVEL_2M : PG_LEVEL_4K;
}

static const char *validated_of(const char *state)
{
	return is(state, "pre-swap") || is(state, "guest-valid") ? "1" : "0";
}

/* Without an owner there is one entry of each kind. */
static bool can_be(const char *state, const char *asid, const char *gpa, const char *size)
{
	return has_owner(state) || (is(asid, "own") && is(gpa, "same") && is(size, "4k"));
}

static bool outcome_fits(const struct facts *f, char *const *row, const struct rmp_done *d)
{
	const char *want = fact_cell(f, row, "result");
	uint64_t code = strtoull(fact_cell(f, row, "code"), NULL, 0);

	if (is(want, "npf"))
		return d->fault.verdict == RMP_NPF && (d->fault.info & NPF_MASK) == code;
	if (is(want, "vc"))
		return d->fault.verdict == RMP_VC && d->fault.info == code;
	if (d->fault.verdict != RMP_PASS)
		return false;
	return is(want, "nonzero") ? d->eax != RMP_SUCCESS
				   : (unsigned)d->eax == strtoul(want, NULL, 0);
}

static void say(struct facts *f, const struct fact_case *c, char *const *row,
		const struct rmp_done *d)
{
	char got[80];

	snprintf(got, sizeof(got), "EAX %d, fault %d %#llx, CF %d", d->eax, d->fault.verdict,
		 (unsigned long long)d->fault.info, d->no_change);
	facts_wrong(f, c, row, got);
}

/* All but the word at @page as before; there, what @mask has may differ. */
static bool rest_is_same(const struct rmp_words *was, const struct rmp_words *now, unsigned page,
			 struct rmp_words mask)
{
	for (unsigned i = 0; i < RMP_PAGES; i++) {
		struct rmp_words may = i == page ? mask : (struct rmp_words){ 0, 0 };

		if ((was[i].lo ^ now[i].lo) & ~may.lo || (was[i].hi ^ now[i].hi) & ~may.hi)
			return false;
	}
	return true;
}

static unsigned entry_of(const char *size)
{
	return is(size, "4k") ? 5 : 0;
}

static void pvalidate_case(struct hw *hw, struct facts *f, const struct fact_case *c,
			   const struct a_page *p, const char *ecx, const char *edx,
			   const char *gva, const char *map)
{
	static struct rmp_words was[RMP_PAGES], now[RMP_PAGES];
	uint32_t size = is(ecx, "rsvd") ? 4 : is(ecx, "2m"), v = is(edx, "rsvd") ? 5 : is(edx, "1");
	unsigned e = entry_of(p->size);
	struct rmp_done d = { .eax = snp_pvalidate_operands(is(gva, "even") ? M2 : M2 + 0x1000, size,
							    v) };
	char *const *row = facts_find(f, c);
	struct rmp_target t = { .asid = ASID, .level = level_of(map) };
	const char *want;
	bool is_v;

	if (!row)
		return;
	a_page_make(hw, p, &t.hpa.v, &t.gpa);
	a_page_save(hw, was);
	if (d.eax == RMP_SUCCESS)
		d = snp_pvalidate(hw, &t, size, v);
	a_page_save(hw, now);
	is_v = now[e].lo & RMP_VALIDATED;
	want = fact_cell(f, row, "V");
	if (!outcome_fits(f, row, &d) ||
	    (*fact_cell(f, row, "cf") != '-' && d.no_change != (*fact_cell(f, row, "cf") == '1')) ||
	    !rest_is_same(was, now, e, (struct rmp_words){ *want == '=' ? 0 : RMP_VALIDATED, 0 }) ||
	    (*want != '=' && is_v != (*want == '1')))
		say(f, c, row, &d);
}

void check_pvalidate(struct facts *f)
{
	struct hw *hw = an_rmp();

	EACH(ecx, "4k", "2m", "rsvd") EACH(edx, "0", "1", "rsvd") EACH(gva, "even", "odd")
	EACH(asid, "own", "other") EACH(gpa, "same", "other") EACH(size, "4k", "head", "sub")
	EACH(map, "4k", "2m", "1g")
	for (size_t i = 0; i < ARRAY_SIZE(states); i++) {
		struct a_page p = { states[i], *size, *asid, *gpa, { RMP_PERM_ALL }, false };
		const char *cells[][2] = {
			{ "where", "snp" }, { "cpl", "0" }, { "vmpl", "0" }, { "ecx", *ecx },
			{ "edx", *edx }, { "gva", *gva }, { "pte", "present" }, { "c", "1" },
			{ "npt", "present" }, { "state", states[i] }, { "asid", *asid },
			{ "gpa", *gpa }, { "size", *size }, { "map", *map },
			{ "validated", validated_of(states[i]) },
		};
		struct fact_case c = { 0 };

		if (!can_be(states[i], *asid, *gpa, *size))
			continue;
		/* The middle of a 2M page at an aligned address is in no rule. */
		if (is(*ecx, "2m") && is(*gva, "even") && is(*size, "sub") && !is(*map, "4k"))
			continue;
		for (size_t k = 0; k < ARRAY_SIZE(cells); k++)
			fact_is(&c, cells[k][0], cells[k][1]);
		pvalidate_case(hw, f, &c, &p, *ecx, *edx, *gva, *map);
	}
	no_machine(hw);
}

struct adjust {
	const char	*size, *gva, *target, *mask, *vmsa, *map;
	uint8_t		 vmpl;
};

/* The current VMPL can read and write. */
static uint64_t rdx_of(const struct adjust *a)
{
	uint64_t to = is(a->target, "lower") ? a->vmpl - 1u : is(a->target, "same") ? a->vmpl :
		      is(a->target, "higher") ? a->vmpl + 1u : 4;
	uint64_t mask = is(a->mask, "within") ? 0x01 : is(a->mask, "more") ? 0x0d : 0x02;

	return to | mask << 8 | (*a->vmsa == '1' ? BIT(16) : 0);
}

static bool adjusted(const struct facts *f, char *const *row, const struct adjust *a,
		     const struct rmp_words *was, const struct rmp_words *now, unsigned e)
{
	bool vmsa = now[e].lo & RMP_VMSA, was_vmsa = was[e].lo & RMP_VMSA;
	const char *want = fact_cell(f, row, "rvmsa");
	uint64_t mask = 0;

	if (*want == '=' ? vmsa != was_vmsa : vmsa != (*want == '1'))
		return false;
	if (is(fact_cell(f, row, "perm"), "mask")) {
		mask = 0xffull << 8 * (a->vmpl + 1);
		if ((now[e].hi & mask) >> 8 * (a->vmpl + 1) != (rdx_of(a) >> 8 & 0xff))
			return false;
	}
	return rest_is_same(was, now, e, (struct rmp_words){ RMP_VMSA, mask });
}

static void adjust_case(struct hw *hw, struct facts *f, const struct fact_case *c,
			const struct a_page *p, const struct adjust *a)
{
	static struct rmp_words was[RMP_PAGES], now[RMP_PAGES];
	uint64_t rcx = is(a->size, "rsvd") ? 2 : is(a->size, "2m"), rdx = rdx_of(a);
	struct rmp_target t = { .asid = ASID, .level = level_of(a->map), .vmpl = a->vmpl };
	struct rmp_done d = { .eax = snp_rmpadjust_operands(is(a->gva, "even") ? M2 : M2 + 0x1000,
							    rcx, rdx, a->vmpl) };
	char *const *row = facts_find(f, c);

	if (!row)
		return;
	a_page_make(hw, p, &t.hpa.v, &t.gpa);
	a_page_save(hw, was);
	if (d.eax == RMP_SUCCESS)
		d = snp_rmpadjust(hw, &t, rcx, rdx);
	a_page_save(hw, now);
	if (!outcome_fits(f, row, &d) || !adjusted(f, row, a, was, now, entry_of(p->size)))
		say(f, c, row, &d);
}

static void check_rmpadjust_by(struct hw *hw, struct facts *f, const struct adjust *a)
{
	EACH(asid, "own", "other") EACH(gpa, "same", "other") EACH(rsize, "4k", "head", "sub")
	for (size_t i = 0; i < ARRAY_SIZE(states); i++) {
		struct a_page p = { states[i], *rsize, *asid, *gpa, { 3, 3, 3, 3 }, a->vmpl & 1 };
		char vmpl[2] = { (char)('0' + a->vmpl), 0 };
		const char *cells[][2] = {
			{ "where", "snp" }, { "cpl", "0" }, { "vmpl", vmpl }, { "size", a->size },
			{ "gva", a->gva }, { "target", a->target }, { "mask", a->mask },
			{ "vmsa", a->vmsa }, { "pte", "present" }, { "c", "1" }, { "npt", "present" },
			{ "state", states[i] }, { "asid", *asid }, { "gpa", *gpa },
			{ "rsize", *rsize }, { "map", a->map },
			{ "validated", validated_of(states[i]) },
		};
		struct fact_case c = { 0 };

		if (!can_be(states[i], *asid, *gpa, *rsize))
			continue;
		if (is(a->size, "2m") && is(*rsize, "sub") && !is(a->map, "4k"))
			continue;
		for (size_t k = 0; k < ARRAY_SIZE(cells); k++)
			fact_is(&c, cells[k][0], cells[k][1]);
		adjust_case(hw, f, &c, &p, a);
	}
}

void check_rmpadjust(struct facts *f)
{
	struct hw *hw = an_rmp();

	EACH(size, "4k", "2m", "rsvd") EACH(gva, "even", "odd")
	EACH(target, "lower", "same", "higher", "toohigh") EACH(mask, "within", "more", "illegal")
	EACH(vmsa, "0", "1") EACH(map, "4k", "2m", "1g")
	for (uint8_t vmpl = 0; vmpl < RMP_NR_VMPLS; vmpl++) {
		struct adjust a = { *size, *gva, *target, *mask, *vmsa, *map, vmpl };

		if ((is(*target, "lower") && !vmpl) || (is(*target, "higher") && vmpl == 3))
			continue;
		check_rmpadjust_by(hw, f, &a);
	}
	no_machine(hw);
}

static void query_case(struct hw *hw, struct facts *f, const struct fact_case *c,
		       const struct a_page *p, uint8_t vmpl, const char *to)
{
	uint64_t rdx = is(to, "lower") ? vmpl - 1u : is(to, "same") ? vmpl : vmpl + 1u;
	struct rmp_target t = { .asid = ASID, .level = PG_LEVEL_4K, .vmpl = vmpl };
	struct rmp_done d = { .eax = snp_rmpquery_operands(rdx, vmpl) };
	char *const *row = facts_find(f, c);
	const char *want;
	bool ok;

	if (!row)
		return;
	a_page_make(hw, p, &t.hpa.v, &t.gpa);
	if (d.eax == RMP_SUCCESS)
		d = snp_rmpquery(hw, &t, rdx);
	want = fact_cell(f, row, "result");
	ok = is(want, "npf") ? d.fault.verdict == RMP_NPF :
	     is(want, "vc") ? d.fault.verdict == RMP_VC :
	     !d.fault.verdict && (unsigned)d.eax == strtoul(want, NULL, 0);
	if (ok && is(want, "0"))
		ok = d.rdx == (rdx | (uint64_t)p->perm[rdx] << 8 | (p->vmsa ? BIT(16) : 0)) &&
		     d.is_2m == !is(p->size, "4k");
	if (!ok)
		say(f, c, row, &d);
}

void check_rmpquery(struct facts *f)
{
	struct hw *hw = an_rmp();

	EACH(to, "lower", "same", "higher") EACH(asid, "own", "other") EACH(gpa, "same", "other")
	EACH(size, "4k", "head", "sub")
	for (uint8_t vmpl = 0; vmpl < RMP_NR_VMPLS; vmpl++)
		for (size_t i = 0; i < ARRAY_SIZE(states); i++) {
			struct a_page p = { states[i], *size, *asid, *gpa, { 1, 3, 5, 7 }, vmpl & 1 };
			char v[2] = { (char)('0' + vmpl), 0 };
			const char *cells[][2] = {
				{ "where", "snp" }, { "cpl", "0" }, { "cpuid", "1" }, { "vmpl", v },
				{ "target", *to }, { "state", states[i] }, { "asid", *asid },
				{ "gpa", *gpa }, { "validated", validated_of(states[i]) },
			};
			struct fact_case c = { 0 };

			if (!can_be(states[i], *asid, *gpa, *size) ||
			    (is(*to, "lower") && !vmpl) || (is(*to, "higher") && vmpl == 3))
				continue;
			for (size_t k = 0; k < ARRAY_SIZE(cells); k++)
				fact_is(&c, cells[k][0], cells[k][1]);
			query_case(hw, f, &c, &p, vmpl, *to);
		}
	no_machine(hw);
}
