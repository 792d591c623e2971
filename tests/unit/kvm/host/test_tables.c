/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * test_tables.c - a store of the host's, the size of its mapping, and the RMP.
 * Facts: docs/facts/snp-access.tsv (host write), host-access-states.tsv (rmp-*).
 */
#include "kvm/host/tables.h"

#include "kvm/mmu/a_slot.h"

#include <errno.h>
#include <signal.h>
#include <sys/mman.h>

#include "hw/insn/peek.h"
#include "hw/insn/rmp.h"
#include "os/uaccess.h"
#include "trace/counters.h"

#define M2	PG_LEVEL_SIZE(PG_LEVEL_2M)
#define PF	0x80000003ull
#define PF_USER	0x80000007ull

static const struct hw_config snp = { .vendor = HW_VENDOR_AMD, .phys_bits = 48, .phys_reduction = 5,
				      .c_bit = 47, .nr_cpus = 1, .snp = true };

struct world {
	struct a_vm		*vm;
	struct kvm_memory_slot	*slot;
	char			*memory;	/* a gigabyte, aligned; the slot begins with it */
};

static void on_fault(int sig, siginfo_t *info, void *ucontext)
{
	(void)info;
	if (!os_uaccess_fixup(sig, ucontext))
		abort();
}

static struct world world_make(const struct hw_config *machine)
{
	struct sigaction sa = { .sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_NODEFER };
	struct world w = { .vm = a_vm_create(machine, true) };

	sigaction(SIGSEGV, &sa, NULL);
	sigaction(SIGBUS, &sa, NULL);
	w.slot = a_slot_add(w.vm, 0, 0, PG_LEVEL_PAGES(PG_LEVEL_1G), 0);
	w.memory = (char *)(uintptr_t)w.slot->userspace_addr.v;
	/* Some hosts give huge pages to who has not asked: here the test says what there is. */
	(void)madvise(w.memory, PG_LEVEL_SIZE(PG_LEVEL_1G), MADV_NOHUGEPAGE);
	return w;
}

static void world_free(struct world *w)
{
	a_slot_remove(&w->vm->kvm, w->slot);
	a_vm_destroy(w->vm);
}

static uint64_t splits(const struct world *w)
{
	return counter_read(w->vm->module.counters, COUNTER_HOST_SPLITS);
}

static uint64_t questions(const struct world *w)
{
	return counter_read(w->vm->module.counters, COUNTER_HOST_SIZE_QUESTIONS);
}

static void give(const struct world *w, uint64_t at, bool to_guest)
{
	const struct rmp_operand op = { .assigned = to_guest, .asid = to_guest ? 3 : 0,
					.gpa = to_guest ? 0x7000 : 0 };

	assert_int_equal(rmpupdate(w->vm->module.hw, phys_publish(w->vm->module.hw, w->memory + at),
				   &op), RMP_SUCCESS);
}

static const struct row {
	const char	*why;
	enum phys_kind	 kind;
	uint64_t	 guests;	/* the page that is a guest's */
	uint64_t	 error, splits, questions;
} rows[] = {
	{ "own, 4K",			PHYS_4K,	 5 * PAGE_SIZE, PF, 0, 0 },
	{ "own, THP",			PHYS_THP,	 5 * PAGE_SIZE, PF, 0, 0 },
	{ "own, hugetlb",		PHYS_HUGETLB_2M, 5 * PAGE_SIZE, PF, 0, 0 },
	{ "own, 1G hugetlb",		PHYS_HUGETLB_1G, 5 * PAGE_SIZE, PF, 0, 0 },
	{ "beside, 4K",			PHYS_4K,	 6 * PAGE_SIZE, 0, 0, 1 },
	{ "beside, THP",		PHYS_THP,	 6 * PAGE_SIZE, 0, 1, 1 },
	{ "first of the THP",		PHYS_THP,	 0,		0, 1, 1 },
	{ "last of the THP",		PHYS_THP,	 M2 - PAGE_SIZE, 0, 1, 1 },
	{ "beside, hugetlb",		PHYS_HUGETLB_2M, 6 * PAGE_SIZE, PF, 0, 1 },
	{ "beside, 1G hugetlb",		PHYS_HUGETLB_1G, 6 * PAGE_SIZE, PF, 0, 1 },
	{ "far, 4K",			PHYS_4K,	 M2,		0, 0, 0 },
	{ "far, THP",			PHYS_THP,	 M2,		0, 0, 0 },
	{ "far, hugetlb",		PHYS_HUGETLB_2M, M2,		0, 0, 0 },
	{ "far, 1G hugetlb",		PHYS_HUGETLB_1G, M2,		0, 0, 0 },
	{ "farthest, 1G hugetlb",	PHYS_HUGETLB_1G, 511 * M2,	0, 0, 0 },
};

/* By 1G counts as by 2M: what is far in the gigabyte stops nobody. */
static void the_size_of_the_mapping_decides(void **unused)
{
	(void)unused;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const struct row *r = &rows[i];
		struct world w = world_make(&snp);
		char *at = w.memory + 5 * PAGE_SIZE + 123;
		struct kvm_module *m = &w.vm->module;

		assert_true(phys_state_mapping(m->hw, w.memory, 2 * M2, r->kind));
		assert_int_equal(kvm_host_store(m, at, false), 0);
		give(&w, r->guests, true);
		if (kvm_host_store(m, at, false) != r->error || splits(&w) != r->splits ||
		    questions(&w) != r->questions)
			fail_msg("%s: %llu splits, %llu questions", r->why,
				 (unsigned long long)splits(&w), (unsigned long long)questions(&w));
		/* What is split is split once; what is not is refused again, in user mode too. */
		assert_int_equal(kvm_host_store(m, at, true), r->error ? PF_USER : 0);
		assert_int_equal(splits(&w), r->splits);
		assert_int_equal(peek_mapping(m->hw, at).is_split, r->splits);
		assert_int_equal(kvm_write_guest(&w.vm->kvm, GPA(5 * PAGE_SIZE + 8), "text", 4),
				 r->error ? -EFAULT : 0);
		assert_int_equal(memcmp(w.memory + 5 * PAGE_SIZE + 8, "text", 4) != 0, !!r->error);
		give(&w, r->guests, false);
		assert_int_equal(kvm_host_store(m, at, false), 0);
		world_free(&w);
	}
}

/* Of a page that nobody has published yet, beside one of a guest's. */
static void a_page_without_a_frame_is_asked_about(void **unused)
{
	struct world w = world_make(&snp);
	struct kvm_module *m = &w.vm->module;

	(void)unused;
	give(&w, 6 * PAGE_SIZE, true);
	assert_int_equal(peek_frames(m->hw, phys_publish(m->hw, w.memory + 6 * PAGE_SIZE), PAGE_SIZE), 1);
	assert_int_equal(kvm_host_store(m, w.memory, false), 0);	/* the host says 4K */
	assert_int_equal(questions(&w), 1);
	assert_int_equal(splits(&w), 0);
	give(&w, 6 * PAGE_SIZE, false);
	world_free(&w);
}

static void without_an_rmp_nobody_asks(void **unused)
{
	static const struct hw_config plain = { HW_VENDOR_AMD, 46, 0, 0, 1, NULL };
	struct world w = world_make(&plain);

	(void)unused;
	assert_true(phys_state_mapping(w.vm->module.hw, w.memory, M2, PHYS_HUGETLB_2M));
	assert_int_equal(kvm_host_store(&w.vm->module, w.memory, false), 0);
	assert_int_equal(kvm_write_guest(&w.vm->kvm, GPA(0x5000), "text", 4), 0);
	assert_int_equal(questions(&w), 0);
	world_free(&w);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_size_of_the_mapping_decides),
		cmocka_unit_test(a_page_without_a_frame_is_asked_about),
		cmocka_unit_test(without_an_rmp_nobody_asks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
