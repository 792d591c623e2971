/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* MMU-I9, and that private pages are those of the guest_memfd (MMU-I1). */
#include "kvm/gmem/audit.h"

#include "kvm/mmu/a_slot.h"

#include "kvm/gmem/gmem.h"

#define PAGES	64u

struct fixture {
	struct a_vm		*vm;
	struct gmem_file	*file;
	struct kvm_memory_slot	*slots[2];	/* both in the one file */
};

static void fixture_init(struct fixture *x)
{
	static const struct hw_config machine = { HW_VENDOR_AMD, 46, 0, 0, 1, NULL };
	struct kvm_create_guest_memfd args = { .size = 2 * PAGES << PAGE_SHIFT };

	x->vm = a_vm_create(&machine, true);
	assert_int_equal(kvm_gmem_create(&x->vm->kvm, &args, &x->file), 0);
	for (unsigned i = 0; i < 2; i++) {
		x->slots[i] = a_slot_add(x->vm, i, i * 512, PAGES, KVM_MEM_GUEST_MEMFD);
		mutex_lock(&x->vm->kvm.slots_lock);
		assert_int_equal(kvm_gmem_bind(&x->vm->kvm, x->slots[i], x->file,
					       i * PAGES << PAGE_SHIFT), 0);
		mutex_unlock(&x->vm->kvm.slots_lock);
	}
}

static void fixture_fini(struct fixture *x)
{
	kvm_gmem_release(x->file);
	a_vm_drop_tables(x->vm);
	for (unsigned i = 0; i < 2; i++)
		a_slot_remove(&x->vm->kvm, x->slots[i]);
	a_vm_destroy(x->vm);
}

/* What is found, all of one name; -1: nothing. */
static int audit(struct fixture *x, size_t *nr)
{
	struct kvm_audit a;
	int name;

	kvm_audit_init(&a, &x->vm->kvm, GFN(0), GFN(~0ull));
	mutex_lock(&x->vm->kvm.slots_lock);
	kvm_gmem_audit(&a);
	kvm_mmu_audit(&a);
	mutex_unlock(&x->vm->kvm.slots_lock);
	name = a.nr_findings ? (int)a.findings[0].guarantee : -1;
	for (size_t i = 0; i < a.nr_kept; i++) {
		print_message("%s: %s\n", kvm_guarantee_name(a.findings[i].guarantee),
			      a.findings[i].text);
		assert_int_equal(a.findings[i].guarantee, name);
	}
	*nr = a.nr_findings;
	kvm_audit_fini(&a);
	return name;
}

static void a_binding_that_only_one_side_knows_is_mmu_i9(void **unused)
{
	struct kvm_memory_slot *s;
	struct fixture x;
	size_t nr;

	(void)unused;
	fixture_init(&x);
	s = x.slots[0];
	assert_int_equal(audit(&x, &nr), -1);

	s->gmem.pgoff++;			/* the neighbour's first page too */
	assert_int_equal(audit(&x, &nr), KVM_GUARANTEE_I9);
	s->gmem.pgoff--;

	atomicptr_store_release(&s->gmem.file, NULL);	/* the file still knows it */
	assert_int_equal(audit(&x, &nr), KVM_GUARANTEE_I9);
	assert_int_equal(nr, 1);
	atomicptr_store_release(&s->gmem.file, x.file);

	kvm_memslots_forget(&x.vm->kvm, s);	/* deleted and not unbound */
	assert_int_equal(audit(&x, &nr), KVM_GUARANTEE_I9);
	assert_int_equal(nr, 1);
	mutex_lock(&x.vm->kvm.slots_lock);
	for (int copy = 0; copy < 2; copy++) {
		kvm_memslots_replace(&x.vm->kvm, 0, NULL, s);
		kvm_memslots_settle(&x.vm->kvm, 0, kvm_memslots_publish(&x.vm->kvm, 0));
	}
	mutex_unlock(&x.vm->kvm.slots_lock);
	assert_int_equal(audit(&x, &nr), -1);
	fixture_fini(&x);
}

static void map_private(struct fixture *x, uint64_t gfn)
{
	struct kvm_page_fault f = a_fault(x->vm, x->slots[0], gfn, true, PG_LEVEL_4K);

	f.is_private = true;
	assert_int_equal(kvm_gmem_get_pfn(&x->vm->kvm, x->slots[0], GFN(gfn), &f.page,
					  &f.host_level), 0);
	assert_int_equal(kvm_mmu_reload(&x->vm->vcpus[0]), 0);
	assert_int_equal(kvm_mmu_map(&x->vm->vcpus[0], &f), RET_PF_FIXED);
}

static void a_private_gfn_on_another_page_is_mmu_i1(void **unused)
{
	struct fixture x;
	size_t nr;

	(void)unused;
	fixture_init(&x);
	mutex_lock(&x.vm->kvm.slots_lock);
	assert_int_equal(kvm_attributes_prepare(&x.vm->kvm, GFN(0), GFN(8),
						KVM_MEMORY_ATTRIBUTE_PRIVATE), 0);
	kvm_attributes_store(&x.vm->kvm, GFN(0), GFN(8), KVM_MEMORY_ATTRIBUTE_PRIVATE);
	mutex_unlock(&x.vm->kvm.slots_lock);
	map_private(&x, 3);
	assert_int_equal(audit(&x, &nr), -1);
	assert_int_equal(a_map(x.vm, 0, x.slots[0], 4, true, PG_LEVEL_4K), RET_PF_FIXED);
	assert_int_equal(audit(&x, &nr), KVM_GUARANTEE_I1);
	assert_int_equal(nr, 1);
	fixture_fini(&x);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_binding_that_only_one_side_knows_is_mmu_i9),
		cmocka_unit_test(a_private_gfn_on_another_page_is_mmu_i1),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
