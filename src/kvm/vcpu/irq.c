/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
#include "kvm/vcpu/irq.h"

#include <string.h>

#include "kvm/core/request.h"
#include "kvm/core/vm_type_ops.h"
#include "kvm/irq/irq.h"
#include "kvm/irq/pic.h"
#include "kvm/vcpu/protected.h"
#include "kvm/vcpu/vcpu.h"

static bool pic_is_ours(const struct vcpu *v)
{
	return v->base.kvm->irq->mode == IRQCHIP_KERNEL;
}

/* Interrupts by KVM_INTERRUPT on a split irqchip wait here; others are injected at once. */
static bool has_external(struct vcpu *v)
{
	struct lapic *apic = v->base.lapic;

	if (!apic)
		return v->events.interrupt.injected;
	if (!lapic_accepts_pic(apic))
		return false;
	return pic_is_ours(v) ? pic_has_interrupt(v->base.kvm->irq->pic)
			      : v->events.external_vector >= 0;
}

bool vcpu_has_interrupt(struct vcpu *v)
{
	return v->base.lapic && (has_external(v) || lapic_has_interrupt(v->base.lapic) >= 0);
}

uint8_t vcpu_take_interrupt(struct vcpu *v)
{
	uint8_t vector;

	if (has_external(v)) {
		if (pic_is_ours(v))
			return pic_acknowledge(v->base.kvm->irq->pic);
		vector = (uint8_t)v->events.external_vector;
		v->events.external_vector = -1;
		return vector;
	}
	vector = (uint8_t)lapic_has_interrupt(v->base.lapic);
	lapic_ack(v->base.lapic, vector);
	return vector;
}

int vcpu_exit_ioapic_eoi(struct vcpu *v)
{
	uint32_t eoi = atomic32_xchg(&v->base.lapic->ioapic_eoi, 0);

	if (!eoi)
		return 1;
	v->base.run->exit_reason = KVM_EXIT_IOAPIC_EOI;
	v->base.run->eoi.vector = (uint8_t)(eoi - 1);
	return 0;
}

bool vcpu_irq_from_user(const struct vcpu *v)
{
	return !pic_is_ours(v);
}

bool vcpu_accepts_user_interrupt(struct vcpu *v)
{
	return !has_external(v) && (!v->base.lapic || lapic_accepts_pic(v->base.lapic));
}

bool vcpu_irq_wakes(const struct vcpu *v)
{
	const struct lapic *apic = v->base.lapic;

	return apic && (atomic32_load(&apic->pending_events) || atomic32_load(&apic->pv_unhalted));
}

/* SDM vol. 3A 9.4.4.1: the vector names the page where the processor begins. */
static void begin_at(struct vcpu *v, uint8_t vector)
{
	struct x86_segment *cs = &v->state.seg[X86_CS];

	cs->selector = (uint16_t)(vector << 8);
	cs->base = (uint64_t)vector << PAGE_SHIFT;
	v->state.rip = 0;
}

void vcpu_accept_events(struct vcpu *v)
{
	struct lapic *apic = v->base.lapic;

	if (!apic || likely(!atomic32_load_acquire(&apic->pending_events)))
		return;
	if (atomic32_and(&apic->pending_events, ~LAPIC_EVENT_INIT) & LAPIC_EVENT_INIT) {
		vcpu_reset(v, true);
		v->mp_state = v->base.id == v->base.kvm->caps.bsp_vcpu_id ?
			      KVM_MP_STATE_RUNNABLE : KVM_MP_STATE_INIT_RECEIVED;
	}
	if (!(atomic32_and(&apic->pending_events, ~LAPIC_EVENT_SIPI) & LAPIC_EVENT_SIPI) ||
	    v->mp_state != KVM_MP_STATE_INIT_RECEIVED)
		return;
	if (vcpu_is_es(v))
		v->base.kvm->ops->deliver_sipi(&v->base);
	else
		begin_at(v, (uint8_t)atomic32_load(&apic->sipi_vector));
	v->mp_state = KVM_MP_STATE_RUNNABLE;
}

/* True: it is the local APIC's page; *reaches says whether the registers are there. */
static bool is_lapic_page(const struct vcpu *v, gpa_t gpa, bool *reaches)
{
	const struct lapic *apic = v->base.lapic;

	if (!apic || (gpa.v & PAGE_MASK) != (v->apic_base & PAGE_MASK &
					    ((1ull << v->maxphyaddr) - 1)))
		return false;
	*reaches = lapic_hw_enabled(apic) && !lapic_is_x2(apic);
	/* Off or in x2APIC mode: a hole that answers, as KVM has always done. */
	return *reaches || !(v->base.kvm->disabled_quirks & KVM_X86_QUIRK_LAPIC_MMIO_HOLE);
}

void vcpu_tpr_written(struct vcpu *v)
{
	v->state.cr8 = lapic_get(v->base.lapic, LAPIC_TPR) >> 4 & 0xf;
}

bool vcpu_irq_mmio_read(struct vcpu *v, gpa_t gpa, unsigned len, void *data)
{
	bool reaches;

	if (!is_lapic_page(v, gpa, &reaches))
		return false;
	if (reaches)
		lapic_read(v->base.lapic, gpa.v & ~PAGE_MASK, len, data);
	else
		memset(data, 0xff, len);
	return true;
}

bool vcpu_irq_mmio_write(struct vcpu *v, gpa_t gpa, unsigned len, const void *data)
{
	bool reaches;

	if (!is_lapic_page(v, gpa, &reaches))
		return false;
	if (reaches) {
		lapic_write(v->base.lapic, gpa.v & ~PAGE_MASK, len, data);
		vcpu_tpr_written(v);
	}
	return true;
}
