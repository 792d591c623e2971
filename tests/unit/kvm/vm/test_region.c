/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* KVM_SET_USER_MEMORY_REGION{,2}: the order of the checks, and what a change does. */
#include "kvm/vm/memory.h"

#include "kvm/mmu/a_slot.h"

#include <errno.h>

#include "kvm/gmem/gmem.h"

#define LOG	KVM_MEM_LOG_DIRTY_PAGES
#define RO	KVM_MEM_READONLY
#define GMEM	KVM_MEM_GUEST_MEMFD
#define USER_END ((1ull << 47) - 4096)

static const struct hw_config machine = { HW_VENDOR_AMD, 46, 0, 0, 1, NULL };

enum vm_kind { NORMAL, PRIVATE, PROTECTED };	/* PROTECTED: registers too */

/* Slot 1 is [1M, 2M) at host 0x10000000; slot 2, of private VMs, [4M, 5M) with a file. */
static const struct row {
	const char *why;
	enum vm_kind kind;
	bool	    v1;
	struct kvm_userspace_memory_region2 r;
	int	    want;
} rows[] = {
#define M	(1ull << 20)
#define R(slot, flags, gpa, size, hva)	{ slot, flags, gpa, size, hva }
	{ "2: v1 has two flags",	   PRIVATE, true,  R(0, GMEM, 8 * M, M, 0), -EINVAL },
	{ "2: v1, unknown flag",	   NORMAL, true,   R(0, 8, 8 * M, M, 0), -EINVAL },
	{ "3: the last user slot",	   NORMAL, true,   R(32763, 0, 8 * M, M, 0), 0 },
	{ "3: an internal slot",	   NORMAL, true,   R(32764, 0, 8 * M, M, 0), -EINVAL },
	{ "4: unknown flag",		   NORMAL, false,  R(0, 8, 8 * M, M, 0), -EINVAL },
	{ "4: an internal flag",	   NORMAL, false,  R(0, 1 << 16, 8 * M, M, 0), -EINVAL },
	{ "4: gmem needs private memory",  NORMAL, false,  R(0, GMEM, 8 * M, M, 0), -EINVAL },
	{ "4: gmem and log (B34)",	   PRIVATE, false, R(0, GMEM | LOG, 8 * M, M, 0), -EINVAL },
	{ "4: gmem and read-only (B34)",   PRIVATE, false, R(0, GMEM | RO, 8 * M, M, 0), -EINVAL },
	{ "4: log and read-only",	   PRIVATE, false, R(0, LOG | RO, 8 * M, M, 0), 0 },
	{ "4: read-only, protected (B35)", PROTECTED, false, R(0, RO, 8 * M, M, 0), -EINVAL },
	{ "5: half a page",		   NORMAL, true,   R(0, 0, 8 * M, 2048, 0), -EINVAL },
	{ "6: gpa not aligned",		   NORMAL, true,   R(0, 0, 8 * M + 1, M, 0), -EINVAL },
	{ "7: hva not aligned",		   NORMAL, true,   R(0, 0, 8 * M, M, 1), -EINVAL },
	{ "7: hva in the kernel's half",   NORMAL, true,   R(0, 0, 8 * M, M, 1ull << 63), -EINVAL },
	{ "7: the end of user space",	   NORMAL, true,   R(0, 0, 8 * M, M, USER_END - M), 0 },
	{ "7: one page over the end",	   NORMAL, true,   R(0, 0, 8 * M, M, USER_END - M + 4096),
	  -EINVAL },
	{ "7: address 0, never mapped",	   NORMAL, true,   R(0, 0, 8 * M, M, 0), 0 },
	{ "8: gmem offset not aligned",	   PRIVATE, false, { 0, GMEM, 8 * M, M, 0, 1 }, -EINVAL },
	{ "8: gmem offset wraps",	   PRIVATE, false, { 0, GMEM, 8 * M, M, 0, -4096ull }, -EINVAL },
	{ "9: the other address space",	   NORMAL, true,   R(0x10000, 0, 8 * M, M, 0), 0 },
	{ "9: a third one",		   NORMAL, true,   R(0x20000, 0, 8 * M, M, 0), -EINVAL },
	{ "9: a private VM has one",	   PRIVATE, true,  R(0x10000, 0, 8 * M, M, 0), -EINVAL },
	{ "10: gpa wraps",		   NORMAL, true,   R(0, 0, -4096ull, 8192, 0), -EINVAL },
	{ "11: 2^31 pages",		   NORMAL, true,   R(0, 0, 0, 1ull << 43, 0), -EINVAL },
	{ "12: delete what is not",	   NORMAL, true,   R(0, 0, 0, 0, 0), -EINVAL },
	{ "12: delete",			   NORMAL, true,   R(1, 0, 8 * M, 0, 4096), 0 },
	{ "12: flags are checked first",   NORMAL, false,  R(1, 8, 0, 0, 0), -EINVAL },
	{ "14: another host address",	   NORMAL, true,   R(1, 0, M, M, 0x20000000), -EINVAL },
	{ "14: another size",		   NORMAL, true,   R(1, 0, M, 2 * M, 0x10000000), -EINVAL },
	{ "14: read-only is for ever",	   NORMAL, true,   R(1, RO, M, M, 0x10000000), -EINVAL },
	{ "14: gmem again",		   PRIVATE, false, R(2, GMEM, 4 * M, M, 0x10000000), -EINVAL },
	{ "14: gmem without its flag",	   PRIVATE, true,  R(2, 0, 4 * M, M, 0x10000000), -EINVAL },
	{ "15: the same again",		   NORMAL, true,   R(1, 0, M, M, 0x10000000), 0 },
	{ "15: flags only",		   NORMAL, true,   R(1, LOG, M, M, 0x10000000), 0 },
	{ "15: move",			   NORMAL, true,   R(1, 0, 8 * M, M, 0x10000000), 0 },
	{ "16: a move may overlap itself", NORMAL, true,   R(1, 0, M + 4096, M, 0x10000000), 0 },
	{ "16: overlaps another",	   NORMAL, true,   R(0, 0, 0, M + 4096, 0), -EEXIST },
	{ "16: touches another",	   NORMAL, true,   R(0, 0, 0, M, 0), 0 },
	{ "16: elsewhere they may",	   NORMAL, true,   R(0x10000, 0, 0, 4 * M, 0), 0 },
	{ "16 before 18",		   PRIVATE, false, { 0, GMEM, M, M, 0, 64 * M }, -EEXIST },
	{ "18: beyond the file",	   PRIVATE, false, { 0, GMEM, 8 * M, M, 0, 64 * M }, -EINVAL },
	{ "18: pages taken",		   PRIVATE, false, { 0, GMEM, 8 * M, M, 0, 0 }, -EINVAL },
	{ "18: other pages",		   PRIVATE, false, { 0, GMEM, 8 * M, M, 0, M }, 0 },
	{ "19: the last possible gfn",	   NORMAL, true,   R(0, 0, (1ull << 46) - M, M, 0), 0 },
	{ "19: one page more",		   NORMAL, true,   R(0, 0, (1ull << 46) - M + 4096, M, 0), -EINVAL },
};

static int set(struct a_vm *vm, const struct kvm_userspace_memory_region2 *r, bool v1,
	       struct gmem_file *file)
{
	return kvm_vm_set_memory_region(&vm->kvm, r, v1, (struct kvm_gmem_arg){ 0, file });
}

static void checks_come_in_the_order_of_the_kernel(void **unused)
{
	const struct kvm_userspace_memory_region2 one = R(1, 0, M, M, 0x10000000);
	const struct kvm_userspace_memory_region2 two = R(2, GMEM, 4 * M, M, 0x10000000);

	(void)unused;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const struct row *row = &rows[i];
		struct a_vm *vm = a_vm_create(&machine, row->kind != NORMAL);
		struct kvm_create_guest_memfd args = { .size = 4 * M };
		struct gmem_file *file;
		uint64_t generation;
		int got;

		vm->kvm.has_protected_state = row->kind == PROTECTED;
		assert_int_equal(kvm_gmem_create(&vm->kvm, &args, &file), 0);
		assert_int_equal(set(vm, &one, true, NULL), 0);
		if (row->kind != NORMAL)
			assert_int_equal(set(vm, &two, false, file), 0);
		generation = kvm_memslots_generation(&vm->kvm, 0);
		got = set(vm, &row->r, row->v1, file);
		if (got != row->want)
			print_error("row %zu: %s\n", i, row->why);
		assert_int_equal(got, row->want);
		/* A refusal changes nothing; a failed move or bind is undone. */
		if (got) {
			assert_int_equal(kvm_memslots_generation(&vm->kvm, 0), generation);
			assert_int_equal(kvm_id_to_memslot(&vm->kvm, 0, 1)->base_gfn.v, 256);
		}
		kvm_gmem_release(file);
		kvm_vm_free_memory(&vm->kvm);
		a_vm_destroy(vm);
	}
}

static void descriptors_that_are_no_files_are_refused(void **unused)
{
	const struct kvm_userspace_memory_region2 r = R(0, GMEM, 0, M, 0);
	struct a_vm *vm = a_vm_create(&machine, true);

	(void)unused;
	assert_int_equal(kvm_vm_set_memory_region(&vm->kvm, &r, false,
						  (struct kvm_gmem_arg){ -EBADF, NULL }), -EBADF);
	assert_int_equal(set(vm, &r, false, NULL), -EINVAL);
	a_vm_destroy(vm);
}

/* Where a bit of the address means "shared", no slot has it. */
static void slots_contain_no_alias(void **unused)
{
	static const struct {
		uint64_t gpa, size;
		int	 with_mirror, without;
	} cases[] = {
		{ (1ull << 45) - M, M, 0, 0 },
		{ (1ull << 45) - M, M + 4096, -EINVAL, 0 },
		{ 1ull << 45, M, -EINVAL, 0 },
		{ (1ull << 46) - M, M, -EINVAL, 0 },
		{ (1ull << 46) - M, 2 * M, -EINVAL, -EINVAL },
	};

	(void)unused;
	for (size_t i = 0; i < 2 * ARRAY_SIZE(cases); i++) {
		struct kvm_userspace_memory_region2 r = R(1, 0, cases[i / 2].gpa, cases[i / 2].size, M);
		struct a_vm *vm = a_vm_create(&machine, true);

		if (i % 2)
			a_vm_add_mirror(vm);
		assert_int_equal(set(vm, &r, false, NULL),
				 i % 2 ? cases[i / 2].with_mirror : cases[i / 2].without);
		/* And one that is there does not move to such a place. */
		r = (struct kvm_userspace_memory_region2)R(2, 0, 4 * M, M, M);
		assert_int_equal(set(vm, &r, false, NULL), 0);
		r.guest_phys_addr = (1ull << 45) + 4 * M;
		assert_int_equal(set(vm, &r, false, NULL), i % 2 ? -EINVAL : 0);
		kvm_vm_free_memory(&vm->kvm);
		a_vm_destroy(vm);
	}
}

/* Create and flags +1 swap, delete and move +2; each adds the number of spaces. */
static void generations_count_swaps(void **unused)
{
	static const struct {
		struct kvm_userspace_memory_region2 r;
		unsigned swaps;
	} steps[] = {
		{ R(1, 0, M, M, 0x10000000), 1 },
		{ R(1, 0, M, M, 0x10000000), 0 },
		{ R(1, LOG, M, M, 0x10000000), 1 },
		{ R(1, LOG, 8 * M, M, 0x10000000), 2 },
		{ R(1, 0, 0, 0, 0), 2 },
	};

	(void)unused;
	for (unsigned kind = NORMAL; kind <= PRIVATE; kind++) {
		struct a_vm *vm = a_vm_create(&machine, kind == PRIVATE);
		uint64_t want = 0;

		for (size_t i = 0; i < ARRAY_SIZE(steps); i++) {
			assert_int_equal(set(vm, &steps[i].r, true, NULL), 0);
			want += steps[i].swaps * (kind == PRIVATE ? 1 : 2);
			assert_int_equal(kvm_memslots_generation(&vm->kvm, 0), want);
		}
		a_vm_destroy(vm);
	}
}

static void what_was_mapped_goes_with_the_slot(void **unused)
{
	static const struct {
		const char *why;
		bool	    private_mem, no_zap_all;
		bool	    neighbour_stays;
	} cases[] = {
		{ "a normal VM is zapped whole",     false, false, false },
		{ "unless the quirk is off",	     false, true, true },
		{ "private memory is not given up",  true, false, true },
	};
	char *memory = os_map_private(4 * M, M);

	(void)unused;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct a_vm *vm = a_vm_create(&machine, cases[i].private_mem);
		struct kvm_userspace_memory_region2 a = R(0, 0, M, M, (uintptr_t)memory);
		struct kvm_userspace_memory_region2 b = R(1, 0, 4 * M, M, (uintptr_t)memory + M);
		struct kvm_memory_slot *sa, *sb;
		uint64_t gfn = 256 + 5;

		if (cases[i].no_zap_all)
			vm->kvm.disabled_quirks = KVM_X86_QUIRK_SLOT_ZAP_ALL;
		assert_int_equal(set(vm, &a, true, NULL), 0);
		assert_int_equal(set(vm, &b, true, NULL), 0);
		sa = kvm_gfn_to_memslot(&vm->kvm, 0, GFN(gfn));
		sb = kvm_gfn_to_memslot(&vm->kvm, 0, GFN(1024));
		assert_int_equal(a_map(vm, 0, sa, gfn, true, PG_LEVEL_4K), RET_PF_FIXED);
		assert_int_equal(a_map(vm, 0, sb, 1024, true, PG_LEVEL_4K), RET_PF_FIXED);
		a.guest_phys_addr = 2 * M;
		assert_int_equal(set(vm, &a, true, NULL), 0);
		assert_int_equal(kvm_mmu_reload(&vm->vcpus[0]), 0);
		assert_false(a_is_mapped(vm, 0, gfn));
		assert_int_equal(a_is_mapped(vm, 0, 1024), cases[i].neighbour_stays);
		assert_null(kvm_gfn_to_memslot(&vm->kvm, 0, GFN(gfn)));
		assert_int_equal(kvm_gfn_to_memslot(&vm->kvm, 0, GFN(gfn + 256))->id, 0);
		kvm_vm_free_memory(&vm->kvm);
		a_vm_destroy(vm);
	}
	os_unmap(memory, 4 * M);
}

static void internal_slots_come_and_go(void **unused)
{
	struct a_vm *vm = a_vm_create(&machine, true);
	char *page = os_map_private(4096, 4096);

	(void)unused;
	assert_int_equal(kvm_vm_set_internal_slot(&vm->kvm, KVM_APIC_ACCESS_SLOT, GPA(0xfee00000),
						  page, 4096), 0);
	assert_int_equal(kvm_gfn_to_memslot(&vm->kvm, 0, GFN(0xfee00))->id, KVM_APIC_ACCESS_SLOT);
	assert_int_equal(kvm_vm_set_internal_slot(&vm->kvm, KVM_APIC_ACCESS_SLOT, GPA(0), NULL, 0),
			 0);
	assert_null(kvm_gfn_to_memslot(&vm->kvm, 0, GFN(0xfee00)));
	os_unmap(page, 4096);
	a_vm_destroy(vm);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(checks_come_in_the_order_of_the_kernel),
		cmocka_unit_test(descriptors_that_are_no_files_are_refused),
		cmocka_unit_test(slots_contain_no_alias),
		cmocka_unit_test(generations_count_swaps),
		cmocka_unit_test(what_was_mapped_goes_with_the_slot),
		cmocka_unit_test(internal_slots_come_and_go),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
