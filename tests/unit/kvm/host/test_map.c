/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* A guest's page under the host's hand: what may be mapped, what is logged, what is then seen. */
#include "kvm/host/map.h"

#include "kvm/mmu/a_slot.h"

#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

#include "kvm/core/attr.h"
#include "os/uaccess.h"

#define PRIV	KVM_MEMORY_ATTRIBUTE_PRIVATE

static const struct hw_config machine = { HW_VENDOR_AMD, 46, 0, 0, 1, NULL };

static struct a_vm *create(bool short_term)
{
	struct a_vm *vm = a_vm_create(&machine, true);

	assert_int_equal(os_uaccess_install(), 0);
	vm->module.host_map_short_term = short_term;
	if (short_term)
		assert_int_equal(srcu_init(&vm->kvm.host_maps), 0);
	return vm;
}

static void make_private(struct kvm *kvm, gfn_t gfn)
{
	gfn_t end = GFN(gfn.v + 1);

	mutex_lock(&kvm->slots_lock);
	assert_int_equal(kvm_attributes_prepare(kvm, gfn, end, PRIV), 0);
	kvm_attributes_store(kvm, gfn, end, PRIV);
	mutex_unlock(&kvm->slots_lock);
}

static const struct row {
	const char	*why;
	uint64_t	 gfn;
	uint32_t	 flags;
	bool		 private;
	int		 prot;
	int		 want[2];	/* upstream, short-term */
} rows[] = {
	{ "memory",		0x101, 0, false, PROT_READ | PROT_WRITE, { 0, 0 } },
	{ "private",		0x101, 0, true, PROT_READ | PROT_WRITE, { 0, -EFAULT } },
	{ "private, with gmem",	0x101, KVM_MEM_GUEST_MEMFD, true, PROT_READ | PROT_WRITE, { 0, -EFAULT } },
	{ "no slot",		0x200, 0, false, PROT_READ | PROT_WRITE, { -EINVAL, -EINVAL } },
	{ "private and no slot", 0x200, 0, true, PROT_READ | PROT_WRITE, { -EINVAL, -EINVAL } },
	{ "read-only slot",	0x101, KVM_MEM_READONLY, false, PROT_READ | PROT_WRITE, { -EINVAL, -EINVAL } },
	{ "slot on its way out", 0x101, KVM_MEMSLOT_INVALID, false, PROT_READ | PROT_WRITE,
	  { -EINVAL, -EINVAL } },
	{ "no host memory",	0x101, 0, false, PROT_NONE, { -EINVAL, -EINVAL } },
	{ "read-only memory",	0x101, 0, false, PROT_READ, { -EINVAL, -EINVAL } },
};

static void run_row(const struct row *row, bool short_term)
{
	struct a_vm *vm = create(short_term);
	struct kvm_memory_slot *s = a_slot_add(vm, 0, 0x100, 4, KVM_MEM_LOG_DIRTY_PAGES);
	struct kvm_vcpu *vcpu = &vm->vcpus[0];
	char *page = (char *)(uintptr_t)s->userspace_addr.v + PAGE_SIZE, seen[8];
	struct kvm_guest_map map;
	int idx, r;

	memcpy(page + 16, "written", 8);
	s->flags = row->flags | KVM_MEM_LOG_DIRTY_PAGES;
	assert_int_equal(mprotect(page, PAGE_SIZE, row->prot), 0);
	if (row->private)
		make_private(&vm->kvm, GFN(row->gfn));
	idx = srcu_read_lock(&vm->kvm.srcu);
	r = kvm_vcpu_map(vcpu, GFN(row->gfn), &map);
	if (r != row->want[short_term])
		print_error("%s: %d\n", row->why, r);
	assert_int_equal(r, row->want[short_term]);
	assert_int_equal(!!map.host, !r);
	assert_int_equal(vcpu->nr_short_maps, !r && short_term);
	if (!r) {
		assert_int_equal(kvm_map_read(&map, 16, seen, 8), 0);
		assert_string_equal(seen, "written");
		assert_int_equal(kvm_map_write(vcpu, &map, PAGE_SIZE - 8, "answers", 8), 0);
		assert_string_equal(page + PAGE_SIZE - 8, "answers");
	} else {
		assert_int_equal(kvm_map_read(&map, 16, seen, 8), -EFAULT);
		assert_int_equal(kvm_map_write(vcpu, &map, 16, "answers", 8), -EFAULT);
	}
	/* Neither the attribute nor the log has changed by that. */
	assert_int_equal(kvm_mem_is_private(&vm->kvm, GFN(row->gfn)), row->private);
	assert_int_equal(s->dirty_bitmap[0], 0);
	kvm_vcpu_unmap(vcpu, &map, true);
	assert_int_equal(s->dirty_bitmap[0], r ? 0 : 2);
	kvm_vcpu_unmap(vcpu, &map, true);
	kvm_vcpu_assert_no_short_map(vcpu);
	srcu_read_unlock(&vm->kvm.srcu, idx);
	a_slot_remove(&vm->kvm, s);
	a_vm_destroy(vm);
}

static void what_can_be_mapped(void **unused)
{
	(void)unused;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		run_row(&rows[i], false);
		run_row(&rows[i], true);
	}
}

static void a_clean_map_is_not_logged(void **unused)
{
	struct a_vm *vm = create(false);
	struct kvm_memory_slot *s = a_slot_add(vm, 0, 0x100, 4, KVM_MEM_LOG_DIRTY_PAGES);
	struct kvm_guest_map map;

	(void)unused;
	assert_int_equal(kvm_vcpu_map(&vm->vcpus[0], GFN(0x102), &map), 0);
	kvm_vcpu_unmap(&vm->vcpus[0], &map, false);
	assert_int_equal(s->dirty_bitmap[0], 0);
	a_slot_remove(&vm->kvm, s);
	a_vm_destroy(vm);
}

/* What the docs say of a map that is kept while its page becomes private. */
static void an_old_map_is_of_the_shared_backing(void **unused)
{
	struct a_vm *vm = create(false);
	struct kvm_memory_slot *s = a_slot_add(vm, 0, 0x100, 4, KVM_MEM_GUEST_MEMFD);
	char *page = (char *)(uintptr_t)s->userspace_addr.v;
	struct kvm_guest_map map;

	(void)unused;
	assert_int_equal(kvm_vcpu_map(&vm->vcpus[0], GFN(0x100), &map), 0);
	make_private(&vm->kvm, GFN(0x100));
	assert_int_equal(kvm_map_write(&vm->vcpus[0], &map, 0, "stale", 6), 0);
	assert_string_equal(page, "stale");
	assert_true(kvm_mem_is_private(&vm->kvm, GFN(0x100)));
	/* Where the slot has gone too there is nothing to log. */
	a_slot_remove(&vm->kvm, s);
	kvm_vcpu_unmap(&vm->vcpus[0], &map, true);
	a_vm_destroy(vm);
}

static void memory_that_goes_takes_the_answer_with_it(void **unused)
{
	struct a_vm *vm = create(false);
	struct kvm_memory_slot *s = a_slot_add(vm, 0, 0x100, 4, 0);
	struct kvm_guest_map map;
	char byte;

	(void)unused;
	assert_int_equal(kvm_vcpu_map(&vm->vcpus[0], GFN(0x100), &map), 0);
	assert_int_equal(mprotect((void *)(uintptr_t)s->userspace_addr.v, PAGE_SIZE, PROT_NONE), 0);
	assert_int_equal(kvm_map_read(&map, 0, &byte, 1), -EFAULT);
	assert_int_equal(kvm_map_write(&vm->vcpus[0], &map, 0, "x", 1), -EFAULT);
	kvm_vcpu_unmap(&vm->vcpus[0], &map, true);
	a_slot_remove(&vm->kvm, s);
	a_vm_destroy(vm);
}

/* Upstream: what the VMM does with its mapping of the page while it is mapped. */
enum vmm_call { DISCARDS, UNMAPS, PROTECTS, FAILS };

static const struct change {
	const char	*why;
	enum vmm_call	 call;
	bool		 of_file;
	int		 want;		/* of loads and stores then */
	bool		 stored;	/* at the VMM's address, when it has memory there again */
} changes[] = {
	{ "anonymous, discarded", DISCARDS, false, 0, false },
	{ "anonymous, unmapped", UNMAPS, false, 0, false },
	{ "anonymous, made read-only and writable again", PROTECTS, false, 0, true },
	{ "anonymous, a call that fails", FAILS, false, 0, true },
	{ "a file's, discarded", DISCARDS, true, 0, true },
	{ "a file's, unmapped", UNMAPS, true, -EFAULT, false },
	{ "a file's, made read-only and writable again", PROTECTS, true, 0, true },
};

static void call(const struct change *c, char *page)
{
	switch (c->call) {
	case DISCARDS:
		assert_int_equal(madvise(page, PAGE_SIZE, MADV_DONTNEED), 0);
		break;
	case UNMAPS:
		assert_int_equal(munmap(page, PAGE_SIZE), 0);
		break;
	case PROTECTS:
		assert_int_equal(mprotect(page, PAGE_SIZE, PROT_READ), 0);
		assert_int_equal(mprotect(page, PAGE_SIZE, PROT_READ | PROT_WRITE), 0);
		break;
	case FAILS:
		break;
	}
}

static void map_memory(char *page, int fd)
{
	assert_ptr_equal(mmap(page, PAGE_SIZE, PROT_READ | PROT_WRITE,
			      MAP_FIXED | (fd < 0 ? MAP_PRIVATE | MAP_ANONYMOUS : MAP_SHARED),
			      fd, 0), page);
}

static void run_change(const struct change *c)
{
	struct a_vm *vm = create(false);
	struct kvm_memory_slot *s = a_slot_add(vm, 0, 0x100, 4, 0);
	struct kvm *kvm = &vm->kvm;
	uint64_t start = s->userspace_addr.v;
	char *page = (char *)(uintptr_t)start, seen[8] = "";
	int fd = c->of_file ? memfd_create("map", 0) : -1;
	struct kvm_guest_map map;

	assert_int_equal(fd < 0 ? 0 : ftruncate(fd, PAGE_SIZE), 0);
	map_memory(page, fd);
	assert_int_equal(kvm_vcpu_map(&vm->vcpus[0], GFN(0x100), &map), 0);
	assert_int_equal(kvm_map_write(&vm->vcpus[0], &map, 0, "before", 7), 0);
	/* Another page's change is nothing to it. */
	kvm_maps_keep(kvm, start + PAGE_SIZE, start + 2 * PAGE_SIZE);
	kvm_maps_settle(kvm, start + PAGE_SIZE, start + 2 * PAGE_SIZE, true);
	kvm_maps_keep(kvm, start, start + PAGE_SIZE);
	call(c, page);
	kvm_maps_settle(kvm, start, start + PAGE_SIZE, c->call == DISCARDS || c->call == UNMAPS);
	assert_int_equal(kvm_map_read(&map, 0, seen, 7), c->want);
	assert_string_equal(seen, c->want ? "" : "before");
	assert_int_equal(kvm_map_write(&vm->vcpus[0], &map, 0, "after", 6), c->want);
	if (c->call == UNMAPS)
		map_memory(page, fd);
	assert_string_equal(page, c->stored ? "after" : c->of_file ? "before" : "");
	kvm_vcpu_unmap(&vm->vcpus[0], &map, true);
	assert_true(list_is_empty(&vm->vcpus[0].maps));
	a_slot_remove(kvm, s);
	a_vm_destroy(vm);
	if (fd >= 0)
		close(fd);
}

static void what_the_vmm_does_with_its_mapping(void **unused)
{
	(void)unused;
	for (size_t i = 0; i < ARRAY_SIZE(changes); i++) {
		print_message("%s\n", changes[i].why);
		run_change(&changes[i]);
	}
}

/* A vCPU's guest goes on in another VM (intra-host migration). */
static void a_map_goes_on_with_another_vcpu(void **unused)
{
	struct a_vm *from = create(false), *to = a_vm_create(&machine, true);
	struct kvm_memory_slot *s = a_slot_add(from, 0, 0x100, 4, 0);
	uint64_t start = s->userspace_addr.v;
	struct kvm_guest_map map;

	(void)unused;
	assert_int_equal(kvm_vcpu_map(&from->vcpus[0], GFN(0x100), &map), 0);
	kvm_map_move(&map, &to->vcpus[0]);
	assert_true(list_is_empty(&from->vcpus[0].maps));
	assert_int_equal(kvm_map_write(&to->vcpus[0], &map, 0, "moved", 6), 0);
	kvm_maps_keep(&to->kvm, start, start + PAGE_SIZE);
	kvm_maps_settle(&to->kvm, start, start + PAGE_SIZE, true);
	assert_int_equal(kvm_map_write(&to->vcpus[0], &map, 0, "later", 6), 0);
	assert_string_equal((char *)(uintptr_t)start, "moved");
	kvm_vcpu_unmap(&to->vcpus[0], &map, true);
	assert_true(list_is_empty(&to->vcpus[0].maps));
	a_slot_remove(&from->kvm, s);
	a_vm_destroy(from);
	a_vm_destroy(to);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_can_be_mapped),
		cmocka_unit_test(a_clean_map_is_not_logged),
		cmocka_unit_test(an_old_map_is_of_the_shared_backing),
		cmocka_unit_test(memory_that_goes_takes_the_answer_with_it),
		cmocka_unit_test(what_the_vmm_does_with_its_mapping),
		cmocka_unit_test(a_map_goes_on_with_another_vcpu),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
