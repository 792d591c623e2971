/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * run.c - KVM_RUN, in the kernel's order (spec kvm.md 1.13).
 */
#include <errno.h>

#include "softcvm/uapi/kvm_para.h"

#include "hw/insn/cpu.h"
#include "kvm/core/request.h"
#include "kvm/host/map.h"
#include "kvm/mmu/audit.h"
#include "kvm/core/vm_type_ops.h"
#include "kvm/mmu/mmu.h"
#include "kvm/vcpu/backend.h"
#include "kvm/vcpu/exits.h"
#include "kvm/vcpu/guest_debug.h"
#include "kvm/vcpu/irq.h"
#include "kvm/vcpu/load.h"
#include "kvm/vcpu/protected.h"
#include "os/clock.h"
#include "trace/counters.h"

void vcpu_notify_signal(struct vcpu *v)
{
	struct cpu *cpu;

	atomic32_store(&v->signal, 1);
	cpu = atomicptr_load(&v->base.cpu);
	if (cpu)
		cpu_kick(cpu);
	waitq_wake_all(&v->base.left_guest);
}

static bool signal_pending(const struct vcpu *v)
{
	return atomic32_load(&v->signal);
}

/* Work that others have left for us.  1: enter the guest. */
static int handle_requests(struct vcpu *v, struct cpu *cpu)
{
	struct kvm_vcpu *b = &v->base;

	if (!kvm_request_pending(b))
		return 1;
	if (kvm_check_request(KVM_REQ_VM_DEAD, b))
		return -EIO;
	if (kvm_check_request(KVM_REQ_MASTERCLOCK_UPDATE, b))
		kvm_update_master_clock(b->kvm);
	if (kvm_check_request(KVM_REQ_CLOCK_UPDATE, b))
		vcpu_update_clock(v);
	if (kvm_check_request(KVM_REQ_TLB_FLUSH, b)) {
		KVM_VCPU_COUNT(b, tlb_flush);
		v->backend->flush_tlb(v, cpu);
	}
	if (kvm_check_request(KVM_REQ_REPORT_TPR_ACCESS, b))
		return exit_tpr_access(v);
	if (kvm_check_request(KVM_REQ_TRIPLE_FAULT, b))
		return exit_shutdown(v);
	if (kvm_check_request(KVM_REQ_STEAL_UPDATE, b))
		vcpu_record_steal(v);
	if (kvm_check_request(KVM_REQ_NMI, b))
		vcpu_process_nmi(v);
	if (kvm_check_request(KVM_REQ_IOAPIC_EOI_EXIT, b) && !vcpu_exit_ioapic_eoi(v))
		return 0;
	if (kvm_check_request(KVM_REQ_UPDATE_PROTECTED_GUEST_STATE, b))
		vcpu_reset(v, true);
	kvm_check_request(KVM_REQ_UNBLOCK, b);
	kvm_check_request(KVM_REQ_OUTSIDE_GUEST_MODE, b);
	return 1;
}

/* A signal that comes after this look has kicked the processor. */
static bool may_enter(struct vcpu *v)
{
	if (!kvm_vcpu_enter_guest_mode(&v->base))
		return false;
	if (!signal_pending(v))
		return true;
	kvm_vcpu_leave_guest_mode(&v->base);
	return false;
}

/* All requests have been served; AMD's flush is part of the entry that follows. */
static void audit_tlb(struct vcpu *v, const struct cpu *cpu)
{
	struct kvm_audit a;

	if (v->svm.tlb_control != SVM_TLB_DO_NOTHING)
		return;
	atomic32_store(&v->base.audit_wanted, 0);
	kvm_audit_init(&a, v->base.kvm, GFN(0), GFN(~0ull));
	kvm_mmu_audit_tlb(&a, &v->base, cpu);
	kvm_audit_report(&a);
	kvm_audit_fini(&a);
}

/* A handler's answer, unless the instruction that it finished is a step. */
static int after_exit(struct vcpu *v, int r)
{
	return unlikely(v->debug.stepped) ? vcpu_debug_step(v, r) : r;
}

static bool is_runnable(const struct vcpu *v)
{
	return v->mp_state == KVM_MP_STATE_RUNNABLE && !v->halted;
}

static NOINLINE void trace_exit(const struct vcpu *v)
{
	uint64_t info[5];

	v->backend->exit_info(v, info);
	VCPU_TRACE(v, kvm_exit, v->base.id, (uint32_t)info[0], v->backend == &svm_backend ? 2 : 1,
		   v->state.rip, info[1], info[2], (uint32_t)info[3], (uint32_t)info[4]);
}

static int enter_guest(struct vcpu *v)
{
	struct kvm *kvm = v->base.kvm;
	struct kvm_vcpu *b = &v->base;
	struct cpu *cpu = atomicptr_load(&b->cpu);
	uint64_t before;
	int r;

	/* A new root asks for a flush; obsolete ones are dropped here too. */
	r = kvm_mmu_reload(&v->base);
	if (r)
		return r;
	r = handle_requests(v, cpu);
	if (r <= 0)
		return r;
	if (unlikely(!is_runnable(v)))
		return 1;

	/* Asked for by every run that has a window to watch. */
	if (kvm_check_request(KVM_REQ_EVENT, b) || v->base.run->request_interrupt_window) {
		vcpu_accept_events(v);
		if (!is_runnable(v))
			return 1;
		vcpu_prepare_events(v);
		vcpu_offer_pv_eoi(v);
		vcpu_give_vapic(v);
	}

	if (unlikely(atomic32_load_relaxed(&v->base.audit_wanted)))
		audit_tlb(v, cpu);
	if (unlikely(vcpu_is_es(v)))
		kvm->ops->before_entry(b);
	kvm_vcpu_assert_no_short_map(b);

	srcu_read_unlock(&kvm->srcu, v->base.srcu_idx);
	if (!may_enter(v)) {
		v->base.srcu_idx = srcu_read_lock(&kvm->srcu);
		vcpu_take_vapic(v);
		return 1;
	}
	VCPU_TRACE(v, kvm_entry, v->base.id, v->state.rip, 0);
	before = cpu_instructions(cpu);
	if (unlikely(v->debug.control))
		vcpu_debug_enter(v);
	v->backend->run(v, cpu);
	if (unlikely(v->debug.control))
		vcpu_debug_leave(v);
	kvm_vcpu_leave_guest_mode(&v->base);
	cpu_ack(cpu);
	v->base.srcu_idx = srcu_read_lock(&kvm->srcu);

	vcpu_take_pv_eoi(v);
	vcpu_take_vapic(v);
	v->has_run = true;
	KVM_VCPU_COUNT(&v->base, exits);
	if (VCPU_IS_TRACED(v))
		trace_exit(v);
	sync_count(&b->nr_instructions, cpu_instructions(cpu) - before);
	return after_exit(v, v->backend->handle_exit(v));
}

static void count_halt(struct vcpu *v, uint64_t ns)
{
	VCPU_TRACE(v, kvm_vcpu_wakeup, ns, true, !signal_pending(v));
	KVM_VCPU_COUNT_NS(&v->base, halt_wait_ns, halt_wait_hist, ns);
	if (!signal_pending(v))
		KVM_VCPU_COUNT(&v->base, halt_wakeup);
}

static bool timer_has_expired(const struct vcpu *v)
{
	return v->base.lapic && unlikely(lapic_timer_is_pending(v->base.lapic));
}

/* It has a processor again: the guest is told what that took. */
static void vcpu_loaded(struct vcpu *v)
{
	if (unlikely(v->time.steal_msr & KVM_MSR_ENABLED))
		kvm_make_request(KVM_REQ_STEAL_UPDATE, &v->base);
}

/* Not running: HLT, or waiting for INIT or SIPI. */
static void sleep_until(struct vcpu *v)
{
	struct kvm *kvm = v->base.kvm;
	uint64_t begin;

	vcpu_put(v);
	srcu_read_unlock(&kvm->srcu, v->base.srcu_idx);
	begin = os_monotonic_ns();
	sync_count(&v->base.stat.blocking, 1);
	waitq_wait(&v->base.left_guest, signal_pending(v) || is_runnable(v) ||
		   kvm_request_is_pending(KVM_REQ_UNBLOCK, &v->base) ||
		   kvm_request_is_pending(KVM_REQ_VM_DEAD, &v->base) || timer_has_expired(v) ||
		   vcpu_has_events(v));
	sync_count(&v->base.stat.blocking, -1ull);
	count_halt(v, os_monotonic_ns() - begin);
	v->base.srcu_idx = srcu_read_lock(&kvm->srcu);
	vcpu_load(v);
	vcpu_loaded(v);
}

/* vcpu_block(): 1 goes round the loop once more. */
static int block(struct vcpu *v)
{
	sleep_until(v);
	/* Whatever ends the processor's own HLT, it goes on: it may look and halt again. */
	v->halted = false;
	if (kvm_check_request(KVM_REQ_VM_DEAD, &v->base))
		return -EIO;
	if (!vcpu_has_events(v))
		return 1;
	vcpu_accept_events(v);
	if (v->mp_state == KVM_MP_STATE_HALTED || v->mp_state == KVM_MP_STATE_AP_RESET_HOLD) {
		v->mp_state = KVM_MP_STATE_RUNNABLE;
		if (v->base.lapic)
			atomic32_store(&v->base.lapic->pv_unhalted, 0);
	}
	return 1;
}

/* What a timer of this vCPU's local APIC has let expire. */
static void deliver_timer(struct vcpu *v)
{
	if (timer_has_expired(v))
		lapic_timer_deliver(v->base.lapic);
}

static void yield_cpu(struct vcpu *v)
{
	struct kvm *kvm = v->base.kvm;

	vcpu_mark_preempted(v);
	srcu_read_unlock(&kvm->srcu, v->base.srcu_idx);
	vcpu_put(v);
	vcpu_load(v);
	v->base.srcu_idx = srcu_read_lock(&kvm->srcu);
	vcpu_loaded(v);
}

static int run_loop(struct vcpu *v)
{
	int r;

	v->base.run->exit_reason = KVM_EXIT_UNKNOWN;
	for (;;) {
		r = is_runnable(v) ? enter_guest(v) : block(v);
		if (r <= 0)
			return r;
		kvm_check_request(KVM_REQ_UNBLOCK, &v->base);
		deliver_timer(v);
		if (v->base.run->request_interrupt_window && vcpu_irq_from_user(v) &&
		    vcpu_ready_for_interrupt(v)) {
			v->base.run->exit_reason = KVM_EXIT_IRQ_WINDOW_OPEN;
			KVM_VCPU_COUNT(&v->base, request_irq_exits);
			return 0;
		}
		if (signal_pending(v)) {
			v->base.run->exit_reason = KVM_EXIT_INTR;
			KVM_VCPU_COUNT(&v->base, signal_exits);
			return -EINTR;
		}
		if (vcpu_should_yield(v))
			yield_cpu(v);
	}
}

/* Until SIPI, or until user space makes it runnable: the first KVM_RUNs only wait. */
static int run_uninitialized(struct vcpu *v)
{
	if (!v->wants_to_run)
		return -EINTR;
	sleep_until(v);
	vcpu_accept_events(v);
	if (!signal_pending(v))
		return -EAGAIN;
	v->base.run->exit_reason = KVM_EXIT_INTR;
	return -EINTR;
}

static int run_locked(struct vcpu *v)
{
	int (*complete)(struct vcpu *v) = v->complete;
	int r;

	if (v->mp_state == KVM_MP_STATE_UNINITIALIZED)
		return run_uninitialized(v);
	r = vcpu_sync_from_run(v);
	if (r)
		return r;
	if (!v->base.lapic && vcpu_set_cr8(v, v->base.run->cr8))
		return -EINVAL;
	v->complete = NULL;
	if (complete) {
		r = after_exit(v, complete(v));
		if (r <= 0)
			return r;
	}
	if (!v->wants_to_run)
		return -EINTR;
	return run_loop(v);
}

static void save_to_run(struct vcpu *v)
{
	struct kvm_run *run = v->base.run;

	run->if_flag = vcpu_is_es(v) ? !!(v->svm.int_state & SVM_GUEST_INTERRUPT_MASK)
				     : !!(v->state.rflags & X86_FLAGS_IF);
	run->cr8 = v->state.cr8;
	run->apic_base = v->apic_base;
	run->ready_for_interrupt_injection = !vcpu_irq_from_user(v) ||
					     vcpu_ready_for_interrupt(v);
}

int vcpu_run(struct vcpu *v)
{
	struct kvm *kvm = v->base.kvm;
	int r;

	v->wants_to_run = !v->base.run->immediate_exit;
	v->base.run->flags = 0;
	vcpu_load(v);
	VCPU_TRACE(v, kvm_fpu, 1);
	v->base.srcu_idx = srcu_read_lock(&kvm->srcu);
	vcpu_loaded(v);
	r = run_locked(v);
	kvm_vcpu_assert_no_short_map(&v->base);
	vcpu_sync_to_run(v);
	save_to_run(v);
	KVM_VCPU_COUNT(&v->base, fpu_reload);
	VCPU_TRACE(v, kvm_fpu, 0);
	VCPU_TRACE(v, kvm_userspace_exit, v->base.run->exit_reason, (uint64_t)(int64_t)r,
		   r < 0 ? -r : (int)v->base.run->exit_reason);
	srcu_read_unlock(&kvm->srcu, v->base.srcu_idx);
	vcpu_put(v);
	atomic32_store_release(&v->signal, 0);
	counter_add(kvm->module->counters, COUNTER_EXITS_TO_USER, 1);
	return r;
}
