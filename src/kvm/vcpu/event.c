/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * event.c - exceptions that KVM gives to the guest.  SDM vol. 3A 6.15,
 * table 6-5: two contributory exceptions make a double fault, a third a
 * shutdown.
 */
#include "kvm/core/request.h"
#include "kvm/vcpu/vcpu.h"

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
	struct vcpu_event *e = &v->event;
	bool was_exception = e->pending && !e->is_intr && !e->is_nmi;

	if (was_exception && e->vector == X86_DF) {
		kvm_make_request(KVM_REQ_TRIPLE_FAULT, &v->base);
		return;
	}
	if (was_exception && makes_double_fault(e->vector, vector)) {
		vector = X86_DF;
		has_error = true;
		error = 0;
	}
	*e = (struct vcpu_event){ .pending = true, .vector = vector,
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
	v->state.cr2 = address;
	vcpu_queue_exception(v, X86_PF, true, error);
}
