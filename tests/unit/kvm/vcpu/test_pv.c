/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * test_pv.c - the structures that KVM keeps for its guest: which memory they want, what becomes of
 * them when that changes, or when the guest makes it private.
 */
#include "a_vcpu.h"

#include <errno.h>

#include "kvm/core/attr.h"
#include "kvm/host/pfncache.h"
#include "kvm/vcpu/irq.h"
#include "kvm/vcpu/pvclock.h"
#include "kvm/vcpu/time.h"
#include "softcvm/uapi/kvm_para.h"

#define SIZE	0x4000u		/* of slot 0 */

struct world {
	struct a_vcpu	a;
	struct kvm_memory_slot slot;
	uint8_t		*memory;
	uint64_t	dirty;
};

static void make(struct world *w, bool strict)
{
	*w = (struct world){ .slot = { .id = 0 } };
	assert_int_equal(os_uaccess_install(), 0);
	a_vcpu_make(&w->a, AMD, true);
	w->a.module.strict_host_access = strict;
	w->a.kvm->has_private_mem = true;
	a_vcpu_all_cpuid(&w->a);
	w->memory = a_vcpu_add_slot(&w->a, &w->slot, SIZE);
	w->slot.flags = KVM_MEM_LOG_DIRTY_PAGES;
	w->slot.dirty_bitmap = &w->dirty;
	w->a.v->base.srcu_idx = srcu_read_lock(&w->a.kvm->srcu);
}

static void unmake(struct world *w)
{
	srcu_read_unlock(&w->a.kvm->srcu, w->a.v->base.srcu_idx);
	a_vcpu_forget_slot(&w->a, &w->slot);
	a_vcpu_free(&w->a);
	assert_int_equal(munmap(w->memory, SIZE), 0);
}

static void set_private(struct world *w, uint64_t gfn, uint64_t attributes)
{
	struct kvm *kvm = w->a.kvm;

	mutex_lock(&kvm->slots_lock);
	assert_int_equal(kvm_attributes_prepare(kvm, GFN(gfn), GFN(gfn + 1), attributes), 0);
	kvm_attributes_store(kvm, GFN(gfn), GFN(gfn + 1), attributes);
	mutex_unlock(&kvm->slots_lock);
}

static uint64_t findings(const struct world *w)
{
	return counter_read(w->a.module.counters, COUNTER_HOST_ACCESS_FINDINGS);
}

/* Other memory behind the same gfns, as a move of the slot's address by the VMM. */
static uint8_t *exchange_memory(struct world *w, uint8_t *memory)
{
	uint8_t *old = w->memory;

	w->memory = memory;
	w->slot.userspace_addr = HVA((uintptr_t)memory);
	kvm_memslots_set_generation(w->a.kvm, 0, kvm_memslots_generation(w->a.kvm, 0) + 2);
	return old;
}

static uint8_t *fresh(void)
{
	void *p = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	assert_ptr_not_equal(p, MAP_FAILED);
	return p;
}

/* #GP: PV EOI and asynchronous page faults want their memory at once; the others are asked later. */
static void which_msrs_want_memory_at_once(void **unused)
{
	static const struct {
		const char *why;
		uint32_t msr;
		uint64_t value;
		bool gp;
	} rows[] = {
		{ "EOI, memory", MSR_KVM_PV_EOI_EN, 0x1001, false },
		{ "EOI, none", MSR_KVM_PV_EOI_EN, SIZE | 1, true },
		{ "EOI, none, and off", MSR_KVM_PV_EOI_EN, SIZE, false },
		{ "async PF, memory", MSR_KVM_ASYNC_PF_EN, 0x1040 | 9, false },
		{ "async PF, none", MSR_KVM_ASYNC_PF_EN, SIZE | 9, true },
		{ "async PF, none, no interrupt", MSR_KVM_ASYNC_PF_EN, SIZE | 1, false },
		{ "steal time, none", MSR_KVM_STEAL_TIME, SIZE | 1, false },
		{ "clock, none", MSR_KVM_SYSTEM_TIME_NEW, SIZE | 1, false },
	};

	(void)unused;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct world w;
		int r;

		make(&w, false);
		r = vcpu_set_msr(w.a.v, rows[i].msr, false, rows[i].value);
		if (!!r != rows[i].gp)
			fail_msg("%s: %d", rows[i].why, r);
		unmake(&w);
	}
}

static struct kvm_steal_time *steal(const struct world *w, unsigned at)
{
	return (void *)(w->memory + at);
}

/* Generation and address: what was translated for others is not used. */
static void stolen_time_follows_the_slots(void **unused)
{
	struct world w;
	struct vcpu *v;
	uint8_t *old;

	(void)unused;
	make(&w, false);
	v = w.a.v;
	assert_int_equal(vcpu_set_msr(v, MSR_KVM_STEAL_TIME, false, 0x1040 | KVM_MSR_ENABLED), 0);
	vcpu_record_steal(v);
	assert_int_equal(steal(&w, 0x1040)->version, 2);
	assert_int_equal(w.dirty, 2);
	vcpu_mark_preempted(v);
	assert_int_equal(steal(&w, 0x1040)->preempted, KVM_VCPU_PREEMPTED);
	vcpu_record_steal(v);
	assert_int_equal(steal(&w, 0x1040)->preempted, 0);

	old = exchange_memory(&w, fresh());
	/* Nothing is told until the next entry has found the new place. */
	vcpu_mark_preempted(v);
	assert_int_equal(steal(&w, 0x1040)->preempted | ((struct kvm_steal_time *)(old + 0x1040))->preempted, 0);
	vcpu_record_steal(v);
	assert_int_equal(steal(&w, 0x1040)->version, 2);
	assert_int_equal(((struct kvm_steal_time *)(old + 0x1040))->version, 4);
	assert_int_equal(munmap(old, SIZE), 0);

	assert_int_equal(vcpu_set_msr(v, MSR_KVM_STEAL_TIME, false, 0x2080 | KVM_MSR_ENABLED), 0);
	vcpu_record_steal(v);
	assert_int_equal(steal(&w, 0x2080)->version, 2);
	assert_int_equal(steal(&w, 0x1040)->version, 2);
	unmake(&w);
}

static struct pvclock_vcpu_time_info *clock_at(const struct world *w, unsigned at)
{
	return (void *)(w->memory + at);
}

static void the_clock_page_is_kept_and_let_go(void **unused)
{
	struct world w;
	struct vcpu *v;
	uint8_t *old;

	(void)unused;
	make(&w, false);
	v = w.a.v;
	assert_int_equal(vcpu_set_msr(v, MSR_KVM_SYSTEM_TIME_NEW, false, 0x1100 | 1), 0);
	assert_true(v->pv_time.active && v->pv_time.valid);
	vcpu_update_clock(v);
	assert_int_equal(clock_at(&w, 0x1100)->version, 2);
	assert_int_not_equal(clock_at(&w, 0x1100)->tsc_to_system_mul, 0);
	assert_int_equal(w.dirty, 2);

	/* The VMM changes the mapping: the page is looked up again, and the last word counts on. */
	kvm_gpc_invalidate(w.a.kvm, (uintptr_t)w.memory, (uintptr_t)w.memory + SIZE);
	assert_false(v->pv_time.valid);
	vcpu_update_clock(v);
	assert_int_equal(clock_at(&w, 0x1100)->version, 4);
	old = exchange_memory(&w, fresh());
	vcpu_update_clock(v);
	assert_int_equal(clock_at(&w, 0x1100)->version, 2);
	assert_int_equal(munmap(old, SIZE), 0);

	/* Without memory that is there nothing happens, and it is found again. */
	assert_int_equal(mprotect(w.memory, SIZE, PROT_NONE), 0);
	kvm_gpc_invalidate(w.a.kvm, (uintptr_t)w.memory, (uintptr_t)w.memory + SIZE);
	vcpu_update_clock(v);
	assert_int_equal(mprotect(w.memory, SIZE, PROT_READ | PROT_WRITE), 0);
	vcpu_update_clock(v);
	assert_int_equal(clock_at(&w, 0x1100)->version, 4);

	/* Over the end of a page there is no clock. */
	assert_int_equal(vcpu_set_msr(v, MSR_KVM_SYSTEM_TIME_NEW, false, 0x1ff0 | 1), 0);
	vcpu_update_clock(v);
	assert_int_equal(clock_at(&w, 0x1ff0)->version, 0);
	assert_int_equal(vcpu_set_msr(v, MSR_KVM_SYSTEM_TIME_NEW, false, 0), 0);
	assert_false(v->pv_time.active);
	assert_int_equal(vcpu_set_msr(v, MSR_KVM_SYSTEM_TIME_NEW, false, 0x2000 | 1), 0);
	vcpu_reset(v, true);
	assert_false(v->pv_time.active);
	unmake(&w);
}

/* kvmclock_ctrl's word is told once the page is there, not lost. */
static void a_stopped_guest_is_told_when_it_can_be(void **unused)
{
	struct world w;
	struct vcpu *v;

	(void)unused;
	make(&w, true);
	v = w.a.v;
	assert_int_equal(vcpu_set_msr(v, MSR_KVM_SYSTEM_TIME_NEW, false, 0x1000 | 1), 0);
	set_private(&w, 1, KVM_MEMORY_ATTRIBUTE_PRIVATE);
	assert_int_equal(vcpu_kvmclock_ctrl(v), 0);
	vcpu_update_clock(v);
	assert_int_equal(clock_at(&w, 0x1000)->flags, 0);
	set_private(&w, 1, 0);
	vcpu_update_clock(v);
	assert_true(clock_at(&w, 0x1000)->flags & PVCLOCK_GUEST_STOPPED);
	/* The guest takes note; once is enough. */
	clock_at(&w, 0x1000)->flags = 0;
	vcpu_update_clock(v);
	assert_false(clock_at(&w, 0x1000)->flags & PVCLOCK_GUEST_STOPPED);
	unmake(&w);
}

/* The guest has made all of it private: as kernels do, with findings; or nothing. */
static void what_the_guest_takes_back_is_left_alone(void **unused)
{
	(void)unused;
	for (unsigned strict = 0; strict < 2; strict++) {
		struct world w;
		struct vcpu *v;

		make(&w, strict);
		v = w.a.v;
		assert_int_equal(vcpu_set_msr(v, MSR_KVM_STEAL_TIME, false, 0x1040 | 1), 0);
		assert_int_equal(vcpu_set_msr(v, MSR_KVM_SYSTEM_TIME_NEW, false, 0x1100 | 1), 0);
		assert_int_equal(vcpu_set_msr(v, MSR_KVM_PV_EOI_EN, false, 0x1201), 0);
		vcpu_record_steal(v);
		vcpu_update_clock(v);
		assert_int_equal(steal(&w, 0x1040)->version, 2);
		assert_int_equal(clock_at(&w, 0x1100)->version, 2);
		assert_int_equal(findings(&w), 0);

		set_private(&w, 1, KVM_MEMORY_ATTRIBUTE_PRIVATE);
		w.dirty = 0;
		vcpu_record_steal(v);
		assert_int_equal(steal(&w, 0x1040)->version, strict ? 2 : 4);
		assert_true(findings(&w));
		vcpu_update_clock(v);
		assert_int_equal(clock_at(&w, 0x1100)->version, strict ? 2 : 4);
		v->time.eoi_pending = true;
		w.memory[0x1200] = 1;
		vcpu_take_pv_eoi(v);
		assert_int_equal(w.memory[0x1200], strict);
		assert_int_equal(w.dirty, strict ? 0 : 2);
		unmake(&w);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(which_msrs_want_memory_at_once),
		cmocka_unit_test(stolen_time_follows_the_slots),
		cmocka_unit_test(the_clock_page_is_kept_and_let_go),
		cmocka_unit_test(a_stopped_guest_is_told_when_it_can_be),
		cmocka_unit_test(what_the_guest_takes_back_is_left_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
