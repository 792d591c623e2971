/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* The bracket around a change of host mappings: what it takes, blocks and lets go. */
#include "kvm/host/notifier.h"

#include "kvm/mmu/a_slot.h"

#include <time.h>

#include "os/uaccess.h"
#include "sync/wait.h"

static const struct hw_config machine = { HW_VENDOR_AMD, 46, 0, 0, 1, NULL };

/* A VM that changes of host mappings find. */
static struct a_vm *a_told_vm(bool private_mem)
{
	struct a_vm *vm = a_vm_create(&machine, private_mem);

	assert_int_equal(os_uaccess_install(), 0);
	assert_int_equal(kvm_host_map_create(&vm->module), 0);
	kvm_host_map_add_vm(&vm->kvm);
	return vm;
}

static void a_told_vm_free(struct a_vm *vm)
{
	kvm_host_map_remove_vm(&vm->kvm);
	kvm_host_map_destroy(&vm->module);
	a_vm_destroy(vm);
}

static struct kvm_hva_range range_of(struct kvm_memory_slot *s, uint64_t first, uint64_t nr)
{
	uint64_t start = s->userspace_addr.v + (first << PAGE_SHIFT);

	return (struct kvm_hva_range){ start, start + (nr << PAGE_SHIFT) };
}

static void only_the_range_goes_and_only_until_the_end(void **unused)
{
	struct a_vm *vm = a_told_vm(false);
	struct kvm_memory_slot *s = a_slot_add(vm, 0, 0x100, 8, 0);
	struct kvm_hva_range r = range_of(s, 2, 3);
	struct kvm_page_fault stale;
	struct kvm_host_change c;

	(void)unused;
	for (uint64_t i = 0; i < 8; i++)
		assert_int_equal(a_map(vm, 0, s, 0x100 + i, true, PG_LEVEL_4K), RET_PF_FIXED);
	stale = a_fault(vm, s, 0x103, true, PG_LEVEL_4K);
	kvm_host_change_begin(&vm->module, &r, 1, &c);
	assert_true(c.is_used);
	for (uint64_t i = 0; i < 8; i++)
		assert_int_equal(a_is_mapped(vm, 0, 0x100 + i), i < 2 || i >= 5);
	assert_int_equal(a_map(vm, 0, s, 0x103, true, PG_LEVEL_4K), RET_PF_RETRY);
	assert_int_equal(a_map(vm, 0, s, 0x106, true, PG_LEVEL_4K), RET_PF_SPURIOUS);
	kvm_host_change_end(&c, true);
	assert_int_equal(kvm_mmu_map(&vm->vcpus[0], &stale), RET_PF_RETRY);
	assert_int_equal(a_map(vm, 0, s, 0x103, true, PG_LEVEL_4K), RET_PF_FIXED);
	assert_int_equal(atomic64_load(&vm->kvm.inv.in_progress), 0);
	a_slot_remove(&vm->kvm, s);
	a_told_vm_free(vm);
}

static void private_memory_stays(void **unused)
{
	struct a_vm *vm = a_told_vm(true);
	struct kvm_memory_slot *s = a_slot_add(vm, 0, 0x100, 8, 0);
	struct kvm_hva_range r = range_of(s, 0, 8);
	struct kvm_host_change c;

	(void)unused;
	for (uint64_t i = 0; i < 8; i++)
		assert_int_equal(a_map(vm, 0, s, 0x100 + i, true, PG_LEVEL_4K), RET_PF_FIXED);
	mutex_lock(&vm->kvm.slots_lock);
	assert_int_equal(kvm_attributes_prepare(&vm->kvm, GFN(0x103), GFN(0x105),
						KVM_MEMORY_ATTRIBUTE_PRIVATE), 0);
	kvm_attributes_store(&vm->kvm, GFN(0x103), GFN(0x105), KVM_MEMORY_ATTRIBUTE_PRIVATE);
	mutex_unlock(&vm->kvm.slots_lock);
	kvm_host_change_begin(&vm->module, &r, 1, &c);
	for (uint64_t i = 0; i < 8; i++)
		assert_int_equal(a_is_mapped(vm, 0, 0x100 + i), i == 3 || i == 4);
	kvm_host_change_end(&c, false);
	a_slot_remove(&vm->kvm, s);
	a_told_vm_free(vm);
}

struct adder {
	struct a_vm *vm;
	struct kvm_memory_slot *slot;
	atomic32_t has_ended;
};

static void add_slot(void *arg)
{
	struct adder *a = arg;

	a->slot = a_slot_add(a->vm, 1, 0x40000, 8, 0);
	atomic32_store(&a->has_ended, 1);
}

/* B17: whatever range the change has, near a slot or not. */
static void no_slot_comes_between_begin_and_end(void **unused)
{
	(void)unused;
	for (int near = 0; near < 2; near++) {
		struct a_vm *vm = a_told_vm(false);
		struct kvm_memory_slot *s = a_slot_add(vm, 0, 0x100, 8, 0);
		struct kvm_hva_range r = near ? range_of(s, 0, 8)
					      : (struct kvm_hva_range){ 0x1000, 0x2000 };
		struct adder a = { .vm = vm };
		struct timespec some = { .tv_nsec = 20000000 };
		struct kvm_host_change c;

		kvm_host_change_begin(&vm->module, &r, 1, &c);
		assert_int_equal(c.is_used, near);
		assert_int_equal(sync_start_worker(add_slot, &a, "adder"), 0);
		nanosleep(&some, NULL);
		assert_false(atomic32_load(&a.has_ended));
		kvm_host_change_end(&c, false);
		while (!atomic32_load(&a.has_ended))
			nanosleep(&some, NULL);
		a_slot_remove(&vm->kvm, a.slot);
		a_slot_remove(&vm->kvm, s);
		a_told_vm_free(vm);
	}
}

static struct {
	unsigned nr;
	gfn_t start, end;
} looked_at;

static void look(struct kvm *kvm, gfn_t start, gfn_t end)
{
	looked_at.nr++;
	looked_at.start = start;
	looked_at.end = end;
	/* The bracket is closed, and memslots may change. */
	assert_int_equal(atomic64_load(&kvm->inv.in_progress), 0);
	mutex_lock(&kvm->slots_lock);
	srcu_synchronize(&kvm->module->host_map->changes);
	srcu_synchronize(&kvm->srcu);
	mutex_unlock(&kvm->slots_lock);
}

static void what_a_change_was_about_is_audited(void **unused)
{
	struct a_vm *vm = a_told_vm(false);
	struct kvm_memory_slot *s = a_slot_add(vm, 0, 0x100, 8, 0);
	struct kvm_hva_range ranges[] = { range_of(s, 2, 3), range_of(s, 6, 9), { 0x1000, 0x2000 } };
	struct kvm_host_change c;

	(void)unused;
	vm->kvm.audit = look;
	kvm_host_change_begin(&vm->module, ranges, 3, &c);
	assert_int_equal(looked_at.nr, 0);
	kvm_host_change_end(&c, true);
	assert_int_equal(looked_at.nr, 1);
	assert_int_equal(looked_at.start.v, 0x102);
	assert_int_equal(looked_at.end.v, 0x108);
	/* Near the slot, but none of it. */
	ranges[0] = range_of(s, 8, 2);
	kvm_host_change_begin(&vm->module, ranges, 1, &c);
	assert_true(c.is_used);
	kvm_host_change_end(&c, true);
	assert_int_equal(looked_at.nr, 1);
	vm->kvm.audit = NULL;
	a_slot_remove(&vm->kvm, s);
	a_told_vm_free(vm);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_the_range_goes_and_only_until_the_end),
		cmocka_unit_test(private_memory_stays),
		cmocka_unit_test(what_a_change_was_about_is_audited),
		cmocka_unit_test(no_slot_comes_between_begin_and_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
