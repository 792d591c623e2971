/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * saved_events.c - KVM_GET_VCPU_EVENTS and KVM_SET_VCPU_EVENTS: what is on its
 * way into the guest, as the VMM saves it (kvm/api.rst 4.31, 4.32).
 */
#include <errno.h>
#include <string.h>

#include "kvm/core/request.h"
#include "kvm/vcpu/backend.h"
#include "kvm/vcpu/protected.h"
#include "kvm/vcpu/vcpu.h"

#define KNOWN_FLAGS							\
	(KVM_VCPUEVENT_VALID_NMI_PENDING | KVM_VCPUEVENT_VALID_SIPI_VECTOR |	\
	 KVM_VCPUEVENT_VALID_SHADOW | KVM_VCPUEVENT_VALID_SMM |		\
	 KVM_VCPUEVENT_VALID_PAYLOAD | KVM_VCPUEVENT_VALID_TRIPLE_FAULT)

static bool is_soft(uint8_t vector)
{
	return vector == X86_BP || vector == X86_OF;
}

static uint8_t shadow_of(const struct vcpu *v)
{
	uint8_t s = 0;

	if (vcpu_is_es(v))
		return v->svm.int_state & SVM_INT_SHADOW ?
		       KVM_X86_SHADOW_INT_STI | KVM_X86_SHADOW_INT_MOV_SS : 0;
	if (v->state.shadow & X86_SHADOW_STI)
		s |= KVM_X86_SHADOW_INT_STI;
	if (v->state.shadow & X86_SHADOW_MOV_SS)
		s |= KVM_X86_SHADOW_INT_MOV_SS;
	return s;
}

static void get_exception(const struct vcpu *v, struct kvm_vcpu_events *out)
{
	const struct vcpu_exception *e = &v->events.exception;
	bool apart = v->base.kvm->caps.exception_payload;

	/* Software exceptions are not told: the instruction will raise them again. */
	if (!is_soft(e->vector)) {
		out->exception.injected = e->injected || (!apart && e->pending);
		out->exception.pending = e->pending;
	}
	out->exception.nr = e->vector;
	out->exception.has_error_code = e->has_error;
	out->exception.error_code = e->error;
	out->exception_has_payload = e->has_payload;
	out->exception_payload = e->payload;
}

void vcpu_get_events(struct vcpu *v, struct kvm_vcpu_events *out)
{
	const struct kvm_vm_caps *caps = &v->base.kvm->caps;

	vcpu_process_nmi(v);
	vcpu_settle_payload(v);
	memset(out, 0, sizeof(*out));
	get_exception(v, out);
	out->interrupt.injected = v->events.interrupt.injected && !v->events.interrupt.soft;
	out->interrupt.nr = v->events.interrupt.vector;
	out->interrupt.shadow = shadow_of(v);
	out->nmi.injected = v->events.nmi_injected;
	out->nmi.pending = v->events.nmi_pending + v->backend->nmi_is_pending(v);
	out->nmi.masked = vcpu_nmi_is_blocked(v);
	out->smi.latched_init = v->base.lapic && (atomic32_load(&v->base.lapic->pending_events) &
						  LAPIC_EVENT_INIT);
	out->flags = KVM_VCPUEVENT_VALID_NMI_PENDING | KVM_VCPUEVENT_VALID_SHADOW |
		     KVM_VCPUEVENT_VALID_SMM;
	if (caps->exception_payload)
		out->flags |= KVM_VCPUEVENT_VALID_PAYLOAD;
	if (caps->triple_fault_event) {
		out->triple_fault.pending = kvm_request_is_pending(KVM_REQ_TRIPLE_FAULT, &v->base);
		out->flags |= KVM_VCPUEVENT_VALID_TRIPLE_FAULT;
	}
}

/* What is not said to be meant is not looked at further on. */
static void drop_what_is_not_valid(struct kvm_vcpu_events *in)
{
	if (!(in->flags & KVM_VCPUEVENT_VALID_PAYLOAD)) {
		in->exception.pending = 0;
		in->exception_has_payload = 0;
	} else if (in->exception.pending) {
		in->exception.injected = 0;
	} else {
		in->exception_has_payload = 0;
	}
}

static bool is_valid(const struct vcpu *v, const struct kvm_vcpu_events *in)
{
	const struct kvm_vm_caps *caps = &v->base.kvm->caps;
	bool smm = in->smi.smm || in->smi.pending;

	if (in->flags & ~KNOWN_FLAGS)
		return false;
	if ((in->flags & KVM_VCPUEVENT_VALID_PAYLOAD) && !caps->exception_payload)
		return false;
	if ((in->exception.injected ||
	     (in->exception.pending && (in->flags & KVM_VCPUEVENT_VALID_PAYLOAD))) &&
	    (in->exception.nr > 31 || in->exception.nr == X86_NMI))
		return false;
	return !((in->flags & KVM_VCPUEVENT_VALID_SMM) && smm &&
		 v->mp_state == KVM_MP_STATE_INIT_RECEIVED);
}

static void set_shadow(struct vcpu *v, uint8_t shadow)
{
	if (vcpu_is_es(v)) {
		v->svm.int_state = (v->svm.int_state & ~SVM_INT_SHADOW) |
				   (shadow ? SVM_INT_SHADOW : 0);
		return;
	}
	v->state.shadow &= (uint8_t)~(X86_SHADOW_STI | X86_SHADOW_MOV_SS);
	if (shadow & KVM_X86_SHADOW_INT_STI)
		v->state.shadow |= X86_SHADOW_STI;
	if (shadow & KVM_X86_SHADOW_INT_MOV_SS)
		v->state.shadow |= X86_SHADOW_MOV_SS;
}

static void set_nmi(struct vcpu *v, const struct kvm_vcpu_events *in)
{
	v->events.nmi_injected = in->nmi.injected;
	if (in->flags & KVM_VCPUEVENT_VALID_NMI_PENDING) {
		v->events.nmi_pending = 0;
		atomic32_store(&v->base.nmi_queued, in->nmi.pending);
		if (in->nmi.pending)
			kvm_make_request(KVM_REQ_NMI, &v->base);
	}
	if (vcpu_is_es(v))
		v->svm.v_nmi_blocked = in->nmi.masked;
	else if (in->nmi.masked)
		v->state.shadow |= X86_SHADOW_NMI;
	else
		v->state.shadow &= (uint8_t)~X86_SHADOW_NMI;
}

/*
 * What follows the first loads can still be refused, and then those stay: as in
 * the kernel.
 */
static int set_the_rest(struct vcpu *v, const struct kvm_vcpu_events *in)
{
	struct lapic *apic = v->base.lapic;

	if ((in->flags & KVM_VCPUEVENT_VALID_SIPI_VECTOR) && apic)
		atomic32_store(&apic->sipi_vector, in->sipi_vector);
	/* There is no system management mode. */
	if ((in->flags & KVM_VCPUEVENT_VALID_SMM) &&
	    (in->smi.smm || in->smi.pending || in->smi.smm_inside_nmi))
		return -EINVAL;
	if ((in->flags & KVM_VCPUEVENT_VALID_SMM) && apic) {
		if (in->smi.latched_init)
			atomic32_or(&apic->pending_events, LAPIC_EVENT_INIT);
		else
			atomic32_and(&apic->pending_events, ~LAPIC_EVENT_INIT);
	}
	if (in->flags & KVM_VCPUEVENT_VALID_TRIPLE_FAULT) {
		if (!v->base.kvm->caps.triple_fault_event)
			return -EINVAL;
		if (in->triple_fault.pending)
			kvm_make_request(KVM_REQ_TRIPLE_FAULT, &v->base);
		else
			kvm_check_request(KVM_REQ_TRIPLE_FAULT, &v->base);
	}
	kvm_make_request(KVM_REQ_EVENT, &v->base);
	return 0;
}

int vcpu_set_events(struct vcpu *v, const struct kvm_vcpu_events *events)
{
	struct kvm_vcpu_events in = *events;

	if (!is_valid(v, &in))
		return -EINVAL;
	drop_what_is_not_valid(&in);
	vcpu_process_nmi(v);
	v->events.exception = (struct vcpu_exception){
		.pending = in.exception.pending,
		.injected = in.exception.injected,
		.has_error = in.exception.has_error_code,
		.has_payload = in.exception_has_payload,
		.vector = in.exception.nr,
		.error = in.exception.error_code,
		.payload = in.exception_payload,
	};
	v->events.interrupt = (struct vcpu_interrupt){
		.injected = in.interrupt.injected,
		.soft = in.interrupt.soft,
		.vector = in.interrupt.nr,
	};
	if (in.flags & KVM_VCPUEVENT_VALID_SHADOW)
		set_shadow(v, in.interrupt.shadow);
	set_nmi(v, &in);
	return set_the_rest(v, &in);
}
