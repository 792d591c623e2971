/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * test_tables_real.c - test_tables.c with memory that is what it is said to be: pages of 4K,
 * transparent huge ones, hugetlb, as far as the host has them and says so.
 */
#include "kvm/host/a_store.h"

#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/utsname.h>

#ifndef MAP_HUGE_2MB
#define MAP_HUGE_2MB	(21U << 26)
#define MAP_HUGE_1GB	(30U << 26)
#endif

static void set_number(const char *path, unsigned long n)
{
	FILE *f = fopen(path, "w");

	if (f)
		fprintf(f, "%lu", n);
	if (f)
		fclose(f);
}

static unsigned long get_number(const char *path)
{
	unsigned long n = 0;
	FILE *f = fopen(path, "r");

	if (!f || fscanf(f, "%lu", &n) != 1)
		n = 0;
	if (f)
		fclose(f);
	return n;
}

/* One page of hugetlb at @at, reserved for the moment if that is possible. */
static bool map_hugetlb(char *at, size_t size, unsigned flag)
{
	char path[96];
	unsigned long was;
	bool ok;

	snprintf(path, sizeof(path), "/sys/kernel/mm/hugepages/hugepages-%zukB/nr_hugepages", size >> 10);
	was = get_number(path);
	for (unsigned more = 0; more < 2; more++) {
		if (more)
			set_number(path, was + 1);
		ok = mmap(at, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED |
			  MAP_HUGETLB | (int)flag, -1, 0) != MAP_FAILED;
		if (more)
			set_number(path, was);		/* what is mapped stays until it is not */
		if (ok)
			return true;
	}
	return false;
}

/* What the kernel says itself, elsewhere than where the model asks. */
static bool is_transparent_huge(const char *at)
{
	unsigned long start, end, kb;
	bool here = false, is = false;
	char line[256];
	FILE *f = fopen("/proc/self/smaps", "r");

	while (f && fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%lx-%lx ", &start, &end) == 2)
			here = start <= (uintptr_t)at && (uintptr_t)at < end;
		if (here && sscanf(line, "AnonHugePages: %lu kB", &kb) == 1 && kb >= M2 >> 10)
			is = true;
	}
	if (f)
		fclose(f);
	return is;
}

/* Before Linux 6.11 the host does not say, and all counts as 4K (docs/adr/0004). */
static bool host_can_be_asked(void)
{
	unsigned major, minor;
	struct utsname u;

	return !uname(&u) && sscanf(u.release, "%u.%u", &major, &minor) == 2 &&
	       major * 1000 + minor >= 6011;
}

static bool make_4k(struct world *w)
{
	return !madvise(w->memory, 2 * M2, MADV_NOHUGEPAGE);
}

static bool make_thp(struct world *w)
{
	if (madvise(w->memory, 2 * M2, MADV_HUGEPAGE))
		return false;
	w->memory[0] = 1;
	return is_transparent_huge(w->memory);
}

static bool make_2m(struct world *w)	{ return map_hugetlb(w->memory, M2, MAP_HUGE_2MB); }

static bool make_1g(struct world *w)
{
	return map_hugetlb(w->memory, PG_LEVEL_SIZE(PG_LEVEL_1G), MAP_HUGE_1GB);
}

static const struct real {
	const char *what;
	bool (*make)(struct world *w);
	uint64_t error, splits;
	uint8_t level;
} reals[] = {
	{ "pages of 4K",	      make_4k,  0,  0, PG_LEVEL_4K },
	{ "a transparent huge page",  make_thp, 0,  1, PG_LEVEL_2M },
	{ "2 MiB of hugetlb",	      make_2m,  PF, 0, PG_LEVEL_2M },
	{ "1 GiB of hugetlb",	      make_1g,  PF, 0, PG_LEVEL_1G },
};

static void store_beside(struct world *w, const struct real *r)
{
	char *at = w->memory + 5 * PAGE_SIZE;
	struct kvm_module *m = &w->vm->module;
	int want = r->error ? -EFAULT : 0;

	memset(w->memory, 'h', 16 * PAGE_SIZE);
	give(w, 6 * PAGE_SIZE, true);
	assert_int_equal(kvm_host_store(m, at, false), r->error);
	assert_int_equal(splits(w), r->splits);
	assert_int_equal(questions(w), 1);
	assert_int_equal(peek_mapping(m->hw, at).level, r->splits ? PG_LEVEL_4K : r->level);
	assert_int_equal(kvm_write_guest(&w->vm->kvm, GPA(5 * PAGE_SIZE), "text", 4), want);
	assert_memory_equal(at, want ? "hhhhh" : "texth", 5);
	assert_int_equal(at[PAGE_SIZE], 'h');
	/* A guest's own page, and one far from it. */
	assert_int_equal(kvm_write_guest(&w->vm->kvm, GPA(6 * PAGE_SIZE), "text", 4), -EFAULT);
	if (r->level != PG_LEVEL_2M)
		assert_int_equal(kvm_write_guest(&w->vm->kvm, GPA(M2), "text", 4), 0);
	/* The VMM changes rights: what is split stays so. */
	phys_forget_mapping(m->hw, w->memory, M2);
	assert_int_equal(kvm_write_guest(&w->vm->kvm, GPA(5 * PAGE_SIZE), "TEXT", 4), want);
	assert_int_equal(splits(w), r->splits);
	give(w, 6 * PAGE_SIZE, false);
	assert_int_equal(kvm_write_guest(&w->vm->kvm, GPA(6 * PAGE_SIZE), "text", 4), 0);
}

/* Another mapping at the same place is not split. */
static void map_anew(struct world *w)
{
	phys_retire(w->vm->module.hw, w->memory, M2);
	assert_int_equal(madvise(w->memory, M2, MADV_DONTNEED), 0);
	w->memory[0] = 1;
	if (!is_transparent_huge(w->memory))
		return;
	give(w, 6 * PAGE_SIZE, true);
	assert_int_equal(kvm_host_store(&w->vm->module, w->memory, false), 0);
	assert_int_equal(splits(w), 2);
	give(w, 6 * PAGE_SIZE, false);
}

static void what_the_host_says_is_what_is_there(void **unused)
{
	unsigned left_out = 0;

	(void)unused;
	for (size_t i = 0; i < ARRAY_SIZE(reals); i++) {
		const struct real *r = &reals[i];
		struct world w = world_make(&snp);

		if (!host_can_be_asked() || !r->make(&w)) {
			print_message("NOT TESTED on %s: this host has none, or does not say so\n", r->what);
			left_out++;
		} else {
			store_beside(&w, r);
			if (r->splits)
				map_anew(&w);
		}
		world_free(&w);
	}
	if (left_out == ARRAY_SIZE(reals))
		skip();
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_the_host_says_is_what_is_there),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
