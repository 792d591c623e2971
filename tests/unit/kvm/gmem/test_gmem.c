/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* guest_memfd: errors in the kernel's order, pages, bindings, life and death. */
#include "kvm/gmem/gmem.h"

#include "kvm/mmu/a_vm.h"

#include <errno.h>

#include "hw/insn/peek.h"

#define KEEP	1
#define PUNCH	2
#define MIB	(1ull << 20)
#define GIB	(1ull << 30)

static const struct hw_config machine = { HW_VENDOR_AMD, 48, 0, 0, 1, NULL };

static struct gmem_file *make(struct a_vm *vm, uint64_t size)
{
	struct kvm_create_guest_memfd args = { .size = size };
	struct gmem_file *file = NULL;

	assert_int_equal(kvm_gmem_create(&vm->kvm, &args, &file), 0);
	return file;
}

static void create_checks_flags_then_size(void **unused)
{
	static const struct row {
		const char *why;
		uint64_t    size, flags;
		unsigned    abi;
		bool	    private_mem;
		int	    want;
	} rows[] = {
		{ "one page",			4096, 0, KERNEL_ABI_6_12, true, 0 },
		{ "any VM type may have one",	4096, 0, KERNEL_ABI_6_12, false, 0 },
		{ "size 0",			0, 0, KERNEL_ABI_6_12, true, -EINVAL },
		{ "half a page",		2048, 0, KERNEL_ABI_6_12, true, -EINVAL },
		{ "not whole pages",		4097, 0, KERNEL_ABI_6_12, true, -EINVAL },
		{ "negative size",		1ull << 63, 0, KERNEL_ABI_6_12, true, -EINVAL },
		{ "all ones, in pages",		-4096ull, 0, KERNEL_ABI_6_12, true, -EINVAL },
		{ "sparse, 16 TiB",		1ull << 44, 0, KERNEL_ABI_6_12, true, 0 },
		{ "a flag before 6.18",		4096, 1, KERNEL_ABI_6_12, true, -EINVAL },
		{ "MMAP since 6.18",		4096, 1, KERNEL_ABI_6_18, true, 0 },
		{ "INIT_SHARED, private VM",	4096, 3, KERNEL_ABI_6_18, true, -EINVAL },
		{ "INIT_SHARED, normal VM",	4096, 3, KERNEL_ABI_6_18, false, 0 },
		{ "unknown flag",		4096, 4, KERNEL_ABI_6_18, false, -EINVAL },
	};

	(void)unused;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const struct row *r = &rows[i];
		struct a_vm *vm = a_vm_create(&machine, r->private_mem);
		struct kvm_create_guest_memfd args = { .size = r->size, .flags = r->flags };
		struct gmem_file *file = NULL;
		int got;

		vm->module.abi = r->abi;
		memset(args.reserved, 0xff, sizeof(args.reserved));	/* not looked at */
		got = kvm_gmem_create(&vm->kvm, &args, &file);
		if (got != r->want)
			print_error("row %zu: %s\n", i, r->why);
		assert_int_equal(got, r->want);
		if (!got)
			kvm_gmem_release(file);
		a_vm_destroy(vm);
	}
}

static void fallocate_checks_in_the_order_of_the_kernel(void **unused)
{
	static const struct row {
		const char *why;
		int	    mode;
		int64_t	    offset, len;
		int	    want;
	} rows[] = {
		{ "allocate",			KEEP, 0, 4096, 0 },
		{ "punch",			KEEP | PUNCH, 0, 4096, 0 },
		{ "a hole in a hole",		KEEP | PUNCH, 0, 4096, 0 },
		{ "without KEEP_SIZE",		0, 0, 4096, -EOPNOTSUPP },
		{ "punch without KEEP_SIZE",	PUNCH, 0, 4096, -EOPNOTSUPP },
		{ "another mode",		KEEP | 0x10, 0, 4096, -EOPNOTSUPP },
		{ "mode before alignment",	0, 1, 4096, -EOPNOTSUPP },
		{ "negative offset first",	0, -4096, 4096, -EINVAL },
		{ "no length",			KEEP, 0, 0, -EINVAL },
		{ "offset not aligned",		KEEP, 1, 4096, -EINVAL },
		{ "length not aligned",		KEEP | PUNCH, 0, 4095, -EINVAL },
		{ "beyond the end",		KEEP, 16384, 4096, -EINVAL },
		{ "over the end",		KEEP, 12288, 8192, -EINVAL },
		{ "punch over the end",		KEEP | PUNCH, 12288, 8192, 0 },
		{ "punch beyond the end",	KEEP | PUNCH, 1 << 20, 4096, 0 },
		{ "the sum is too big",		KEEP, INT64_MAX & ~4095ll, 4096, -EFBIG },
	};
	struct a_vm *vm = a_vm_create(&machine, true);
	struct gmem_file *file = make(vm, 16384);

	(void)unused;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const struct row *r = &rows[i];
		int got = kvm_gmem_fallocate(file, r->mode, r->offset, r->len);

		if (got != r->want)
			print_error("row %zu: %s\n", i, r->why);
		assert_int_equal(got, r->want);
	}
	kvm_gmem_release(file);
	a_vm_destroy(vm);
}

static void stat_counts_what_is_allocated(void **unused)
{
	struct a_vm *vm = a_vm_create(&machine, true);
	struct gmem_file *a = make(vm, 3 * GIB), *b = make(vm, 8192);
	struct stat sa, sb;

	(void)unused;
	kvm_gmem_stat(a, &sa);
	kvm_gmem_stat(b, &sb);
	assert_int_not_equal(sa.st_ino, sb.st_ino);
	assert_int_equal(sa.st_size, 3 * GIB);
	assert_int_equal(sa.st_blksize, 4096);
	assert_true(S_ISREG(sa.st_mode));
	assert_int_equal(sa.st_blocks, 0);

	assert_int_equal(kvm_gmem_fallocate(a, KEEP, GIB - 4096, 3 * 4096), 0);
	assert_int_equal(kvm_gmem_nr_pages(a), 3);
	assert_int_equal(kvm_gmem_fallocate(a, KEEP, GIB - 8192, 4 * 4096), 0);
	assert_int_equal(kvm_gmem_nr_pages(a), 4);
	assert_int_equal(kvm_gmem_fallocate(a, KEEP | PUNCH, GIB, 4096), 0);
	assert_int_equal(kvm_gmem_nr_pages(a), 3);
	assert_int_equal(kvm_gmem_fallocate(a, KEEP | PUNCH, 0, 3 * GIB), 0);
	assert_int_equal(kvm_gmem_nr_pages(a), 0);
	kvm_gmem_release(a);
	kvm_gmem_release(b);
	a_vm_destroy(vm);
}

static int bind(struct a_vm *vm, struct kvm_memory_slot *slot, struct gmem_file *file,
		uint64_t offset)
{
	int r;

	mutex_lock(&vm->kvm.slots_lock);
	r = kvm_gmem_bind(&vm->kvm, slot, file, offset);
	mutex_unlock(&vm->kvm.slots_lock);
	return r;
}

static void a_page_belongs_to_one_slot(void **unused)
{
	static const struct row {
		const char *why;
		uint64_t    offset, npages;
		int	    want;
	} rows[] = {
		{ "all of it",			0, 16, 0 },
		{ "the end",			12 * 4096, 4, 0 },
		{ "over the end",		13 * 4096, 4, -EINVAL },
		{ "beyond the end",		16 * 4096, 1, -EINVAL },
		{ "offset not aligned",		1, 1, -EINVAL },
		{ "negative offset (B32)",	1ull << 63, 1, -EINVAL },
		{ "a sum that wraps (B32)",	-4096ull, 1, -EINVAL },
	};
	struct a_vm *vm = a_vm_create(&machine, true), *other = a_vm_create(&machine, true);
	struct gmem_file *file = make(vm, 16 * 4096);
	struct kvm_memory_slot a = { .npages = 4 }, b = { .npages = 4 };

	(void)unused;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct kvm_memory_slot slot = { .npages = rows[i].npages };
		int got = bind(vm, &slot, file, rows[i].offset);

		if (got != rows[i].want)
			print_error("row %zu: %s\n", i, rows[i].why);
		assert_int_equal(got, rows[i].want);
		if (!got)
			kvm_gmem_unbind(&slot);
	}
	assert_int_equal(bind(vm, &a, NULL, 0), -EINVAL);	/* no guest_memfd */
	assert_int_equal(bind(other, &a, file, 0), -EINVAL);	/* of another VM */
	assert_int_equal(bind(vm, &a, file, 4096), 0);
	assert_int_equal(bind(vm, &b, file, 4 * 4096), -EINVAL);
	assert_int_equal(bind(vm, &b, file, 5 * 4096), 0);
	kvm_gmem_unbind(&a);
	kvm_gmem_unbind(&b);
	kvm_gmem_release(file);
	a_vm_destroy(other);
	a_vm_destroy(vm);
}

static atomic32_t nr_prepared, nr_invalidated;

static int count_prepare(struct kvm *kvm, hpa_t page, gfn_t gfn, uint8_t max_level)
{
	(void)kvm, (void)page, (void)gfn, (void)max_level;
	atomic32_add(&nr_prepared, 1);
	return 0;
}

static hpa_t count_invalidate(struct kvm *kvm, hpa_t start, hpa_t end)
{
	(void)kvm;
	atomic32_add(&nr_invalidated, (end.v - start.v) >> PAGE_SHIFT);
	return end;
}

static void pages_keep_their_bytes_until_they_are_punched(void **unused)
{
	struct a_vm *vm = a_vm_create(&machine, true);
	struct kvm_memory_slot slot = { .base_gfn = GFN(0x100), .npages = 1024 };
	struct gmem_file *file = make(vm, 4 * MIB);
	hpa_t page, again;
	uint8_t level;

	(void)unused;
	vm->ops.gmem_prepare = count_prepare;
	vm->ops.gmem_invalidate = count_invalidate;
	assert_int_equal(bind(vm, &slot, file, 0), 0);
	assert_int_equal(kvm_gmem_get_pfn(&vm->kvm, &slot, GFN(0x105), &page, &level), 0);
	assert_int_equal(level, PG_LEVEL_4K);
	memset((void *)(uintptr_t)peek_phys(vm->module.hw, page), 0x5a, 4096);
	assert_int_equal(kvm_gmem_get_pfn(&vm->kvm, &slot, GFN(0x105), &again, &level), 0);
	assert_int_equal(page.v, again.v);
	assert_int_equal(atomic32_load(&nr_prepared), 1);
	assert_int_equal(kvm_gmem_nr_pages(file), 1);
	/* Neighbours in the file are neighbours in physical memory, to 1 GiB. */
	assert_int_equal(kvm_gmem_get_pfn(&vm->kvm, &slot, GFN(0x106), &again, &level), 0);
	assert_int_equal(again.v, page.v + 4096);

	assert_int_equal(kvm_gmem_fallocate(file, KEEP | PUNCH, 5 * 4096, 4096), 0);
	assert_int_equal(atomic32_load(&nr_invalidated), 1);
	assert_int_equal(atomic64_load(&vm->kvm.inv.seq), 1);
	assert_int_equal(atomic64_load(&vm->kvm.inv.in_progress), 0);
	assert_int_equal(kvm_gmem_get_pfn(&vm->kvm, &slot, GFN(0x105), &again, &level), 0);
	assert_int_equal(atomic32_load(&nr_prepared), 3);
	for (int i = 0; i < 4096; i++)
		assert_int_equal(((const char *)peek_phys(vm->module.hw, again))[i], 0);

	/* The file goes first: the slot is left without it, for good. */
	kvm_gmem_release(file);
	assert_int_equal(atomic32_load(&nr_invalidated), 3);
	assert_int_equal(kvm_gmem_get_pfn(&vm->kvm, &slot, GFN(0x105), &page, &level), -EFAULT);
	kvm_gmem_unbind(&slot);
	a_vm_destroy(vm);
}

static void a_file_outlives_the_vm_descriptor(void **unused)
{
	struct a_vm *vm = a_vm_create(&machine, true);
	struct gmem_file *file = make(vm, MIB);

	(void)unused;
	kvm_put(&vm->kvm);		/* the VM's own descriptor */
	assert_false(atomic32_load(&vm->destroyed));
	assert_int_equal(kvm_gmem_fallocate(file, KEEP, 0, MIB), 0);
	kvm_get(&vm->kvm);		/* what a_vm_destroy puts */
	kvm_gmem_release(file);
	a_vm_destroy(vm);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(create_checks_flags_then_size),
		cmocka_unit_test(fallocate_checks_in_the_order_of_the_kernel),
		cmocka_unit_test(stat_counts_what_is_allocated),
		cmocka_unit_test(a_page_belongs_to_one_slot),
		cmocka_unit_test(pages_keep_their_bytes_until_they_are_punched),
		cmocka_unit_test(a_file_outlives_the_vm_descriptor),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
