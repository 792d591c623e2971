/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * event.c - exceptions, NMIs and interrupts on their way into the guest, in
 * the kernel's order (docs/design/interrupts.md).  SDM vol. 3A 6.9 and 6.15,
 * table 6-5: two contributory exceptions make a double fault, a third a
 * shutdown.
 */
#include <errno.h>

#include "kvm/core/request.h"
#include "kvm/vcpu/backend.h"
#include "kvm/vcpu/irq.h"
#include "kvm/vcpu/protected.h"
#include "kvm/vcpu/vcpu.h"

#define NR_VECTORS	256
#define DR7_GD		BIT(13)
#define DR6_ACTIVE_LOW	0xffff0ff0ull
#define DR6_TRAPS	0xfull

enum exception_class { BENIGN, CONTRIBUTORY, PAGE_FAULT };

static enum exception_class class_of(uint8_t vector)
{
	switch (vector) {
	case X86_DE: case X86_TS: case X86_NP: case X86_SS_FAULT: case X86_GP:
		return CONTRIBUTORY;
	case X86_PF:
		return PAGE_FAULT;
	default:
		return BENIGN;
	}
}

static bool makes_double_fault(uint8_t first, uint8_t second)
{
	enum exception_class a = class_of(first), b = class_of(second);

	return (a == CONTRIBUTORY && b == CONTRIBUTORY) || (a == PAGE_FAULT && b != BENIGN);
}

void vcpu_queue_exception(struct vcpu *v, uint8_t vector, bool has_error, uint32_t error)
{
	struct vcpu_exception *e = &v->events.exception;
	bool second = e->pending || e->injected;

	kvm_make_request(KVM_REQ_EVENT, &v->base);
	if (second && e->vector == X86_DF) {
		*e = (struct vcpu_exception){ 0 };
		kvm_make_request(KVM_REQ_TRIPLE_FAULT, &v->base);
		return;
	}
	if (second && makes_double_fault(e->vector, vector)) {
		vector = X86_DF;
		has_error = true;
		error = 0;
	}
	*e = (struct vcpu_exception){ .pending = true, .vector = vector,
				      .has_error = has_error, .error = error };
}

void vcpu_inject_gp(struct vcpu *v)
{
	vcpu_queue_exception(v, X86_GP, true, 0);
}

void vcpu_inject_ud(struct vcpu *v)
{
	vcpu_queue_exception(v, X86_UD, false, 0);
}

void vcpu_inject_pf(struct vcpu *v, uint64_t address, uint32_t error)
{
	KVM_VCPU_COUNT(&v->base, pf_guest);
	v->state.cr2 = address;
	vcpu_queue_exception(v, X86_PF, true, error);
}

void vcpu_events_delivered(struct vcpu *v)
{
	v->events.exception = (struct vcpu_exception){ 0 };
	v->events.interrupt = (struct vcpu_interrupt){ 0 };
	v->events.nmi_injected = false;
}

/* What VMRUN has left in the control area is all that is known of RFLAGS.IF. */
static bool es_interrupt_allowed(const struct vcpu *v)
{
	return (v->svm.int_state & SVM_GUEST_INTERRUPT_MASK) &&
	       !(v->svm.int_state & SVM_INT_SHADOW);
}

bool vcpu_interrupt_allowed(const struct vcpu *v)
{
	if (vcpu_is_es(v))
		return es_interrupt_allowed(v);
	return (v->state.rflags & X86_FLAGS_IF) &&
	       !(v->state.shadow & (X86_SHADOW_STI | X86_SHADOW_MOV_SS));
}

bool vcpu_nmi_is_blocked(const struct vcpu *v)
{
	return vcpu_is_es(v) ? v->svm.v_nmi_blocked : !!(v->state.shadow & X86_SHADOW_NMI);
}

bool vcpu_nmi_allowed(const struct vcpu *v)
{
	if (vcpu_is_es(v))
		return !v->svm.v_nmi_blocked && !(v->svm.int_state & SVM_INT_SHADOW);
	return !(v->state.shadow & (X86_SHADOW_NMI | X86_SHADOW_STI | X86_SHADOW_MOV_SS));
}

bool vcpu_event_needs_reinjection(const struct vcpu *v)
{
	const struct vcpu_events *e = &v->events;

	return e->exception.injected || e->interrupt.injected || e->nmi_injected;
}

/* SDM vol. 3A table 6-1: not a trap, not an abort; RF is set in what is pushed. */
static bool is_fault(uint8_t vector)
{
	switch (vector) {
	case X86_DB: case X86_BP: case X86_OF: case X86_DF: case X86_MC:
		return false;
	default:
		return true;
	}
}

/*
 * The payload has the form of VMX's pending debug exceptions: bits that read as
 * 1 when nothing happened are turned round, and bit 12 is not DR6's.
 */
static uint64_t dr6_after(uint64_t dr6, uint64_t payload)
{
	dr6 = (dr6 & ~DR6_TRAPS) | DR6_ACTIVE_LOW | payload;
	dr6 ^= payload & DR6_ACTIVE_LOW;
	return dr6 & ~BIT(12);
}

/* DR6 and CR2 as the exception leaves them. */
static void deliver_payload(struct vcpu *v, struct vcpu_exception *e)
{
	if (e->has_payload && e->vector == X86_PF)
		v->state.cr2 = e->payload;
	if (e->has_payload && e->vector == X86_DB)
		v->state.dr6 = dr6_after(v->state.dr6, e->payload);
	e->has_payload = false;
	e->payload = 0;
}

void vcpu_settle_payload(struct vcpu *v)
{
	if (!v->base.kvm->caps.exception_payload && v->events.exception.pending)
		deliver_payload(v, &v->events.exception);
}

void vcpu_inject_db(struct vcpu *v, uint64_t payload)
{
	v->state.dr6 = dr6_after(v->state.dr6, payload);
	vcpu_queue_exception(v, X86_DB, false, 0);
}

static void inject_exception(struct vcpu *v)
{
	struct vcpu_exception *e = &v->events.exception;

	if (is_fault(e->vector))
		v->state.rflags |= X86_FLAGS_RF;
	deliver_payload(v, e);
	if (e->vector == X86_DB)
		v->state.dr7 &= ~DR7_GD;
	VCPU_TRACE(v, kvm_inj_exception, e->vector, e->has_error, e->error, 0);
	e->pending = false;
	e->injected = true;
	/* The exception belongs to the instruction before: what was interrupted by it is void. */
	v->events.interrupt.injected = false;
	v->events.nmi_injected = false;
}

void vcpu_process_nmi(struct vcpu *v)
{
	struct vcpu_events *e = &v->events;
	bool blocked = vcpu_nmi_is_blocked(v) || e->nmi_injected;
	unsigned limit = blocked ? 1 : 2, nr;

	if (v->backend->nmi_is_pending(v))
		limit--;
	nr = e->nmi_pending + atomic32_xchg(&v->base.nmi_queued, 0);
	e->nmi_pending = (uint8_t)MIN(nr, limit);
	if (e->nmi_pending && v->backend->pend_nmi(v))
		e->nmi_pending--;
	if (e->nmi_pending)
		kvm_make_request(KVM_REQ_EVENT, &v->base);
}

/*
 * What began goes first, then a new exception, an NMI, an interrupt: one at an
 * entry.  For what has to wait a window is watched, or, when the guest could
 * take it and only the one before is in the way, the entry ends at once.
 */
void vcpu_prepare_events(struct vcpu *v)
{
	struct vcpu_events *e = &v->events;
	bool can_inject, window, nmi_window;

	KVM_VCPU_COUNT(&v->base, req_event);
	if (e->exception.pending)
		inject_exception(v);
	if (v->debug.control & KVM_GUESTDBG_BLOCKIRQ) {
		v->backend->watch(v, false, false);
		return;
	}
	can_inject = !vcpu_event_needs_reinjection(v);
	if (e->nmi_pending && can_inject && vcpu_nmi_allowed(v)) {
		e->nmi_pending--;
		e->nmi_injected = true;
		can_inject = false;
		KVM_VCPU_COUNT(&v->base, nmi_injections);
	}
	if (can_inject && vcpu_interrupt_allowed(v) && vcpu_has_interrupt(v)) {
		e->interrupt = (struct vcpu_interrupt){ .injected = true,
							.vector = vcpu_take_interrupt(v) };
		KVM_VCPU_COUNT(&v->base, irq_injections);
		VCPU_TRACE(v, kvm_inj_virq, e->interrupt.vector, 0, 0);
	}
	nmi_window = e->nmi_pending;
	window = vcpu_has_interrupt(v) || vcpu_wants_window(v);
	v->backend->watch(v, window, nmi_window);
}

bool vcpu_has_events(struct vcpu *v)
{
	const struct vcpu_events *e = &v->events;

	if (e->exception.pending || kvm_request_is_pending(KVM_REQ_NMI, &v->base))
		return true;
	if (e->nmi_pending && vcpu_nmi_allowed(v))
		return true;
	if (kvm_request_is_pending(KVM_REQ_UPDATE_PROTECTED_GUEST_STATE, &v->base) &&
	    v->mp_state != KVM_MP_STATE_INIT_RECEIVED)
		return true;
	return vcpu_irq_wakes(v) || (vcpu_interrupt_allowed(v) && vcpu_has_interrupt(v));
}

bool vcpu_ready_for_interrupt(struct vcpu *v)
{
	return vcpu_interrupt_allowed(v) && !vcpu_event_needs_reinjection(v) &&
	       vcpu_accepts_user_interrupt(v) && !v->events.exception.pending;
}

bool vcpu_wants_window(struct vcpu *v)
{
	return v->base.run->request_interrupt_window && vcpu_irq_from_user(v) &&
	       vcpu_accepts_user_interrupt(v);
}

int vcpu_user_interrupt(struct vcpu *v, uint32_t vector)
{
	if (vector >= NR_VECTORS)
		return -EINVAL;
	if (!v->base.lapic) {
		v->events.interrupt = (struct vcpu_interrupt){ .injected = true,
							       .vector = (uint8_t)vector };
	} else {
		if (!vcpu_irq_from_user(v))
			return -ENXIO;
		if (v->events.external_vector >= 0)
			return -EEXIST;
		v->events.external_vector = (int16_t)vector;
	}
	kvm_make_request(KVM_REQ_EVENT, &v->base);
	return 0;
}
