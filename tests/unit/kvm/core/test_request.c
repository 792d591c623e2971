/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/* Requests, kicks, and that nobody is in the guest when a flush returns. */
#include "kvm/core/request.h"

#include "fixture.h"
#include "kvm/core/vm_type_ops.h"
#include "os/process.h"

#define NR_VCPUS	3

struct runner {
	struct kvm_vcpu	vcpu;
	struct cpu	cpu;
	atomic32_t	stop, done, flushed;
	atomic64_t	inside;		/* what the "TLB" holds while in the guest */
	struct shared	*shared;
};

struct shared {
	atomic64_t	page;		/* version of the "page table" */
	atomic32_t	stale;
	struct runner	runners[NR_VCPUS];
};

/* A guest that uses a translation taken once, until it is kicked. */
static void run(void *arg)
{
	struct runner *r = arg;
	uint64_t translation = atomic64_load(&r->shared->page);

	while (!atomic32_load_acquire(&r->stop)) {
		if (kvm_check_request(KVM_REQ_TLB_FLUSH, &r->vcpu)) {
			translation = atomic64_load(&r->shared->page);
			atomic32_add(&r->flushed, 1);
		}
		if (!kvm_vcpu_enter_guest_mode(&r->vcpu))
			continue;
		atomic64_store(&r->inside, translation);
		while (!atomic32_load_acquire(&r->cpu.kicks) && !atomic32_load_acquire(&r->stop))
			os_yield();
		atomic32_store(&r->cpu.kicks, 0);
		atomic64_store(&r->inside, ~0ull);
		kvm_vcpu_leave_guest_mode(&r->vcpu);
	}
	atomic32_store(&r->done, 1);
}

static void nobody_runs_on_an_old_translation_after_a_flush(void **unused)
{
	struct kvm *kvm = fixture_create(1);
	struct shared *s = calloc(1, sizeof(*s));

	(void)unused;
	mutex_lock(&kvm->lock);
	for (unsigned i = 0; i < NR_VCPUS; i++) {
		struct runner *r = &s->runners[i];

		r->shared = s;
		atomic64_store(&r->inside, ~0ull);
		kvm_vcpu_core_init(&r->vcpu, kvm, 10 + i);
		atomicptr_store_release(&r->vcpu.cpu, &r->cpu);
		assert_int_equal(kvm_reserve_vcpu(kvm), 0);
		kvm_publish_vcpu(kvm, &r->vcpu);
	}
	mutex_unlock(&kvm->lock);
	assert_ptr_equal(kvm_get_vcpu_by_id(kvm, 12), &s->runners[2].vcpu);
	assert_null(kvm_get_vcpu_by_id(kvm, 2));
	for (unsigned i = 0; i < NR_VCPUS; i++)
		assert_int_equal(sync_start_worker(run, &s->runners[i], "vcpu"), 0);

	for (uint64_t version = 1; version < 2000; version++) {
		atomic64_store(&s->page, version);
		kvm_flush_remote_tlbs(kvm);
		for (unsigned i = 0; i < NR_VCPUS; i++) {
			uint64_t seen = atomic64_load(&s->runners[i].inside);

			assert_true(seen == version || seen == ~0ull);
		}
	}
	for (unsigned i = 0; i < NR_VCPUS; i++) {
		atomic32_store(&s->runners[i].stop, 1);
		while (!atomic32_load_acquire(&s->runners[i].done))
			os_yield();
		kvm_vcpu_core_fini(&s->runners[i].vcpu);
	}
	assert_int_equal(counter_read(kvm->module->counters, COUNTER_REMOTE_FLUSHES), 1999);
	free(s);
	kvm_put(kvm);
}

static void a_request_is_seen_once(void **unused)
{
	struct kvm_vcpu vcpu = { 0 };

	(void)unused;
	waitq_init(&vcpu.left_guest);
	kvm_make_request(KVM_REQ_EVENT, &vcpu);
	assert_true(kvm_request_pending(&vcpu));
	assert_false(kvm_vcpu_enter_guest_mode(&vcpu));
	assert_int_equal(atomic32_load(&vcpu.mode), OUTSIDE_GUEST_MODE);
	assert_false(kvm_check_request(KVM_REQ_TLB_FLUSH, &vcpu));
	assert_true(kvm_check_request(KVM_REQ_EVENT, &vcpu));
	assert_false(kvm_check_request(KVM_REQ_EVENT, &vcpu));
	assert_true(kvm_vcpu_enter_guest_mode(&vcpu));
	kvm_vcpu_leave_guest_mode(&vcpu);
}

static void a_table_with_a_hole_is_not_complete(void **unused)
{
	struct vm_type_ops ops = { .name = "hole" };

	(void)unused;
	assert_false(vm_type_ops_complete(&ops));
	assert_int_equal(vm_type_no_gmem_prepare(NULL, HPA(0), GFN(0), 1), 0);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(nobody_runs_on_an_old_translation_after_a_flush),
		cmocka_unit_test(a_request_is_seen_once),
		cmocka_unit_test(a_table_with_a_hole_is_not_complete),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
