/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * test_pfncache_facts.c - every row of docs/facts/pfn-cache.tsv: each of its kinds in each of
 * its states, what the event gives and what it leaves.  Where a row's words say what is more
 * (the column rule) its function asks it.
 *
 * usage: test_inter_pfncache_facts docs/facts/pfn-cache.tsv
 */
#include "gpc_rows.h"

#include <sys/mman.h>

#include "model/rmp/facts.h"

static const struct how *how_of(const char *state, const char *event, const char *when)
{
	const struct how *h = how_of_call(state, event, when);

	if (!h)
		h = how_of_change(state, event, when);
	if (!h)
		fail_msg("nobody knows how: %s, %s, %s", state, event, when);
	return h;
}

/* Whoever is still under way comes to its end. */
static void leave(struct cache *c)
{
	int idx;

	INTER_ALL(INTER_MAX_STEPS);
	idx = srcu_read_lock(&c->w->kvm.srcu);
	kvm_gpc_deactivate(&c->gpc);
	srcu_read_unlock(&c->w->kvm.srcu, idx);
	CHECK(c, on_list(c) == 0);
	kvm_gpc_fini(&c->gpc);
	world_destroy(c->w);
}

struct cells {
	const char *state, *kind, *event, *when, *result, *next;
};

static void run_case(const struct cells *row, const struct how *how, const char *state,
		     const char *kind)
{
	static struct cache cache;
	struct cache *c = &cache;
	const char *next = row->next;
	char words[200];

	snprintf(words, sizeof(words), "%s, %s", row->event, row->when);
	cache = (struct cache){ .row = words, .state = state, .kind = kind, .when = row->when,
				.at = IN_SLOT, .w = world_create(true) };
	assert_int_equal(mprotect(memory, P(2 * PAGES), PROT_READ | PROT_WRITE), 0);
	assert_int_equal(kvm_gpc_init(&c->gpc, &c->w->kvm), 0);
	enter_state(c);
	memcpy(&c->before, &c->gpc, sizeof(c->gpc));
	how->run(c);
	if (strcmp(c->result, row->result))
		fail_msg("%s: state %s, kind %s: gives %s, not %s", words, state, kind, c->result,
			 row->result);
	if (!strcmp(next, "same"))
		next = state;
	if (c->next)
		next = c->next;
	/* It has no generation: the two are one. */
	if (is_hva(c) && !strcmp(next, "stale"))
		next = "valid";
	if (strcmp(next, "*") && strcmp(next, state_now(c)))
		fail_msg("%s: state %s, kind %s: leaves %s, not %s", words, state, kind, state_now(c),
			 next);
	leave(c);
}

static bool names(const char *cell, const char *word)
{
	size_t n = strlen(word);

	for (const char *at = cell; at; at = strchr(at, '|')) {
		at += *at == '|';
		if (!strncmp(at, word, n) && (!at[n] || at[n] == '|'))
			return true;
	}
	return !strcmp(cell, "*");
}

static struct facts facts;

static unsigned run_row(unsigned i)
{
	static const char *const states[] = { "new", "valid", "stale", "invalid", "error",
					      "refreshing", "off" };
	static const char *const kinds[] = { "gpa", "hva" };
	char *const *r = facts.row[i];
	struct cells row = {
		fact_cell(&facts, r, "state"), fact_cell(&facts, r, "kind"),
		fact_cell(&facts, r, "event"), fact_cell(&facts, r, "when"),
		fact_cell(&facts, r, "result"), fact_cell(&facts, r, "next"),
	};
	const struct how *how = how_of(row.state, row.event, row.when);
	unsigned n = 0;

	for (size_t s = 0; s < ARRAY_SIZE(states); s++)
		for (size_t k = 0; k < ARRAY_SIZE(kinds); k++) {
			/* An address has no slot to miss. */
			if (!strcmp(states[s], "error") && k)
				continue;
			if (!names(row.state, states[s]) || !names(row.kind, kinds[k]))
				continue;
			run_case(&row, how, states[s], kinds[k]);
			n++;
		}
	return n;
}

static void every_row(void **unused)
{
	unsigned n = 0;

	(void)unused;
	for (unsigned i = 0; i < facts.nr_rows; i++) {
		unsigned cases = run_row(i);

		if (!cases)
			fail_msg("row %u is of no case", i);
		n += cases;
	}
	print_message("%u rows, %u cases\n", facts.nr_rows, n);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(every_row) };
	size_t size = P(2 * PAGES), align = PG_LEVEL_SIZE(PG_LEVEL_2M);
	char *all;
	int r;

	if (argc != 2)
		return 2;
	facts = facts_read(argv[1]);
	all = mmap(NULL, size + align, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (all == MAP_FAILED)
		return 2;
	memory = all + (align - (uintptr_t)all % align) % align;
	r = cmocka_run_group_tests(tests, NULL, NULL);
	facts_free(&facts);
	return r;
}
