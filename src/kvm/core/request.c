/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
#include "kvm/core/request.h"

#include "base/bits.h"
#include "hw/insn/cpu.h"
#include "trace/counters.h"

static_assert(NR_KVM_REQUESTS <= 64, "requests are bits of one word");

void kvm_make_request(enum kvm_request req, struct kvm_vcpu *vcpu)
{
	atomic64_or(&vcpu->requests, BIT(req));
}

bool kvm_check_request(enum kvm_request req, struct kvm_vcpu *vcpu)
{
	if (!(atomic64_load_acquire(&vcpu->requests) & BIT(req)))
		return false;
	atomic64_and(&vcpu->requests, ~BIT(req));
	return true;
}

bool kvm_request_is_pending(enum kvm_request req, const struct kvm_vcpu *vcpu)
{
	return atomic64_load_acquire(&vcpu->requests) & BIT(req);
}

bool kvm_request_pending(const struct kvm_vcpu *vcpu)
{
	return atomic64_load_acquire(&vcpu->requests) != 0;
}

bool kvm_vcpu_enter_guest_mode(struct kvm_vcpu *vcpu)
{
	/* seq_cst: whoever posts a request and sees us outside is seen below. */
	atomic32_store(&vcpu->mode, IN_GUEST_MODE);
	if (likely(!atomic64_load(&vcpu->requests)))
		return true;
	kvm_vcpu_leave_guest_mode(vcpu);
	return false;
}

void kvm_vcpu_leave_guest_mode(struct kvm_vcpu *vcpu)
{
	if (atomic32_xchg(&vcpu->mode, OUTSIDE_GUEST_MODE) == EXITING_GUEST_MODE)
		waitq_wake_all(&vcpu->left_guest);
}

/* IN_GUEST -> EXITING; false when it was outside, and so sees the request. */
static bool mark_exiting(struct kvm_vcpu *vcpu)
{
	uint32_t mode = IN_GUEST_MODE;

	return atomic32_cas(&vcpu->mode, &mode, EXITING_GUEST_MODE) ||
	       mode == EXITING_GUEST_MODE;
}

static void kick_cpu(struct kvm_vcpu *vcpu)
{
	struct cpu *cpu = atomicptr_load_acquire(&vcpu->cpu);

	if (cpu)
		cpu_kick(cpu);
}

void kvm_vcpu_kick(struct kvm_vcpu *vcpu)
{
	if (mark_exiting(vcpu))
		kick_cpu(vcpu);
	waitq_wake_all(&vcpu->left_guest);	/* a halted one sleeps here too */
}

void kvm_inject_nmi(struct kvm_vcpu *vcpu)
{
	atomic32_add(&vcpu->nmi_queued, 1);
	kvm_make_request(KVM_REQ_NMI, vcpu);
	kvm_vcpu_kick(vcpu);
}

/*
 * A vCPU that is seen outside has yet to look at its requests before it
 * enters; one that was inside turns from EXITING to OUTSIDE when it is out.
 */
bool kvm_make_all_cpus_request(struct kvm *kvm, enum kvm_request req)
{
	bool any = false;
	uint32_t n = atomic32_load_acquire(&kvm->nr_vcpus);

	for (uint32_t i = 0; i < n; i++) {
		struct kvm_vcpu *vcpu = kvm_get_vcpu(kvm, i);

		kvm_make_request(req, vcpu);
		if (!mark_exiting(vcpu))
			continue;
		kick_cpu(vcpu);
		any = true;
	}
	for (uint32_t i = 0; i < n; i++) {
		struct kvm_vcpu *vcpu = kvm_get_vcpu(kvm, i);

		waitq_wait(&vcpu->left_guest,
			   atomic32_load(&vcpu->mode) != EXITING_GUEST_MODE);
	}
	return any;
}

void kvm_flush_remote_tlbs(struct kvm *kvm)
{
	bool any;

	counter_add(kvm->module->counters, COUNTER_REMOTE_FLUSHES, 1);
	counter_add(kvm->stat, KVM_VM_REMOTE_TLB_FLUSH_REQUESTS, 1);
	any = kvm_make_all_cpus_request(kvm, KVM_REQ_TLB_FLUSH);
	TRACE(kvm->module->trace, softcvm_flush, any);
	if (any)
		counter_add(kvm->stat, KVM_VM_REMOTE_TLB_FLUSH, 1);
}
