/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * test_nested_entries.c - docs/facts/nested-entries.tsv against the model.
 *
 * usage: test_nested_entries FILE
 */
#include "hw/mmu/a_guest.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LINEAR	0x400000ull
#define LONELY	(1ull << 39)	/* a guest page with tables of its own at every level */
#define TARGET	0x300000ull
#define OFFSET	0x123ull

struct fact {
	char	 format[8], access[8], answer[16], info[24];
	unsigned level;
	uint64_t entry;
};

static const char *facts_file;

static bool parse(const char *line, struct fact *f)
{
	return sscanf(line, "%7s %u %lx %7s %15s %23s", f->format, &f->level, &f->entry,
		      f->access, f->answer, f->info) == 6;
}

static enum mmu_access access_of(const struct fact *f)
{
	if (!strcmp(f->access, "fetch"))
		return MMU_EXEC;
	return !strcmp(f->access, "write") ? MMU_WRITE : MMU_READ;
}

static enum mmu_result answer_of(const struct fact *f)
{
	if (!strcmp(f->answer, "ok"))
		return MMU_OK;
	return !strcmp(f->answer, "misconfig") ? MMU_NESTED_MISCONFIG : MMU_NESTED_FAULT;
}

static void check(const struct fact *f, const char *line)
{
	bool large = (f->entry & PS) && f->level > 1;
	enum mmu_result got;
	struct guest g;
	uint64_t was;

	guest_init(&g, strcmp(f->format, "npt") ? HW_VENDOR_INTEL : HW_VENDOR_AMD);
	nested_set(&g, LONELY, 1, guest_hpa(&g, TARGET) | nested_all(&g));
	map(&g, LINEAR, LONELY | P | W | U, 1);
	was = nested_get(&g, LONELY, f->level) & BITS(45, 12);
	nested_set(&g, LONELY, f->level, f->entry | (large ? 0 : was));
	got = touch(&g, LINEAR + OFFSET, access_of(f));
	if (got != answer_of(f) || (f->info[0] != '-' && g.fault.info != strtoull(f->info, NULL, 0)))
		print_error("%sgot %d, info %#lx\n", line, got, g.fault.info);
	assert_int_equal(got, answer_of(f));
	if (got == MMU_OK)
		assert_ptr_equal(g.page.host, g.bytes + TARGET + OFFSET);
	else
		assert_int_equal(g.fault.gpa.v, LONELY + OFFSET);
	if (f->info[0] != '-')
		assert_int_equal(g.fault.info, strtoull(f->info, NULL, 0));
	guest_fini(&g);
}

static void the_model_knows_the_facts(void **unused)
{
	FILE *file = fopen(facts_file, "r");
	char line[512];
	unsigned nr = 0;

	(void)unused;
	assert_non_null(file);
	while (fgets(line, sizeof(line), file)) {
		struct fact f;

		if (line[0] == '#' || !strncmp(line, "format", 6))
			continue;
		if (!parse(line, &f))
			print_error("%s", line);
		assert_true(parse(line, &f));
		check(&f, line);
		nr++;
	}
	fclose(file);
	assert_true(nr > 60);
}

int main(int argc, char **argv)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_model_knows_the_facts),
	};

	if (argc != 2)
		return 2;
	facts_file = argv[1];
	return cmocka_run_group_tests(tests, NULL, NULL);
}
