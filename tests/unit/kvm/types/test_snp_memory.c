/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * test_snp_memory.c - every row of docs/facts/snp-kvm-rmp.tsv: what KVM does to
 * the RMP after a fault and in guest_memfd's hooks.
 *
 * usage: test_kvm_snp_memory docs/facts/snp-kvm-rmp.tsv
 *
 * PSMASH, RMPUPDATE, the zap, messages and the handler itself are recorded on
 * their way (ld --wrap), in the words of the column "does".
 */
#include "an_snp_guest.h"

#include <errno.h>
#include <stdio.h>

#include "base/log.h"
#include "model/rmp/facts.h"

#define ENC_RMP		(PFERR_PRESENT | PFERR_GUEST_RMP | PFERR_GUEST_ENC)
#define UNCOVERED	HPA(1ull << 42)
#define AT		5u	/* the page that is looked at: in the middle of 2 MiB */

static struct facts facts;
static const char *doing;

/* -- What is recorded -- */

static struct record {
	char	 text[512];
	gfn_t	 gfn;		/* that the hook is about */
	int	 psmash[2];	/* what it answers, in turn; 0: what the machine says */
	bool	 smash_first;	/* and yet somebody else has split it */
	bool	 in_use;	/* RMP_FAIL_INUSE, for as long as it is asked */
	unsigned nr_psmash;
	bool	 refuse_update;
	bool	 uncovered;	/* the machine has no entry */
} rec;

static void record(const char *what)
{
	size_t n = strlen(rec.text);

	snprintf(rec.text + n, sizeof(rec.text) - n, "%s%s", n ? ", " : "", what);
}

enum rmp_status __real_psmash(struct hw *hw, hpa_t page);
enum rmp_status __wrap_psmash(struct hw *hw, hpa_t page);
enum rmp_status __wrap_psmash(struct hw *hw, hpa_t page)
{
	int answer = rec.nr_psmash < ARRAY_SIZE(rec.psmash) ? rec.psmash[rec.nr_psmash] : 0;

	if (!rec.in_use || !rec.nr_psmash)
		record("psmash");
	rec.nr_psmash++;
	if (rec.in_use)
		return RMP_FAIL_INUSE;
	if (answer && rec.smash_first)
		assert_int_equal(__real_psmash(hw, page), RMP_SUCCESS);
	return answer ? (enum rmp_status)answer : __real_psmash(hw, page);
}

static const char *gpa_is(uint64_t gpa)
{
	if (gpa == rec.gfn.v << PAGE_SHIFT)
		return "gfn";
	return gpa == (rec.gfn.v & ~511ull) << PAGE_SHIFT ? "gfn&~511" : "?";
}

enum rmp_status __real_rmpupdate(struct hw *hw, hpa_t page, const struct rmp_operand *to);
enum rmp_status __wrap_rmpupdate(struct hw *hw, hpa_t page, const struct rmp_operand *to);
enum rmp_status __wrap_rmpupdate(struct hw *hw, hpa_t page, const struct rmp_operand *to)
{
	char text[80];

	snprintf(text, sizeof(text), "rmpupdate a=%u %s", to->assigned, to->page_size ? "2m" : "4k");
	if (to->assigned)
		snprintf(text + strlen(text), sizeof(text) - strlen(text), " imm=%u gpa=%s",
			 to->immutable, gpa_is(to->gpa));
	record(text);
	return rec.refuse_update ? RMP_FAIL_PERMISSION : __real_rmpupdate(hw, page, to);
}

enum rmp_status __real_rmpread(struct hw *hw, hpa_t page, struct rmp_operand *out);
enum rmp_status __wrap_rmpread(struct hw *hw, hpa_t page, struct rmp_operand *out);
enum rmp_status __wrap_rmpread(struct hw *hw, hpa_t page, struct rmp_operand *out)
{
	return rec.uncovered ? RMP_FAIL_INPUT : __real_rmpread(hw, page, out);
}

void __real_kvm_mmu_zap_gfn_range(struct kvm *kvm, gfn_t start, gfn_t end);
void __wrap_kvm_mmu_zap_gfn_range(struct kvm *kvm, gfn_t start, gfn_t end);
void __wrap_kvm_mmu_zap_gfn_range(struct kvm *kvm, gfn_t start, gfn_t end)
{
	record(start.v == rec.gfn.v && end.v == start.v + 512 ? "zap gfn..gfn+511" : "zap ?");
	__real_kvm_mmu_zap_gfn_range(kvm, start, end);
}

void __wrap_log_at(enum log_level level, const char *fmt, ...) PRINTF(2, 3);
void __wrap_log_at(enum log_level level, const char *fmt, ...)
{
	const char *last = strrchr(rec.text, ' ');

	(void)fmt;
	/* One fault may be said in two lines. */
	if (level <= LOG_WARN && strcmp(last ? last + 1 : rec.text, "warning"))
		record("warning");
}

void __real_snp_handle_rmp_fault(struct kvm_vcpu *vcpu, gpa_t gpa, uint64_t error_code);
void __wrap_snp_handle_rmp_fault(struct kvm_vcpu *vcpu, gpa_t gpa, uint64_t error_code);
void __wrap_snp_handle_rmp_fault(struct kvm_vcpu *vcpu, gpa_t gpa, uint64_t error_code)
{
	record("RMP handler");
	__real_snp_handle_rmp_fault(vcpu, gpa, error_code);
}

static void begin(void)
{
	rec = (struct record){ .gfn = GFN(BASE_GFN.v + AT) };
}

static void did(const char *want)
{
	if (strcmp(rec.text, want))
		fail_msg("%s: did \"%s\" instead of \"%s\"", doing, rec.text, want);
}

/* -- Conditions: words of the column "when" -- */

static bool when(const char *cell, const char *word)
{
	size_t n = strlen(word);

	for (const char *at = strstr(cell, word); at; at = strstr(at + 1, word))
		if ((at == cell || at[-1] == ' ') && (!at[n] || at[n] == ' '))
			return true;
	return false;
}

/* "name=a|b": runs @fn with each, the others as they are. */
static void each(const char *cell, void (*fn)(const char *when, const char *does), const char *does)
{
	const char *bar = strchr(cell, '|');
	char first[160], second[160];

	if (!bar) {
		fn(cell, does);
		return;
	}
	for (const char *at = bar; at >= cell; at--) {
		size_t name, rest = strcspn(bar, " ");

		if (*at != '=')
			continue;
		name = (size_t)(at - cell) + 1;
		snprintf(first, sizeof(first), "%.*s%s", (int)(bar - cell), cell, bar + rest);
		snprintf(second, sizeof(second), "%.*s%s", (int)name, cell, bar + 1);
		each(first, fn, does);
		each(second, fn, does);
		return;
	}
	fail_msg("%s: %s", doing, cell);
}

static void release_entry(struct an_snp_guest *g, hpa_t page, bool large)
{
	const struct rmp_operand to = { .page_size = large };

	assert_int_equal(__real_rmpupdate(g->module.hw, HPA(page.v & ~(large ? SIZE_2M - 1 : 0)), &to),
			 RMP_SUCCESS);
}

/* -- rmp-fault -- */

static const char *fault_events(const char *does)
{
	static const struct { const char *does, *events; } rows[] = {
		{ "warning, resume", "warning" },
		{ "nothing, resume", "" },
		{ "psmash, zap gfn..gfn+511, resume", "psmash, zap gfn..gfn+511" },
		{ "psmash again", "psmash, psmash, zap gfn..gfn+511" },
		{ "nothing more, no zap, resume", "psmash" },
		{ "warning, zap gfn..gfn+511, resume", "psmash, warning, zap gfn..gfn+511" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		if (!strcmp(rows[i].does, does))
			return rows[i].events;
	fail_msg("%s: \"%s\" is not known", doing, does);
	return NULL;
}

static void make_fault(struct an_snp_guest *g, const char *cell)
{
	uint8_t level;
	hpa_t page;

	if (when(cell, "attribute=shared"))
		an_snp_guest_convert(g, AT, 1, 0);
	if (when(cell, "slot=none"))
		assert_int_equal(an_snp_guest_region(g, 0, false), 0);
	if (when(cell, "slot=no-gmem")) {
		assert_int_equal(an_snp_guest_region(g, 0, false), 0);
		assert_int_equal(an_snp_guest_region(g, GUEST_SIZE, false), 0);
	}
	if (when(cell, "gmem=error")) {
		kvm_gmem_release(g->gmem);
		g->gmem = NULL;
	}
	if (!strstr(cell, "rmp="))
		return;
	page = an_snp_guest_page(g, AT, &level);
	if (when(cell, "rmp=unassigned"))
		release_entry(g, page, false);
	rec.psmash[0] = when(cell, "psmash=3") ? RMP_FAIL_INUSE :
			when(cell, "psmash=other") ? RMP_FAIL_BADADDR : 0;
	rec.smash_first = when(cell, "now=4k");
}

static void rmp_fault(const char *cell, const char *does)
{
	struct an_snp_guest g;
	uint64_t rmp_faults;
	int idx;

	begin();
	an_snp_guest_make(&g, when(cell, "level=2m") ? 9 : 0, 0);
	make_fault(&g, cell);
	rmp_faults = counter_read(g.module.counters, COUNTER_RMP_FAULTS);
	rec.text[0] = 0;
	rec.uncovered = when(cell, "rmp=uncovered");
	idx = srcu_read_lock(&g.kvm->srcu);
	__real_snp_handle_rmp_fault(&g.v->base, GPA(rec.gfn.v << PAGE_SHIFT), ENC_RMP);
	srcu_read_unlock(&g.kvm->srcu, idx);
	rec.uncovered = false;
	did(fault_events(does));
	assert_int_equal(counter_read(g.module.counters, COUNTER_RMP_FAULTS), rmp_faults + 1);
	an_snp_guest_end(&g);
}

/* -- npf -- */

static void npf(const char *cell, const char *does)
{
	bool enc = !when(cell, "enc=0");
	uint64_t ec = PFERR_USER | PFERR_PRESENT | PFERR_GUEST_RMP | PFERR_GUEST_FINAL | PFERR_WRITE |
		      (enc ? PFERR_GUEST_ENC : 0);
	struct kvm_run *run;
	struct an_snp_guest g;
	int r;

	begin();
	an_snp_guest_make(&g, 0, 0);
	if (when(cell, "attribute=shared"))
		an_snp_guest_convert(&g, AT, 1, 0);
	rec.text[0] = 0;
	r = an_snp_guest_faults(&g, AT, ec);
	run = g.v->base.run;
	if (!strncmp(does, "KVM_EXIT_MEMORY_FAULT", 21)) {
		char got[120];

		snprintf(got, sizeof(got), "%s flags=%llu size=%llu, %s, %s",
			 run->exit_reason == KVM_EXIT_MEMORY_FAULT ? "KVM_EXIT_MEMORY_FAULT" : "?",
			 (unsigned long long)run->memory_fault.flags,
			 (unsigned long long)run->memory_fault.size, r == -EFAULT ? "-EFAULT" : "?",
			 strstr(rec.text, "RMP handler") ? "?" : "no RMP handler");
		assert_string_equal(got, does);
		assert_int_equal(run->memory_fault.gpa, rec.gfn.v << PAGE_SHIFT);
	} else {
		assert_string_equal(does, "RMP handler after the ordinary one");
		assert_int_equal(r, 1);
		did("rmpupdate a=1 4k imm=0 gpa=gfn, RMP handler");
	}
	an_snp_guest_end(&g);
}

/* -- prepare -- */

static void prepare(const char *cell, const char *does)
{
	bool huge = when(cell, "order>=9");
	struct an_snp_guest g;
	uint8_t level;
	char want[80];
	hpa_t page;
	int r;

	begin();
	an_snp_guest_make(&g, huge ? 9 : 0, 0);
	page = an_snp_guest_page(&g, AT, &level);
	if (!when(cell, "rmp=assigned"))
		release_entry(&g, page, huge);
	if (when(cell, "region=some-assigned")) {
		const struct rmp_operand to = { .assigned = 1, .asid = 1, .gpa = 0x1000 };

		assert_int_equal(__real_rmpupdate(g.module.hw, HPA(page.v + PAGE_SIZE), &to), 0);
	}
	if (when(cell, "type=not-snp"))
		to_kvm_sev(g.kvm)->vmsa_features = 0;
	rec.refuse_update = when(cell, "rmpupdate=fails");
	rec.text[0] = 0;
	r = snp_gmem_prepare(g.kvm, page, rec.gfn, level);
	to_kvm_sev(g.kvm)->vmsa_features = SEV_FEATURE_SNP_ACTIVE;
	rec.refuse_update = false;
	if (when(cell, "rmpupdate=fails")) {
		assert_string_equal(does, "-EINVAL");
		assert_int_equal(r, -EINVAL);
		did("rmpupdate a=1 4k imm=0 gpa=gfn, warning");
	} else {
		snprintf(want, sizeof(want), "%s", strcmp(does, "0, nothing") ? does : "");
		did(want);
		assert_int_equal(r, 0);
	}
	if (when(cell, "region=some-assigned"))
		release_entry(&g, HPA(page.v + PAGE_SIZE), false);
	an_snp_guest_end(&g);
}

static void prepare_uncovered(const char *does)
{
	struct an_snp_guest g;

	begin();
	an_snp_guest_make(&g, 0, UNCOVERED.v);
	assert_string_equal(does, "-ENOENT");
	rec.text[0] = 0;
	assert_int_equal(snp_gmem_prepare(g.kvm, UNCOVERED, rec.gfn, PG_LEVEL_4K), -ENOENT);
	did("warning");
	an_snp_guest_end(&g);
}

/* -- invalidate -- */

/* The words of @does that leave a trace here: caches are always coherent, and next is told apart. */
static void invalidate_events(const char *does, char *to, size_t size, uint64_t *next)
{
	*next = strstr(does, "next 2M") ? SIZE_2M : PAGE_SIZE;
	snprintf(to, size, "%s", does);
	for (const char *const *cut = (const char *const []){ ", clflush", ", next", "nothing", NULL };
	     *cut; cut++) {
		char *at = strstr(to, *cut);

		if (at)
			*at = 0;
	}
}

static void invalidate(const char *cell, const char *does)
{
	bool huge = when(cell, "level=2m") || when(cell, "psmash=fails");
	bool at_head = when(cell, "pfn=aligned"), to_end = when(cell, "end>=pfn+512");
	uint64_t next, page = at_head ? 0 : AT;
	char want[160];
	struct an_snp_guest g;
	uint8_t level;
	hpa_t start, end;

	begin();
	an_snp_guest_make(&g, huge ? 9 : 0, UNCOVERED.v);
	start = when(cell, "rmp=uncovered") ? UNCOVERED : an_snp_guest_page(&g, page, &level);
	if (when(cell, "rmp=unassigned"))
		release_entry(&g, start, false);
	rec.psmash[0] = when(cell, "psmash=fails") ? RMP_FAIL_PERMISSION : 0;
	rec.refuse_update = when(cell, "rmpupdate=fails");
	invalidate_events(does, want, sizeof(want), &next);
	end = HPA(start.v + (to_end ? SIZE_2M : PAGE_SIZE));
	rec.text[0] = 0;
	if (when(cell, "rmpupdate=fails")) {
		/* The kernel's page goes back, and the next store to it ends the host: here it is kept. */
		assert_string_equal(does, "warning, next, page goes back");
		assert_int_equal(snp_gmem_invalidate(g.kvm, start, end).v, start.v);
		did("rmpupdate a=0 4k, warning");
		assert_int_equal(counter_read(g.module.counters, COUNTER_LEAKED_PAGES), 1);
		rec.refuse_update = false;
	} else if (when(cell, "psmash=fails")) {
		/* Then the entry is still one of 2M, and says that it overlaps. */
		assert_string_equal(does, "warning, rmpupdate a=0 4k all the same");
		rec.refuse_update = true;
		assert_int_equal(snp_gmem_invalidate(g.kvm, start, end).v, start.v);
		did("psmash, warning, rmpupdate a=0 4k, warning");
		rec.refuse_update = false;
	} else {
		assert_int_equal(snp_gmem_invalidate(g.kvm, start, end).v, end.v);
		did(want);
		assert_true(next == end.v - start.v);
		if (!when(cell, "rmp=uncovered"))
			assert_false(an_snp_guest_entry(&g, start).assigned);
	}
	an_snp_guest_end(&g);
}

/* -- max-level -- */

static void max_level(const char *cell, const char *does)
{
	bool huge = when(cell, "level=2m");
	struct an_snp_guest g;
	uint8_t level;
	hpa_t page;

	begin();
	an_snp_guest_make(&g, huge ? 9 : 0, UNCOVERED.v);
	page = when(cell, "rmp=uncovered") ? UNCOVERED : an_snp_guest_page(&g, AT, &level);
	if (when(cell, "rmp=unassigned"))
		release_entry(&g, page, false);
	if (when(cell, "type=not-snp"))
		to_kvm_sev(g.kvm)->vmsa_features = 0;
	level = snp_max_mapping_level(g.kvm, page, true);
	to_kvm_sev(g.kvm)->vmsa_features = SEV_FEATURE_SNP_ACTIVE;
	assert_int_equal(level, !strcmp(does, "no limit") ? PG_LEVEL_NONE :
				!strcmp(does, "2m") ? PG_LEVEL_2M : PG_LEVEL_4K);
	assert_int_equal(snp_max_mapping_level(g.kvm, page, false), PG_LEVEL_NONE);
	an_snp_guest_end(&g);
}

/* -- All -- */

static void prepare_each(const char *cell, const char *does)
{
	if (when(cell, "rmp=uncovered"))
		prepare_uncovered(does);
	else
		prepare(cell, does);
}

static void every_row(void **unused)
{
	static const struct {
		const char *hook;
		void (*fn)(const char *when, const char *does);
	} hooks[] = {
		{ "rmp-fault", rmp_fault }, { "npf", npf }, { "prepare", prepare_each },
		{ "invalidate", invalidate }, { "max-level", max_level },
	};
	unsigned done = 0;

	(void)unused;
	for (unsigned i = 0; i < facts.nr_rows; i++) {
		char *const *row = facts.row[i];
		char name[200];

		snprintf(name, sizeof(name), "%s: %s", fact_cell(&facts, row, "hook"),
			 fact_cell(&facts, row, "when"));
		doing = name;
		for (size_t h = 0; h < ARRAY_SIZE(hooks); h++) {
			if (strcmp(hooks[h].hook, fact_cell(&facts, row, "hook")))
				continue;
			each(fact_cell(&facts, row, "when"), hooks[h].fn, fact_cell(&facts, row, "does"));
			done++;
		}
	}
	print_message("%u of %u rows\n", done, facts.nr_rows);
	assert_int_equal(done, facts.nr_rows);
}

/* A guest can make a VMSA of 2 MiB, and run with a page of it for as long as it likes. */
static void in_use_for_ever(void **unused)
{
	struct an_snp_guest g;
	uint8_t level;
	hpa_t page;
	int idx;

	(void)unused;
	begin();
	an_snp_guest_make(&g, 9, 0);
	page = an_snp_guest_page(&g, AT, &level);
	rec.text[0] = 0;
	rec.in_use = true;
	idx = srcu_read_lock(&g.kvm->srcu);
	__real_snp_handle_rmp_fault(&g.v->base, GPA(rec.gfn.v << PAGE_SHIFT), ENC_RMP);
	srcu_read_unlock(&g.kvm->srcu, idx);
	assert_string_equal(rec.text, "psmash, warning, zap gfn..gfn+511");
	assert_true(rec.nr_psmash > 2);
	rec.text[0] = 0;
	rec.nr_psmash = 0;
	assert_int_equal(snp_gmem_invalidate(g.kvm, page, HPA(page.v + PAGE_SIZE)).v, page.v);
	assert_string_equal(rec.text, "psmash, warning");
	assert_int_equal(counter_read(g.module.counters, COUNTER_LEAKED_PAGES), 1);
	rec.in_use = false;
	assert_int_equal(snp_gmem_invalidate(g.kvm, page, HPA(page.v + PAGE_SIZE)).v,
			 page.v + PAGE_SIZE);
	an_snp_guest_end(&g);
}

int main(int argc, char **argv)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_row), cmocka_unit_test(in_use_for_ever),
	};
	int r;

	assert_int_equal(argc, 2);
	facts = facts_read(argv[1]);
	r = cmocka_run_group_tests(tests, NULL, NULL);
	facts_free(&facts);
	return r;
}
