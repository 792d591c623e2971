/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * test_host_access.c - each accessor of KVM on each state of a page, and of two pages:
 * docs/facts/host-access.tsv and host-access-states.tsv.
 *
 * usage: test_host_access FACTS TYPE ABI		the cases of a VM type and a kernel ABI
 *        test_host_access FACTS				how many cases there are; each row decides some
 *
 * A case is made anew for each access; what was there before is compared with what is there
 * afterwards.  The first mismatch of each row is printed.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kvm/core/attr.h"
#include "kvm/core/request.h"
#include "kvm/mmu/mmu.h"
#include "model/host_access/run.h"
#include "trace/counters.h"

/* Linked with --wrap: where the two ioctls are stopped. */
void __real_kvm_mmu_flush_memslot(struct kvm *kvm, struct kvm_memory_slot *slot);
void __wrap_kvm_mmu_flush_memslot(struct kvm *kvm, struct kvm_memory_slot *slot);
void __real_kvm_attributes_store(struct kvm *kvm, gfn_t start, gfn_t end, uint64_t attrs);
void __wrap_kvm_attributes_store(struct kvm *kvm, gfn_t start, gfn_t end, uint64_t attrs);

#define MAX_STATES	64u
#define NR_CASES	62100u	/* as the table's header says */
#define NR_DESIGN	592u

/* ---- telling ---- */

static void tell(struct run *t, const struct accessor *x, char *const *row, const struct outcome *o,
		 unsigned nr, enum result got, uint64_t findings, const char *what)
{
	unsigned n = 0;

	while ((char *const *)t->rules.facts.row[n] != row)
		n++;
	t->nr_wrong++;
	if (t->told[n])
		return;
	t->told[n] = true;
	fprintf(stderr, "%s: row %u: %s on %s, then %s (%s, %s, %s; variant %u; %zu+%zu): %s; expected ",
		t->rules.facts.file, n + 1, x->name, t->page, t->second ? t->second : "-", t->type,
		t->abi, t->strict ? "strict" : "default", t->variant, t->a.offset, t->a.len, what);
	for (unsigned i = 0; i < nr; i++)
		fprintf(stderr, "%s%s, %u to %u findings", i ? " or " : "", result_name(o[i].result),
			o[i].findings_min, o[i].findings_max);
	fprintf(stderr, "; got %s, %llu findings (%s)\n", result_name(got),
		(unsigned long long)findings, fact_cell(&t->rules.facts, row, "source"));
}

/* ---- one case ---- */

static void prepare(struct run *t, const struct accessor *x)
{
	struct access *a = &t->a;

	for (unsigned i = 0; i < 2; i++)
		if (!i || t->second)
			state_ready(t->w, &t->w->side[i]);
	if (x->touch == TOUCHES_WRITES || x->touch == TOUCHES_EXCHANGES)
		for (size_t k = 0; k < sizeof(a->data); k++)
			a->data[k] = written_byte(k);
	else
		memset(a->data, 0xee, sizeof(a->data));
	for (unsigned k = 0; k < 8; k++)
		a->there[k] = a->at + k < PAGE_SIZE ? t->w->side[0].bytes[a->at + k] : 0;
}

static void run_case(struct run *t, const struct accessor *x)
{
	const struct rule_case c = { x->name, t->page, t->second, t->strict, t->abi };
	const char *what = NULL, *confidence;
	struct outcome out[OUTCOMES];
	struct kept was, is;
	char *const *row;
	uint64_t findings;
	enum result got;
	unsigned nr;
	int idx;

	row = rules_find(&t->rules, &c, out, &nr);
	confidence = rules_confidence(&t->rules, row);
	prepare(t, x);
	kept_look(t->w, &was);
	findings = counter_read(t->w->module.counters, COUNTER_HOST_ACCESS_FINDINGS);
	idx = srcu_read_lock(&t->w->kvm->srcu);
	got = x->run(&t->a);
	srcu_read_unlock(&t->w->kvm->srcu, idx);
	findings = counter_read(t->w->module.counters, COUNTER_HOST_ACCESS_FINDINGS) - findings;
	kept_look(t->w, &is);
	for (unsigned i = 0; i < nr; i++) {
		what = run_differs(t, x, &out[i], got, findings, &was, &is);
		if (!what)
			break;
	}
	if (what && strcmp(confidence, "memory"))
		tell(t, x, row, out, nr, got, findings, what);
	if (t->variant || t->nr_calls > 1)
		return;
	*(strcmp(confidence, "memory") ? &t->nr_compared : &t->nr_memory) += 1;
	t->nr_design += !strcmp(confidence, "design");
}

static bool is_for(const struct run *t, const struct accessor *x)
{
	return !t->second || !x->one_page;
}

/* All accessors, on the state that there is now. */
static void run_accessors(struct run *t)
{
	char *before = kept_mappings(t->w), *after;

	t->nr_calls++;
	for (size_t i = 0; i < nr_accessors; i++)
		if (is_for(t, &accessors[i]))
			run_case(t, &accessors[i]);
	after = kept_mappings(t->w);
	if (strcmp(before, after)) {
		t->nr_wrong++;
		fprintf(stderr, "%s, then %s (%s): the VMM's mappings have changed:\n%safter:\n%s",
			t->page, t->second ? t->second : "-", t->type, before, after);
	}
	free(before);
	free(after);
}

/* ---- making the states ---- */

static struct run *stopped;	/* its ioctl is to be stopped */
static unsigned stops_after;	/* KVM_SET_MEMORY_ATTRIBUTES: after the store */

static void inside(void)
{
	struct run *t = stopped;

	stopped = NULL;
	t->w->is_inside = true;
	run_accessors(t);
	t->w->is_inside = false;
}

static bool is_converting(const struct side *s)
{
	return s->state && s->state->is & STATE_CONVERTING;
}

static bool is_deleting(const struct side *s)
{
	return s->state && s->state->is & STATE_DELETING;
}

/* Within another ioctl, which has slots_lock: KVM_SET_MEMORY_ATTRIBUTES up to its middle. */
static void convert_by_hand(struct run *t, struct side *s)
{
	uint64_t attrs = s->variant & 1 ? 0 : KVM_MEMORY_ATTRIBUTE_PRIVATE;
	gfn_t start = s->gfn, end = GFN(s->gfn.v + 1);
	struct kvm *kvm = t->w->kvm;

	ENSURE(!kvm_attributes_prepare(kvm, start, end, attrs));
	write_lock(&kvm->mmu_lock);
	kvm_mmu_invalidate_begin(kvm);
	if (kvm_mmu_pre_set_attributes(kvm, world_slot(t->w, s), start, end, attrs, false))
		kvm_flush_remote_tlbs(kvm);
	write_unlock(&kvm->mmu_lock);
	if (s->variant & 2)
		__real_kvm_attributes_store(kvm, start, end, attrs);
	t->w->is_inside = true;
	run_accessors(t);
	t->w->is_inside = false;
	if (!(s->variant & 2))
		__real_kvm_attributes_store(kvm, start, end, attrs);
	write_lock(&kvm->mmu_lock);
	kvm_mmu_invalidate_end(kvm);
	kvm_mmu_update_mixed(kvm, world_slot(t->w, s), start, end);
	write_unlock(&kvm->mmu_lock);
}

/* KVM_SET_USER_MEMORY_REGION, after its first swap of the memslots. */
void __wrap_kvm_mmu_flush_memslot(struct kvm *kvm, struct kvm_memory_slot *slot)
{
	struct run *t = stopped;

	if (t && is_converting(&t->w->side[0]))
		stopped = NULL, convert_by_hand(t, &t->w->side[0]);
	else if (t && is_converting(&t->w->side[1]))
		stopped = NULL, convert_by_hand(t, &t->w->side[1]);
	else if (t)
		inside();
	__real_kvm_mmu_flush_memslot(kvm, slot);
}

/* KVM_SET_MEMORY_ATTRIBUTES, between its begin and its end. */
void __wrap_kvm_attributes_store(struct kvm *kvm, gfn_t start, gfn_t end, uint64_t attrs)
{
	if (stopped && !stops_after)
		inside();
	__real_kvm_attributes_store(kvm, start, end, attrs);
	if (stopped)
		inside();
}

static void run_converting(struct run *t)
{
	struct side *first = is_converting(&t->w->side[0]) ? &t->w->side[0] : &t->w->side[1];
	uint64_t n = is_converting(&t->w->side[0]) && is_converting(&t->w->side[1]) ? 2 : 1;

	stopped = t;
	stops_after = first->variant & 2;
	world_convert(t->w, first->gfn, n, !(first->variant & 1));
	ENSURE(!stopped);
}

static void run_deleting(struct run *t)
{
	stopped = t;
	world_delete_slot(t->w, is_deleting(&t->w->side[0]) ? &t->w->side[0] : &t->w->side[1]);
	ENSURE(!stopped);
}

static void run_state(struct run *t)
{
	struct side *s = t->w->side;

	for (unsigned i = 0; i < 2; i++)
		if (is_converting(&s[i]) && s[i].variant & 1)
			world_convert(t->w, s[i].gfn, 1, true);
	if (is_deleting(&s[0]) || is_deleting(&s[1]))
		run_deleting(t);
	else if (is_converting(&s[0]) || is_converting(&s[1]))
		run_converting(t);
	else
		run_accessors(t);
}

/* Where in the page, and how much of it. */
static void choose(struct run *t)
{
	static const struct {
		size_t offset, len, at;
		unsigned size;
	} one[] = {
		{ 0, 8, 0, 8 }, { 100, 1000, 104, 4 }, { 4095, 1, 4095, 1 }, { 0, 4096, 4088, 8 },
		{ 1, 2, 2, 2 }, { 4088, 8, 4092, 4 }, { 2047, 129, 2049, 2 },
	}, two[] = {
		{ 4095, 2, 4095, 2 }, { 4092, 8, 4092, 8 }, { 2048, 4096, 4094, 4 },
		{ 1, 4096, 4089, 8 }, { 4095, 4096, 4093, 4 },
	};
	struct access *a = &t->a;
	unsigned n = t->form++;

	a->w = t->w;
	a->held = &t->held;
	a->offset = t->second ? two[n % ARRAY_SIZE(two)].offset : one[n % ARRAY_SIZE(one)].offset;
	a->len = t->second ? two[n % ARRAY_SIZE(two)].len : one[n % ARRAY_SIZE(one)].len;
	a->at = t->second ? two[n % ARRAY_SIZE(two)].at : one[n % ARRAY_SIZE(one)].at;
	a->size = t->second ? two[n % ARRAY_SIZE(two)].size : one[n % ARRAY_SIZE(one)].size;
}

static void run_variant(struct run *t, const struct state *const *states, const bool *logs)
{
	unsigned nr = t->second ? 2 : 1;
	struct world *w = t->w;
	int idx;

	choose(t);
	w->side[0].is_joint = w->side[1].is_joint =
		nr == 2 && (states[0]->is & states[1]->is & STATE_DELETING);
	for (unsigned i = 0; i < nr; i++) {
		w->side[i].variant = t->variant % state_nr_variants(w, states[i], t->either[i]);
		state_before(w, &w->side[i], states[i], logs[i]);
	}
	/* The accesses to come may lie over the end: what is made before wants that page, too. */
	idx = srcu_read_lock(&w->kvm->srcu);
	held_make(&t->held, &t->a);
	srcu_read_unlock(&w->kvm->srcu, idx);
	for (unsigned i = 0; i < nr; i++)
		state_come(w, &w->side[i], t->either[i]);
	run_state(t);
	held_end(&t->held, &t->a);
	for (unsigned i = nr; i-- > 0;)
		state_go(w, &w->side[i]);
	w->side[1].state = NULL;
}

static bool logs_of(const struct run *t, unsigned i)
{
	return !strcmp(fact_cell(&t->states, t->states.row[i], "log"), "yes");
}

static bool either_of(const struct run *t, unsigned i)
{
	return !strcmp(fact_cell(&t->states, t->states.row[i], "attribute"), "either");
}

/* States @a and, unless it is NONE, @b, rows of the table. */
#define NONE	MAX_STATES
static void run_states(struct run *t, unsigned a, unsigned b)
{
	const char *names[2] = { t->states.row[a][0], b == NONE ? NULL : t->states.row[b][0] };
	const struct state *states[2] = { state_find(names[0]), b == NONE ? NULL : state_find(names[1]) };
	bool logs[2] = { logs_of(t, a), b != NONE && logs_of(t, b) };
	unsigned nr_variants;

	t->page = names[0];
	t->second = names[1];
	t->either[0] = either_of(t, a);
	t->either[1] = b != NONE && either_of(t, b);
	if (!states[0] || (names[1] && !states[1])) {
		for (size_t i = 0; i < nr_accessors; i++)
			t->nr_missing += is_for(t, &accessors[i]);
		return;
	}
	nr_variants = state_nr_variants(t->w, states[0], t->either[0]);
	if (states[1])
		nr_variants = MAX(nr_variants, state_nr_variants(t->w, states[1], t->either[1]));
	for (t->variant = 0; t->variant < nr_variants; t->variant++) {
		t->nr_calls = 0;
		run_variant(t, states, logs);
	}
}

static void run_mode(struct run *t, bool strict)
{
	t->strict = strict;
	t->w = world_make(t->type, t->abi, strict);
	ENSURE(t->w);
	for (unsigned a = 0; a < t->states.nr_rows; a++) {
		if (!state_exists(&t->states, t->states.row[a], t->type, t->abi))
			continue;
		if (!state_find(t->states.row[a][0]) && !strict)
			printf("%s %s: state not there yet: %s\n", t->type, t->abi, t->states.row[a][0]);
		run_states(t, a, NONE);
		for (unsigned b = 0; b < t->states.nr_rows; b++)
			if (state_exists(&t->states, t->states.row[b], t->type, t->abi))
				run_states(t, a, b);
	}
	world_free(t->w);
}

/* ---- how many there are ---- */

static void count_state(struct run *t, const char *page, const char *second)
{
	t->page = page;
	t->second = second;
	for (size_t i = 0; i < nr_accessors; i++) {
		struct outcome out[OUTCOMES];
		struct rule_case c = { accessors[i].name, page, second, t->strict, t->abi };
		char *const *row;
		unsigned nr;

		if (!is_for(t, &accessors[i]))
			continue;
		row = rules_find(&t->rules, &c, out, &nr);
		t->nr_compared++;
		t->nr_design += !strcmp(rules_confidence(&t->rules, row), "design");
	}
}

static void count_type(struct run *t)
{
	const struct facts *f = &t->states;

	for (unsigned a = 0; a < f->nr_rows; a++) {
		if (!state_exists(f, f->row[a], t->type, t->abi))
			continue;
		count_state(t, f->row[a][0], NULL);
		for (unsigned b = 0; b < f->nr_rows; b++)
			if (state_exists(f, f->row[b], t->type, t->abi))
				count_state(t, f->row[a][0], f->row[b][0]);
	}
}

static int count(struct run *t)
{
	static const char *const types[] = { "DEFAULT", "SW_PROTECTED", "SEV", "SEV_ES", "SNP" };
	bool ok;

	for (unsigned i = 0; i < 4 * ARRAY_SIZE(types); i++) {
		t->type = types[i / 4];
		t->abi = i & 1 ? "6.18" : "6.12";
		t->strict = i & 2;
		count_type(t);
	}
	ok = t->nr_compared == NR_CASES && t->nr_design == NR_DESIGN;
	for (unsigned n = 0; n < t->rules.facts.nr_rows; n++)
		if (!t->rules.nr_decided[n]) {
			fprintf(stderr, "%s: row %u decides nothing\n", t->rules.facts.file, n + 1);
			ok = false;
		}
	printf("host-access: %llu cases, %llu of them by a row of design; %u rows\n",
	       (unsigned long long)t->nr_compared, (unsigned long long)t->nr_design,
	       t->rules.facts.nr_rows);
	return !ok;
}

int main(int argc, char **argv)
{
	char file[4096];
	struct run t = { .type = argc > 2 ? argv[2] : NULL, .abi = argc > 3 ? argv[3] : NULL };
	int r;

	if (argc != 2 && argc != 4)
		return 2;
	snprintf(file, sizeof(file), "%s/host-access-states.tsv", argv[1]);
	t.states = facts_read(file);
	snprintf(file, sizeof(file), "%s/host-access.tsv", argv[1]);
	t.rules = rules_read(file);
	t.told = calloc(t.rules.facts.nr_rows, sizeof(*t.told));
	ENSURE(t.told && t.states.nr_rows <= MAX_STATES);
	if (argc == 2) {
		r = count(&t);
	} else {
		run_mode(&t, false);
		run_mode(&t, true);
		printf("%s %s: %llu cases compared (%llu by a row of design), %llu wrong; not counted: %llu "
		       "from memory, %llu of states not there yet\n", t.type, t.abi,
		       (unsigned long long)t.nr_compared, (unsigned long long)t.nr_design,
		       (unsigned long long)t.nr_wrong, (unsigned long long)t.nr_memory,
		       (unsigned long long)t.nr_missing);
		r = t.nr_wrong || t.nr_missing;
	}
	free(t.told);
	rules_free(&t.rules);
	facts_free(&t.states);
	return r;
}
