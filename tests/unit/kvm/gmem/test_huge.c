/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* guest_memfd by 2 MiB (kvm.gmem_order=9), and pages that do not come back. */
#include "kvm/gmem/gmem.h"

#include "kvm/mmu/a_vm.h"

#include <errno.h>

#include "hw/insn/peek.h"
#include "kvm/gmem/audit.h"

#define KEEP	1
#define PUNCH	2
#define MIB	(1ull << 20)
#define HUGE	512u
#define SIZE	(5 * MIB)		/* two whole ones and a half */

static const struct hw_config machine = { HW_VENDOR_AMD, 48, 0, 0, 1, NULL };

/* What the VM type was asked. */
static struct {
	unsigned nr_prepared, nr_invalidated;	/* calls */
	uint8_t	 level;			/* of the last prepare */
	gfn_t	 gfn;
	uint64_t pages;			/* given back in all */
	hpa_t	 keeps;			/* a page that does not come back */
} type;

static int type_prepare(struct kvm *kvm, hpa_t page, gfn_t gfn, uint8_t max_level)
{
	(void)kvm, (void)page;
	type.nr_prepared++;
	type.gfn = gfn;
	type.level = max_level;
	return 0;
}

static hpa_t type_invalidate(struct kvm *kvm, hpa_t start, hpa_t end)
{
	hpa_t stop = type.keeps.v >= start.v && type.keeps.v < end.v ? type.keeps : end;

	(void)kvm;
	type.nr_invalidated++;
	type.pages += (stop.v - start.v) >> PAGE_SHIFT;
	return stop;
}

struct huge {
	struct a_vm	*vm;
	struct gmem_file *file;
	struct kvm_memory_slot slot;
};

static void make(struct huge *h, uint64_t base_gfn, uint64_t offset, uint64_t npages)
{
	struct kvm_create_guest_memfd args = { .size = SIZE };

	memset(&type, 0, sizeof(type));
	type.keeps = HPA_INVALID;
	h->vm = a_vm_create(&machine, true);
	h->vm->module.params.gmem_order = 9;
	h->vm->ops.gmem_prepare = type_prepare;
	h->vm->ops.gmem_invalidate = type_invalidate;
	h->slot = (struct kvm_memory_slot){ .base_gfn = GFN(base_gfn), .npages = npages };
	assert_int_equal(kvm_gmem_create(&h->vm->kvm, &args, &h->file), 0);
	mutex_lock(&h->vm->kvm.slots_lock);
	assert_int_equal(kvm_gmem_bind(&h->vm->kvm, &h->slot, h->file, offset), 0);
	mutex_unlock(&h->vm->kvm.slots_lock);
}

static void end(struct huge *h)
{
	kvm_gmem_release(h->file);
	a_vm_destroy(h->vm);
}

static int get(struct huge *h, uint64_t page, hpa_t *hpa, uint8_t *level)
{
	return kvm_gmem_get_pfn(&h->vm->kvm, &h->slot, GFN(h->slot.base_gfn.v + page), hpa, level);
}

static uint8_t level_of(struct huge *h, uint64_t page)
{
	uint8_t level, audited;
	hpa_t hpa;

	assert_int_equal(get(h, page, &hpa, &level), 0);
	assert_ptr_equal(kvm_gmem_private_bytes(&h->slot, GFN(h->slot.base_gfn.v + page), &audited),
			 peek_phys(h->vm->module.hw, hpa));
	assert_int_equal(audited, level);
	return level;
}

static void punch(struct huge *h, uint64_t page, uint64_t n)
{
	assert_int_equal(kvm_gmem_fallocate(h->file, KEEP | PUNCH, (int64_t)(page << PAGE_SHIFT),
					    (int64_t)(n << PAGE_SHIFT)), 0);
}

static void levels_are_those_of_file_and_slot(void **unused)
{
	static const struct row {
		const char *why;
		uint64_t    base_gfn, offset, npages, page;
		uint8_t	    level;
	} rows[] = {
		{ "as in the file",		0x1000, 0, 1280, 0, PG_LEVEL_2M },
		{ "in the middle of 2 MiB",	0x1000, 0, 1280, 700, PG_LEVEL_2M },
		{ "the half at the end",	0x1000, 0, 1280, 1100, PG_LEVEL_4K },
		{ "another 2 MiB of the file",	0x1000, 2 * MIB, 512, 3, PG_LEVEL_2M },
		{ "gfn not as offset",		0x1001, 0, 1280, 700, PG_LEVEL_4K },
		{ "offset not as gfn",		0x1000, 4096, 1279, 700, PG_LEVEL_4K },
		{ "both alike",			0x1001, 4096, 1279, 700, PG_LEVEL_2M },
		{ "the slot begins inside",	0x1001, 4096, 1279, 3, PG_LEVEL_4K },
		{ "the slot ends inside",	0x1000, 0, 300, 3, PG_LEVEL_4K },
	};

	(void)unused;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const struct row *r = &rows[i];
		struct huge h;
		uint8_t level;

		make(&h, r->base_gfn, r->offset, r->npages);
		level = level_of(&h, r->page);
		if (level != r->level || type.level != r->level)
			fail_msg("%s: level %u, prepared for %u", r->why, level, type.level);
		assert_int_equal(type.gfn.v, r->base_gfn + r->page);
		end(&h);
	}
}

static void what_loses_a_page_is_no_huge_page(void **unused)
{
	struct huge h;
	hpa_t first, page;
	uint8_t level;

	(void)unused;
	make(&h, 0x1000, 0, 1280);
	assert_int_equal(get(&h, 0, &first, &level), 0);
	assert_true(IS_ALIGNED(first.v, 2 * MIB));
	assert_int_equal(kvm_gmem_nr_pages(h.file), HUGE);
	memset((void *)(uintptr_t)peek_phys(h.vm->module.hw, HPA(first.v + 4096)), 0x5a, 4096);

	punch(&h, 5, 1);
	assert_int_equal(type.nr_invalidated, 1);
	assert_int_equal(type.pages, 1);
	assert_int_equal(kvm_gmem_nr_pages(h.file), HUGE - 1);
	assert_int_equal(level_of(&h, 1), PG_LEVEL_4K);
	assert_int_equal(((const char *)peek_phys(h.vm->module.hw, HPA(first.v + 4096)))[9], 0x5a);
	/* What comes back comes by itself. */
	type.nr_prepared = 0;
	assert_int_equal(get(&h, 5, &page, &level), 0);
	assert_int_equal(page.v, first.v + 5 * 4096);
	assert_int_equal(type.nr_prepared, 1);
	assert_int_equal(kvm_gmem_nr_pages(h.file), HUGE);
	assert_int_equal(level_of(&h, 1), PG_LEVEL_4K);
	/* All 512 gone: the next one is huge again. */
	punch(&h, 0, HUGE);
	assert_int_equal(kvm_gmem_nr_pages(h.file), 0);
	assert_int_equal(level_of(&h, 7), PG_LEVEL_2M);
	assert_int_equal(peek_frames(h.vm->module.hw, first, 2 * MIB), HUGE);
	end(&h);
}

/* fallocate of a part: the others do not come along, and no page is huge. */
static void parts_that_are_there_stay_parts(void **unused)
{
	struct huge h;

	(void)unused;
	make(&h, 0x1000, 0, 1280);
	assert_int_equal(kvm_gmem_fallocate(h.file, KEEP, 64 * 4096, 4096), 0);
	assert_int_equal(level_of(&h, 3), PG_LEVEL_4K);
	assert_int_equal(kvm_gmem_nr_pages(h.file), 2);
	assert_int_equal(kvm_gmem_fallocate(h.file, KEEP, 2 * MIB, 2 * MIB), 0);
	assert_int_equal(level_of(&h, HUGE + 3), PG_LEVEL_2M);
	end(&h);
}

static void a_hole_is_told_by_runs(void **unused)
{
	struct huge h;

	(void)unused;
	make(&h, 0x1000, 0, 1280);
	level_of(&h, 0);
	level_of(&h, HUGE);
	level_of(&h, 2 * HUGE + 1);
	punch(&h, 0, 1280);
	/* 2 MiB after 2 MiB are one run, or RMPUPDATE would never see 2 MiB. */
	assert_int_equal(type.nr_invalidated, 2);
	assert_int_equal(type.pages, 2 * HUGE + 1);
	end(&h);
}

static void a_page_that_stays_is_never_used_again(void **unused)
{
	struct huge h;
	hpa_t page, leaked;
	uint8_t level;
	struct hw *hw;

	(void)unused;
	make(&h, 0x1000, 0, 1280);
	hw = h.vm->module.hw;
	assert_int_equal(get(&h, 70, &leaked, &level), 0);
	memset((void *)(uintptr_t)peek_phys(hw, leaked), 0x77, 4096);
	type.keeps = leaked;
	punch(&h, 0, HUGE);
	assert_int_equal(type.nr_invalidated, 2);	/* before it and behind it */
	assert_int_equal(type.pages, HUGE - 1);
	assert_int_equal(get(&h, 70, &page, &level), -EHWPOISON);
	assert_int_equal(((const char *)peek_phys(hw, leaked))[5], 0x77);
	/* Beside it life goes on, by 4K; and it is told once. */
	assert_int_equal(level_of(&h, 71), PG_LEVEL_4K);
	assert_int_equal(kvm_gmem_fallocate(h.file, KEEP, 0, 2 * MIB), 0);
	assert_int_equal(kvm_gmem_nr_pages(h.file), HUGE - 1);
	assert_int_equal(get(&h, 70, &page, &level), -EHWPOISON);
	punch(&h, 0, HUGE);
	assert_int_equal(type.pages, 2 * (HUGE - 1));
	/* The file goes, the page stays, and nobody else can get it. */
	kvm_gmem_release(h.file);
	assert_int_equal(((const char *)peek_phys(hw, leaked))[5], 0x77);
	assert_null(peek_phys(hw, HPA(leaked.v + 4096)));
	a_vm_destroy(h.vm);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(levels_are_those_of_file_and_slot),
		cmocka_unit_test(what_loses_a_page_is_no_huge_page),
		cmocka_unit_test(parts_that_are_there_stay_parts),
		cmocka_unit_test(a_hole_is_told_by_runs),
		cmocka_unit_test(a_page_that_stays_is_never_used_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
