/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* The host's hand in guest memory: only through slots, only where the host may. */
#include "kvm/host/access.h"

#include "kvm/mmu/a_slot.h"

#include <errno.h>
#include <signal.h>
#include <sys/mman.h>

#include "hw/insn/peek.h"
#include "hw/insn/rmp.h"
#include "os/uaccess.h"

static const struct hw_config machine = { HW_VENDOR_AMD, 46, 0, 0, 1, NULL };

static void on_fault(int sig, siginfo_t *info, void *ucontext)
{
	(void)info;
	if (!os_uaccess_fixup(sig, ucontext))
		abort();
}

/* cmocka has put its own there when a test begins. */
static void catch_faults(void)
{
	struct sigaction sa = { .sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_NODEFER };

	sigaction(SIGSEGV, &sa, NULL);
	sigaction(SIGBUS, &sa, NULL);
}

/* Pages 0x100 to 0x103; what comes after is not mapped by the host. */
#define BASE	0x100000ull

static const struct row {
	const char *why;
	uint64_t    gpa, len;
	uint32_t    flags;
	int	    read, write;
	bool	    slot;		/* there is one, for writing; of host memory it says nothing */
} rows[] = {
	{ "a byte",			BASE + 5, 1, 0, 0, 0, true },
	{ "all of a page",		BASE, 4096, 0, 0, 0, true },
	{ "over a page's end",		BASE + 4000, 200, 0, 0, 0, true },
	{ "nothing",			0, 0, 0, 0, 0, true },
	{ "no slot",			0x5000, 8, 0, -EFAULT, -EFAULT, false },
	{ "out of the slot",		BASE + 7 * 4096 - 4, 8, 0, -EFAULT, -EFAULT, false },
	{ "no host memory",		BASE + 5 * 4096, 8, 0, -EFAULT, -EFAULT, true },
	{ "into no host memory",	BASE + 4 * 4096 - 4, 8, 0, -EFAULT, -EFAULT, true },
	{ "read-only slot",		BASE, 8, KVM_MEM_READONLY, 0, -EFAULT, false },
	{ "slot on its way out",	BASE, 8, KVM_MEMSLOT_INVALID, -EFAULT, -EFAULT, false },
	{ "private backing is not seen", BASE, 8, KVM_MEM_GUEST_MEMFD, 0, 0, true },
};

static void accesses_go_by_the_slot(void **unused)
{
	(void)unused;
	catch_faults();
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const struct row *r = &rows[i];
		struct a_vm *vm = a_vm_create(&machine, true);
		struct kvm_memory_slot *s = a_slot_add(vm, 0, BASE >> PAGE_SHIFT, 7, 0);
		char *memory = (char *)(uintptr_t)s->userspace_addr.v;
		char buf[4096] = "0123456789";
		int got;

		s->flags = r->flags;
		assert_int_equal(mprotect(memory + 4 * 4096, 3 * 4096, PROT_NONE), 0);
		got = kvm_write_guest(&vm->kvm, GPA(r->gpa), buf, r->len);
		if (got != r->write)
			print_error("row %zu: %s\n", i, r->why);
		assert_int_equal(got, r->write);
		if (!got)
			assert_memory_equal(memory + (r->len ? r->gpa - BASE : 0), buf, r->len);
		memset(buf, 0, sizeof(buf));
		if (r->len)
			assert_int_equal(kvm_guest_is_writable(&vm->kvm, GPA(r->gpa), r->len), r->slot);
		assert_int_equal(kvm_read_guest(&vm->kvm, GPA(r->gpa), buf, r->len), r->read);
		if (!got && r->len)
			assert_int_equal(buf[0], '0');
		assert_int_equal(kvm_clear_guest(&vm->kvm, GPA(r->gpa), r->len), r->write);
		if (!got && r->len)
			assert_int_equal(memory[r->gpa - BASE], 0);
		a_slot_remove(&vm->kvm, s);
		a_vm_destroy(vm);
	}
}

static void writes_are_logged(void **unused)
{
	struct a_vm *vm = a_vm_create(&machine, false);
	struct kvm_memory_slot *s = a_slot_add(vm, 0, 0x100, 7, KVM_MEM_LOG_DIRTY_PAGES);

	(void)unused;
	assert_int_equal(kvm_write_guest(&vm->kvm, GPA(0x101ffe), "abcd", 4), 0);
	assert_int_equal(s->dirty_bitmap[0], 6);
	a_slot_remove(&vm->kvm, s);
	a_vm_destroy(vm);
}

static void a_frame_is_named_only_when_the_host_has_it(void **unused)
{
	static const struct {
		const char  *why;
		int	     prot;
		bool	     write, want, writable;
	} cases[] = {
		{ "read of a fresh page",  PROT_READ | PROT_WRITE, false, true, false },
		{ "write",		   PROT_READ | PROT_WRITE, true, true, true },
		{ "read of what was written", PROT_READ | PROT_WRITE, false, true, true },
		{ "read of read-only",	   PROT_READ, false, true, false },
		{ "write to read-only",	   PROT_READ, true, false, false },
		{ "nothing there",	   PROT_NONE, false, false, false },
		{ "writable again",	   PROT_READ | PROT_WRITE, false, true, true },
	};
	struct a_vm *vm = a_vm_create(&machine, false);
	struct kvm_memory_slot *s = a_slot_add(vm, 0, 0x100, 7, 0);
	char *page = (char *)(uintptr_t)s->userspace_addr.v + 4096;

	(void)unused;
	catch_faults();
	/* Some hosts give huge pages to who has not asked. */
	(void)madvise(page - 4096, 7 * 4096, MADV_NOHUGEPAGE);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct kvm_host_page host = { .page = HPA_INVALID };
		enum kvm_gup want = cases[i].want ? KVM_GUP_OK : KVM_GUP_FAULT, got;
		atomic32_t stop = { 0 };

		assert_int_equal(mprotect(page, 4096, cases[i].prot), 0);
		/* As the bracket around an mprotect of the VMM's does. */
		phys_forget_mapping(vm->module.hw, page, 4096);
		got = kvm_gup(&vm->kvm, HVA((uintptr_t)page), cases[i].write, &stop, &host);
		if (got != want || (!got && host.writable != cases[i].writable))
			print_error("case %zu: %s\n", i, cases[i].why);
		assert_int_equal(got, want);
		if (got)
			continue;
		assert_ptr_equal(peek_phys(vm->module.hw, host.page), page);
		assert_int_equal(host.level, PG_LEVEL_4K);
		assert_int_equal(host.writable, cases[i].writable);
		atomic32_store(&stop, 1);
		assert_int_equal(kvm_gup(&vm->kvm, HVA((uintptr_t)page), cases[i].write, &stop, &host),
				 KVM_GUP_INTERRUPTED);
	}
	a_slot_remove(&vm->kvm, s);
	a_vm_destroy(vm);
}

/* What a guest owns the host may read, and that is all: no owner changes by an access. */
static void what_a_guest_owns_is_not_written(void **unused)
{
	static const struct hw_config snp = { .vendor = HW_VENDOR_AMD, .phys_bits = 48,
					      .phys_reduction = 5, .c_bit = 47, .nr_cpus = 1,
					      .snp = true };
	static const char text[4096] = "written";
	const struct rmp_operand guests = { .assigned = 1, .asid = 3, .gpa = 0x7000 };
	struct a_vm *vm = a_vm_create(&snp, true);
	struct kvm_memory_slot *s = a_slot_add(vm, 0, BASE >> PAGE_SHIFT, 4, 0);
	char *memory = (char *)(uintptr_t)s->userspace_addr.v, buf[8192];
	uint32_t old = 0, new = 1;
	struct rmp_entry e;
	hpa_t page;

	(void)unused;
	catch_faults();
	/* No frame yet, then one that nobody owns. */
	assert_int_equal(kvm_write_guest(&vm->kvm, GPA(BASE + 4096), text, 8), 0);
	page = phys_publish(vm->module.hw, memory + 4096);
	assert_int_equal(kvm_clear_guest(&vm->kvm, GPA(BASE + 4096), 4096), 0);
	assert_int_equal(rmpupdate(vm->module.hw, page, &guests), RMP_SUCCESS);

	assert_int_equal(kvm_write_guest(&vm->kvm, GPA(BASE + 4096), text, 8), -EFAULT);
	assert_int_equal(kvm_clear_guest(&vm->kvm, GPA(BASE + 4096), 8), -EFAULT);
	assert_int_equal(kvm_cmpxchg_guest(&vm->kvm, GPA(BASE + 4096), &old, &new, 4), -EFAULT);
	/* Over its edges: what comes before is written, as by the kernel's copy. */
	assert_int_equal(kvm_write_guest(&vm->kvm, GPA(BASE + 4092), text, 8), -EFAULT);
	assert_memory_equal(memory + 4092, text, 4);
	assert_int_equal(kvm_write_guest(&vm->kvm, GPA(BASE + 8188), text, 8), -EFAULT);
	assert_int_equal(kvm_read_guest(&vm->kvm, GPA(BASE + 4096), buf, sizeof(buf)), 0);
	for (size_t i = 0; i < sizeof(buf); i++)
		assert_int_equal(buf[i], 0);
	assert_true(peek_rmp(vm->module.hw, page, &e));
	assert_true(e.assigned && e.asid == 3 && e.gpa == 0x7000);
	assert_false(kvm_mem_is_private(&vm->kvm, GFN((BASE >> PAGE_SHIFT) + 1)));
	/* Its neighbours are the host's. */
	assert_int_equal(kvm_write_guest(&vm->kvm, GPA(BASE), text, 4096), 0);
	assert_int_equal(kvm_write_guest(&vm->kvm, GPA(BASE + 8192), text, 4096), 0);

	assert_int_equal(rmpupdate(vm->module.hw, page, &(struct rmp_operand){ 0 }), RMP_SUCCESS);
	assert_int_equal(kvm_write_guest(&vm->kvm, GPA(BASE + 4096), text, 8), 0);
	a_slot_remove(&vm->kvm, s);
	a_vm_destroy(vm);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_a_guest_owns_is_not_written),
		cmocka_unit_test(accesses_go_by_the_slot),
		cmocka_unit_test(writes_are_logged),
		cmocka_unit_test(a_frame_is_named_only_when_the_host_has_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
