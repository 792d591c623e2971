/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* The long-term map, event by event: docs/facts/pfn-cache.tsv, the kind gpa. */
#include "kvm/host/pfncache.h"

#include "kvm/mmu/a_slot.h"

#include <errno.h>
#include <sys/mman.h>

#include "os/uaccess.h"

static const struct hw_config machine = { HW_VENDOR_AMD, 46, 0, 0, 1, NULL };

#define AT	0x101010ull

struct a_cache {
	struct a_vm	*vm;
	struct kvm_memory_slot *s;
	char		*page;		/* of AT */
	struct gfn_to_pfn_cache gpc;
	int		 idx;
};

static void make(struct a_cache *c)
{
	assert_int_equal(os_uaccess_install(), 0);
	c->vm = a_vm_create(&machine, true);
	c->s = a_slot_add(c->vm, 0, 0x100, 4, KVM_MEM_LOG_DIRTY_PAGES);
	c->page = (char *)(uintptr_t)c->s->userspace_addr.v + PAGE_SIZE;
	assert_int_equal(kvm_gpc_init(&c->gpc, &c->vm->kvm), 0);
	c->idx = srcu_read_lock(&c->vm->kvm.srcu);
}

static void unmake(struct a_cache *c)
{
	kvm_gpc_deactivate(&c->gpc);
	kvm_gpc_deactivate(&c->gpc);
	assert_true(list_is_empty(&c->vm->kvm.gpcs));
	srcu_read_unlock(&c->vm->kvm.srcu, c->idx);
	kvm_gpc_fini(&c->gpc);
	a_slot_remove(&c->vm->kvm, c->s);
	a_vm_destroy(c->vm);
}

static bool check(struct a_cache *c, size_t len)
{
	bool r;

	read_lock(&c->gpc.lock);
	r = kvm_gpc_check(&c->gpc, len);
	read_unlock(&c->gpc.lock);
	return r;
}

static void change(struct a_cache *c, const char *from, size_t size)
{
	kvm_gpc_invalidate(&c->vm->kvm, (uintptr_t)from, (uintptr_t)from + size);
}

static const struct row {
	const char *why;
	uint64_t gpa, len;
	uint32_t flags;
	int	 prot, want;
	bool	 active;	/* afterwards */
} rows[] = {
	{ "page can be written", AT, 8, 0, PROT_READ | PROT_WRITE, 0, true },
	{ "up to the page's end", AT, 0xff0, 0, PROT_READ | PROT_WRITE, 0, true },
	{ "crosses a page", AT, 0xff1, 0, PROT_READ | PROT_WRITE, -EINVAL, false },
	{ "no slot", 0x200000, 8, 0, PROT_READ | PROT_WRITE, -EFAULT, true },
	{ "read-only slot", AT, 8, KVM_MEM_READONLY, PROT_READ | PROT_WRITE, -EFAULT, true },
	{ "invalid slot", AT, 8, KVM_MEMSLOT_INVALID, PROT_READ | PROT_WRITE, -EFAULT, true },
	{ "unmapped", AT, 8, 0, PROT_NONE, -EFAULT, true },
	{ "not writable", AT, 8, 0, PROT_READ, -EFAULT, true },
};

static void activate(void **unused)
{
	(void)unused;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const struct row *row = &rows[i];
		struct a_cache c;
		int r;

		make(&c);
		assert_false(check(&c, 8));
		assert_int_equal(kvm_gpc_refresh(&c.gpc, 8), -EINVAL);
		c.s->flags = row->flags;
		assert_int_equal(mprotect(c.page, PAGE_SIZE, row->prot), 0);
		r = kvm_gpc_activate(&c.gpc, GPA(row->gpa), row->len);
		if (r != row->want || c.gpc.active != row->active)
			print_error("%s\n", row->why);
		assert_int_equal(r, row->want);
		assert_int_equal(c.gpc.active, row->active);
		assert_int_equal(check(&c, 8), !r);
		/* And when nothing hinders any more. */
		c.s->flags = 0;
		assert_int_equal(mprotect(c.page, PAGE_SIZE, PROT_READ | PROT_WRITE), 0);
		if (row->active && row->gpa == AT) {
			assert_int_equal(kvm_gpc_refresh(&c.gpc, 8), 0);
			assert_true(check(&c, 8));
		}
		unmake(&c);
	}
}

static void life(void **unused)
{
	struct a_cache c;
	char seen[8];

	(void)unused;
	make(&c);
	assert_int_equal(kvm_gpc_activate(&c.gpc, GPA(AT), 8), 0);
	assert_false(check(&c, PAGE_SIZE));
	read_lock(&c.gpc.lock);
	assert_int_equal(kvm_gpc_write(&c.gpc, 4, "clock", 6), 0);
	assert_int_equal(kvm_gpc_read(&c.gpc, 4, seen, 6), 0);
	assert_int_equal(c.s->dirty_bitmap[0], 0);
	kvm_gpc_mark_dirty(&c.gpc);
	read_unlock(&c.gpc.lock);
	assert_string_equal(seen, "clock");
	assert_string_equal(c.page + 0x14, "clock");
	assert_int_equal(c.s->dirty_bitmap[0], 2);
	/* A neighbour's change is nothing to it; its own is, and the end makes nothing valid. */
	change(&c, c.page - PAGE_SIZE, PAGE_SIZE);
	change(&c, c.page + PAGE_SIZE, PAGE_SIZE);
	assert_true(check(&c, 8));
	change(&c, c.page - PAGE_SIZE, 3 * PAGE_SIZE);
	assert_false(check(&c, 8));
	assert_int_equal(kvm_gpc_refresh(&c.gpc, PAGE_SIZE), -EINVAL);
	assert_int_equal(kvm_gpc_refresh(&c.gpc, 8), 0);
	assert_true(check(&c, 8));
	/* Another generation of the memslots. */
	kvm_memslots_set_generation(&c.vm->kvm, 0, kvm_memslots_generation(&c.vm->kvm, 0) + 2);
	assert_false(check(&c, 8));
	assert_int_equal(kvm_gpc_refresh(&c.gpc, 8), 0);
	assert_true(check(&c, 8));
	/* Another page, and none. */
	assert_int_equal(kvm_gpc_activate(&c.gpc, GPA(AT + PAGE_SIZE), 8), 0);
	change(&c, c.page, PAGE_SIZE);
	assert_true(check(&c, 8));
	assert_int_equal(kvm_gpc_activate(&c.gpc, GPA(0x200000), 8), -EFAULT);
	assert_false(check(&c, 8));
	kvm_gpc_deactivate(&c.gpc);
	assert_int_equal(kvm_gpc_refresh(&c.gpc, 8), -EINVAL);
	unmake(&c);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(activate),
		cmocka_unit_test(life),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
