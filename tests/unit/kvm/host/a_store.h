/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* A VM of an SNP machine with a gigabyte of memory, pages of which a test gives to a guest. */
#pragma once
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

static inline void on_fault(int sig, siginfo_t *info, void *ucontext)
{
	(void)info;
	if (!os_uaccess_fixup(sig, ucontext))
		abort();
}

static inline struct world world_make(const struct hw_config *machine)
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

static inline void world_free(struct world *w)
{
	a_slot_remove(&w->vm->kvm, w->slot);
	a_vm_destroy(w->vm);
}

static inline uint64_t splits(const struct world *w)
{
	return counter_read(w->vm->module.counters, COUNTER_HOST_SPLITS);
}

static inline uint64_t questions(const struct world *w)
{
	return counter_read(w->vm->module.counters, COUNTER_HOST_SIZE_QUESTIONS);
}

static inline void give(const struct world *w, uint64_t at, bool to_guest)
{
	const struct rmp_operand op = { .assigned = to_guest, .asid = to_guest ? 3 : 0,
					.gpa = to_guest ? 0x7000 : 0 };

	assert_int_equal(rmpupdate(w->vm->module.hw, phys_publish(w->vm->module.hw, w->memory + at),
				   &op), RMP_SUCCESS);
}
