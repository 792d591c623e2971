/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * test_rmp.c - docs/facts/snp-*.tsv against the model: each access and each
 * instruction in all combinations that the columns name.
 *
 * usage: test_rmp FOLDER [memory]
 *
 * Prints how many cases were compared.  Those that only a rule from memory decides
 * are run and do not count: "memory" prints where the model does not follow them.
 * Reads of nested tables are left out, for no check concerns them.
 */
#include "model/rmp/a_page.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hw/mem/rmp_check.h"
#include "hw/snp/firmware.h"

struct facts vmpl_masks;
struct a_page_place a_page_place = { AT, GPA_AT };

void a_page_restore(struct hw *hw, const struct rmp_words all[RMP_PAGES])
{
	struct rmp_locked l;

	assert_int_equal(rmp_lock(hw->frames.rmp, HPA(a_page_place.at), true, true, &l), RMP_LOCKED);
	for (unsigned i = 0; i < RMP_PAGES; i++)
		rmp_store(&l, i, all[i]);
	rmp_unlock(&l);
}

void a_page_save(struct hw *hw, struct rmp_words all[RMP_PAGES])
{
	struct rmp_locked l;

	assert_int_equal(rmp_lock(hw->frames.rmp, HPA(a_page_place.at), true, true, &l), RMP_LOCKED);
	for (unsigned i = 0; i < RMP_PAGES; i++)
		all[i] = rmp_load(&l, i);
	rmp_unlock(&l);
}

static struct rmp_entry entry_of(const struct a_page *p, uint64_t gpa)
{
	const char *s = p->state;
	struct rmp_entry e = { .immutable = is(s, "hv-fixed") || is(s, "firmware") || is(s, "context") };

	if (is(s, "reclaim") || is(s, "firmware") || is(s, "context"))
		e.assigned = true;
	e.vmsa = is(s, "context");
	if (!has_owner(s))
		return e;
	e.assigned = true;
	e.immutable = !strncmp(s, "pre-", 4);
	e.validated = is(s, "guest-valid") || is(s, "pre-swap");
	e.vmsa = p->vmsa;
	e.asid = is(p->asid, "own") ? ASID : OTHER_ASID;
	e.gpa = is(p->gpa, "same") ? gpa : gpa + M2;
	memcpy(e.perm, p->perm, sizeof(e.perm));
	return e;
}

void a_page_make(struct hw *hw, const struct a_page *p, uint64_t *at, uint64_t *gpa)
{
	static const struct rmp_entry other = { .assigned = true, .asid = OTHER_ASID };
	struct rmp_words all[RMP_PAGES] = { { 0 } };
	bool large = is(p->size, "head") || is(p->size, "sub");
	unsigned page = is(p->size, "head") ? 0 : 5;
	struct rmp_entry e;

	*at = is(p->state, "uncovered") ? UNCOVERED + 0x5000 : a_page_place.at + page * PAGE_SIZE;
	*gpa = a_page_place.gpa + page * PAGE_SIZE;
	e = entry_of(p, large ? a_page_place.gpa : *gpa);
	e.is_2m = large;
	for (unsigned i = 0; large && i < RMP_PAGES; i++)
		all[i].lo = RMP_ASSIGNED;
	all[large ? 0 : page] = rmp_words_of(&e);
	if (is(p->state, "hypervisor-mixed"))
		all[6] = rmp_words_of(&other);
	if (!large && (e.assigned || all[6].lo))
		all[0].lo |= FIELD_PUT(RMP_SUBPAGES, 1);
	a_page_restore(hw, all);
}

/* -- Accesses -- */

static uint8_t need_of(const char *access)
{
	struct fact_case c = { 0 };
	char *const *row;

	if (is(access, "npt-ad"))
		return 0;		/* nothing of the guest's */
	fact_is(&c, "kind", "need");
	fact_is(&c, "what", access);
	row = facts_find(&vmpl_masks, &c);
	return row ? (uint8_t)strtoul(fact_cell(&vmpl_masks, row, "value"), NULL, 0) : RMP_PERM_READ;
}

static enum rmp_what what_of(const char *access)
{
	static const struct { const char *name; enum rmp_what what; } names[] = {
		{ "read", RMP_READ }, { "write", RMP_WRITE }, { "fetch-user", RMP_FETCH },
		{ "fetch-super", RMP_FETCH }, { "pt-read", RMP_TABLE_READ },
		{ "pt-ad", RMP_TABLE_WRITE }, { "npt-ad", RMP_NESTED_WRITE },
	};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (is(access, names[i].name))
			return names[i].what;
	fail_msg("%s", access);
	return RMP_READ;
}

static void check_access_at(struct hw *hw, struct facts *f, const struct fact_case *c,
			    struct rmp_access a, const struct a_page *p)
{
	static const char *const verdicts[] = { "ok", "pf", "npf", "vc" };
	char *const *row = facts_find(f, c);
	struct rmp_outcome o;
	struct rmp_look l;
	uint64_t at, mask;
	char got[64];

	if (!row)
		return;
	a_page_make(hw, p, &at, &a.gpa);
	rmp_look(hw->frames.rmp, HPA(at), 0, &l);
	o = rmp_check(&l.page, &a);
	mask = strtoull(fact_cell(f, row, "mask"), NULL, 0);
	if (is(verdicts[o.verdict], fact_cell(f, row, "outcome")) &&
	    (o.info & mask) == strtoull(fact_cell(f, row, "code"), NULL, 0))
		return;
	snprintf(got, sizeof(got), "%s %#llx", verdicts[o.verdict], (unsigned long long)o.info);
	facts_wrong(f, c, row, got);
}

static void check_access_to(struct hw *hw, struct facts *f, const char *mode, const char *access,
			    const char *c_bit, const char *map)
{
	struct rmp_access a = {
		.who = is(mode, "host") ? RMP_HOST : is(mode, "plain") ? RMP_GUEST :
		       is(mode, "sev") ? RMP_SEV_GUEST : RMP_SNP_GUEST,
		.what = what_of(access), .c_bit = is(c_bit, "1"), .user = is(access, "fetch-user"),
		.vmpl = 1, .asid = ASID,
		.level = is(map, "1g") ? PG_LEVEL_1G : is(map, "2m") ? PG_LEVEL_2M : PG_LEVEL_4K,
	};
	uint8_t need = need_of(access), allow = RMP_PERM_ALL, deny = RMP_PERM_ALL & (uint8_t)~need;

	EACH(state, "uncovered", "hypervisor", "hypervisor-mixed", "hv-fixed", "reclaim", "firmware",
	     "context", "pre-guest", "pre-swap", "guest-invalid", "guest-valid")
	EACH(size, "4k", "head", "sub") EACH(asid, "own", "other")
	EACH(gpa, "same", "other") EACH(vmpl, "allow", "deny") {
		struct fact_case c = { 0 };
		struct a_page p = { *state, *size, *asid, *gpa, .perm = { deny, allow, deny, deny } };
		bool owner = has_owner(*state);

		if (!owner && (!is(*size, "4k") || !is(*asid, "own") || !is(*gpa, "same") ||
			       !is(*vmpl, "allow")))
			continue;
		if (is(*vmpl, "deny"))
			memcpy(p.perm, (uint8_t []){ allow, deny, allow, allow }, sizeof(p.perm));
		fact_is(&c, "mode", mode);
		fact_is(&c, "access", access);
		fact_is(&c, "c", c_bit);
		fact_is(&c, "map", map);
		fact_is(&c, "state", *state);
		fact_is(&c, "size", owner ? *size : "-");
		fact_is(&c, "asid", owner ? *asid : "-");
		fact_is(&c, "gpa", owner ? *gpa : "-");
		fact_is(&c, "vmpl", owner ? *vmpl : "-");
		check_access_at(hw, f, &c, a, &p);
	}
}

static void check_access(struct facts *f)
{
	struct hw *hw = an_rmp();

	EACH(mode, "host", "plain", "sev", "snp")
	EACH(access, "read", "write", "fetch-user", "fetch-super", "pt-read", "pt-ad", "npt-ad")
	EACH(c_bit, "-", "0", "1") EACH(map, "-", "4k", "2m", "1g") {
		bool host = is(*mode, "host"), npt = is(*access, "npt-ad");
		bool no_c = host || npt || is(*mode, "plain"), pt = !strncmp(*access, "pt-", 3);

		if ((host && npt) || no_c != is(*c_bit, "-") || (npt || (host && pt)) != is(*map, "-"))
			continue;
		check_access_to(hw, f, *mode, *access, *c_bit, *map);
	}
	no_machine(hw);
}

/* -- Masks, states, structures -- */

static void check_masks(struct facts *f)
{
	struct hw *hw = an_rmp();

	for (unsigned mask = 0; mask < 256; mask++) {
		struct a_page p = { "guest-valid", "4k", "own", "same", .perm = { 0xff } };
		struct fact_case c = { 0 };
		char value[8], *const *row;
		struct rmp_target t;
		enum rmp_status s;
		uint64_t at, gpa, rdx = mask << 8 | 1;

		if (mask > 31 && (mask & RMP_PERM_READ))
			continue;		/* the manual does not say */
		snprintf(value, sizeof(value), "0x%02x", mask);
		fact_is(&c, "kind", "mask");
		fact_is(&c, "what", value);
		row = facts_find(f, &c);
		if (!row)
			continue;
		a_page_make(hw, &p, &at, &gpa);
		t = target(at, gpa, false);
		s = snp_rmpadjust_operands(0x1000, 0, rdx, 0);
		if (s == RMP_SUCCESS)
			s = snp_rmpadjust(hw, &t, 0, rdx).eax;
		if ((s == RMP_SUCCESS) != is(fact_cell(f, row, "value"), "legal"))
			facts_wrong(f, &c, row, "the other");
	}
	no_machine(hw);
}

static const char *state_name(enum snp_state s)
{
	static const char *const names[] = {
		[SNP_STATE_HYPERVISOR] = "hypervisor", [SNP_STATE_HV_FIXED] = "hv-fixed",
		[SNP_STATE_FIRMWARE] = "firmware", [SNP_STATE_RECLAIM] = "reclaim",
		[SNP_STATE_CONTEXT] = "context", [SNP_STATE_METADATA] = "metadata",
		[SNP_STATE_PRE_GUEST] = "pre-guest", [SNP_STATE_PRE_SWAP] = "pre-swap",
		[SNP_STATE_GUEST_INVALID] = "guest-invalid", [SNP_STATE_GUEST_VALID] = "guest-valid",
		[SNP_STATE_FIRMWARE_IOMMU] = "firmware-iommu", [SNP_STATE_INVALID] = "invalid",
		[SNP_STATE_DEFAULT] = "default",
	};

	return names[s];
}

/* Our entries have no lock of the firmware's: it is as Immutable. */
static void check_states(struct facts *f)
{
	EACH(assigned, "0", "1") EACH(validated, "0", "1") EACH(asid, "0", "n")
	EACH(immutable, "0", "1") EACH(page, "0", "1", "n") EACH(type, "0", "1", "2", "3")
	EACH(vmsa, "0", "1") {
		uint64_t n = is(*page, "n") ? 0x777 : strtoull(*page, NULL, 0);
		struct rmp_entry e = {
			.covered = true, .assigned = **assigned == '1',
			.validated = **validated == '1', .immutable = **immutable == '1',
			.vmsa = **vmsa == '1', .asid = is(*asid, "n") ? ASID : 0,
			.gpa = (n | strtoull(*type, NULL, 0) << 36) << PAGE_SHIFT,
		};
		struct fact_case c = { 0 };
		char *const *row;

		fact_is(&c, "assigned", *assigned);
		fact_is(&c, "validated", *validated);
		fact_is(&c, "asid", *asid);
		fact_is(&c, "immutable", *immutable);
		fact_is(&c, "lock", *immutable);
		fact_is(&c, "gpa_page", *page);
		fact_is(&c, "gpa_type", *type);
		fact_is(&c, "vmsa", *vmsa);
		row = facts_find(f, &c);
		if (row && !is(fact_cell(f, row, "state"), state_name(snp_state_of(&e))))
			facts_wrong(f, &c, row, state_name(snp_state_of(&e)));
	}
}

static void check_vmrun(struct facts *f)
{
	static const char *const results[] = { "ok", "#GP(0)", "VMEXIT_INVALID" };
	struct hw *hw = an_rmp();

	EACH(what, "VMCB", "AVIC backing page", "PML buffer", "IBS buffer", "VMSA")
	EACH(snp, "0", "1")
	EACH(state, "uncovered", "hypervisor", "hypervisor-mixed", "hv-fixed", "reclaim", "firmware",
	     "context", "pre-guest", "pre-swap", "guest-invalid", "guest-valid")
	EACH(asid, "own", "other") EACH(gpa, "same", "other") EACH(size, "4k", "head", "sub")
	EACH(vmsa, "0", "1") {
		struct a_page p = { *state, *size, *asid, *gpa, { RMP_PERM_ALL }, **vmsa == '1' };
		enum rmp_structure s = is(*what, "VMCB") ? RMP_VMCB :
				       !is(*what, "VMSA") ? RMP_AVIC_PAGE :
				       **snp == '1' ? RMP_SNP_VMSA_PAGE : RMP_VMSA_PAGE;
		struct fact_case c = { 0 };
		struct rmp_look l;
		char *const *row;
		uint64_t at, at_gpa;
		enum rmp_vmrun got;

		if (!has_owner(*state) && (!is(*asid, "own") || !is(*gpa, "same") ||
					   !is(*size, "4k") || !is(*vmsa, "0")))
			continue;
		fact_is(&c, "what", "VMRUN");
		fact_is(&c, "page", *what);
		fact_is(&c, "snp", *snp);
		fact_is(&c, "state", *state);
		fact_is(&c, "asid", *asid);
		fact_is(&c, "gpa", *gpa);
		fact_is(&c, "size", *size);
		fact_is(&c, "vmsa", *vmsa);
		row = facts_find(f, &c);
		if (!row)
			continue;
		a_page_make(hw, &p, &at, &at_gpa);
		rmp_look(hw->frames.rmp, HPA(at), 0, &l);
		got = rmp_check_structure(&l.page, s, ASID);
		if (!is(results[got], fact_cell(f, row, "result")))
			facts_wrong(f, &c, row, results[got]);
	}
	no_machine(hw);
}

static const struct { const char *file; void (*check)(struct facts *f); } checks[] = {
	{ "snp-access.tsv", check_access }, { "snp-access.tsv", check_walks },
	{ "snp-vmpl-mask.tsv", check_masks },
	{ "snp-page-states.tsv", check_states }, { "snp-vmrun.tsv", check_vmrun },
	{ "snp-rmpupdate.tsv", check_rmpupdate }, { "snp-psmash.tsv", check_psmash },
	{ "snp-rmpread.tsv", check_rmpread }, { "snp-pvalidate.tsv", check_pvalidate },
	{ "snp-rmpadjust.tsv", check_rmpadjust }, { "snp-rmpquery.tsv", check_rmpquery },
};

/*
 * Where memory knows more than the manual's words: VMRUN with a VMSA in a 2M page, or one
 * that is elsewhere in the guest; PVALIDATE and RMPADJUST of 2M in the middle of one.
 */
#define NOT_FOLLOWED	38u

static const char *folder;

static struct facts open_facts(const char *name)
{
	char path[4096];

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	return facts_read(path);
}

static void as_the_facts_say(void **unused)
{
	uint64_t cases = 0, memory = 0, wrong = 0, memory_wrong = 0;

	(void)unused;
	vmpl_masks = open_facts("snp-vmpl-mask.tsv");
	for (size_t i = 0; i < ARRAY_SIZE(checks); i++) {
		struct facts f = open_facts(checks[i].file);

		checks[i].check(&f);
		printf("%-20s %6llu cases, %llu wrong (from memory: %llu, %llu wrong)\n", checks[i].file,
		       (unsigned long long)f.nr_cases, (unsigned long long)f.nr_wrong,
		       (unsigned long long)f.nr_memory, (unsigned long long)f.nr_memory_wrong);
		cases += f.nr_cases;
		memory += f.nr_memory;
		wrong += f.nr_wrong;
		memory_wrong += f.nr_memory_wrong;
		facts_free(&f);
	}
	facts_free(&vmpl_masks);
	printf("rmp: %llu cases compared, %llu wrong; not counted: %llu from memory, %llu not so\n",
	       (unsigned long long)cases, (unsigned long long)wrong, (unsigned long long)memory,
	       (unsigned long long)memory_wrong);
	assert_true(cases > 10000);
	assert_int_equal(wrong, 0);
	assert_int_equal(memory_wrong, NOT_FOLLOWED);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(as_the_facts_say) };

	if (argc < 2)
		return 2;
	facts_print_memory = argc > 2;
	folder = argv[1];
	return cmocka_run_group_tests(tests, NULL, NULL);
}
