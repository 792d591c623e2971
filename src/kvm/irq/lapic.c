/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * lapic.c - priorities, acceptance, state.  Accesses are in lapic_regs.c, the
 * timer in lapic_timer.c, who is addressed in apic_map.c.
 */
#include "kvm/irq/lapic.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "kvm/core/request.h"
#include "kvm/irq/irq.h"
#include "kvm/irq/lapic_priv.h"

#define NR_VECTOR_WORDS	8
#define VERSION		0x14u
#define LVT_TRIG_LEVEL	BIT(15)

uint32_t lapic_id(const struct lapic *apic)
{
	return apic->vcpu->id;
}

static struct kvm_irq *irq_of(const struct lapic *apic)
{
	return apic->vcpu->kvm->irq;
}

bool lapic_test(const struct lapic *apic, uint32_t bitmap, uint8_t vector)
{
	return lapic_get(apic, bitmap + (vector / 32) * 0x10) >> (vector % 32) & 1;
}

static void set_vector(struct lapic *apic, uint32_t bitmap, uint8_t vector)
{
	atomic32_or(&apic->reg[(bitmap >> 4) + vector / 32], 1u << (vector % 32));
}

static void clear_vector(struct lapic *apic, uint32_t bitmap, uint8_t vector)
{
	atomic32_and(&apic->reg[(bitmap >> 4) + vector / 32], ~(1u << (vector % 32)));
}

int lapic_highest(const struct lapic *apic, uint32_t bitmap)
{
	for (int i = NR_VECTOR_WORDS - 1; i >= 0; i--) {
		uint32_t w = lapic_get(apic, bitmap + (uint32_t)i * 0x10);

		if (w)
			return i * 32 + 31 - __builtin_clz(w);
	}
	return -1;
}

/* SDM vol. 3A 11.8.3.1: the higher class of TPR and ISR. */
static uint32_t ppr_of(const struct lapic *apic)
{
	uint32_t tpr = lapic_get(apic, LAPIC_TPR);
	int isr = lapic_highest(apic, LAPIC_ISR);
	uint32_t isrv = isr < 0 ? 0 : (uint32_t)isr;

	return (tpr & 0xf0) >= (isrv & 0xf0) ? tpr & 0xff : isrv & 0xf0;
}

static int interrupt_above(const struct lapic *apic, uint32_t ppr)
{
	int irr = lapic_highest(apic, LAPIC_IRR);

	return irr < 0 || ((uint32_t)irr & 0xf0) <= ppr ? -1 : irr;
}

/* A priority that falls may let something through. */
void lapic_update_ppr(struct lapic *apic)
{
	uint32_t old = lapic_get(apic, LAPIC_PPR), ppr = ppr_of(apic);

	if (old == ppr)
		return;
	lapic_put(apic, LAPIC_PPR, ppr);
	if (ppr < old && interrupt_above(apic, ppr) >= 0)
		kvm_make_request(KVM_REQ_EVENT, apic->vcpu);
}

void lapic_set_tpr(struct lapic *apic, uint8_t tpr)
{
	lapic_put(apic, LAPIC_TPR, tpr);
	lapic_update_ppr(apic);
}

void lapic_report_tpr(struct lapic *apic, const uint64_t *rip)
{
	apic->tpr_rip = rip;
}

int lapic_has_interrupt(struct lapic *apic)
{
	uint32_t ppr;

	if (!lapic_hw_enabled(apic))
		return -1;
	ppr = ppr_of(apic);
	lapic_put(apic, LAPIC_PPR, ppr);
	return interrupt_above(apic, ppr);
}

void lapic_ack(struct lapic *apic, uint8_t vector)
{
	clear_vector(apic, LAPIC_IRR, vector);
	set_vector(apic, LAPIC_ISR, vector);
	lapic_put(apic, LAPIC_PPR, ppr_of(apic));
}

int lapic_set_eoi(struct lapic *apic)
{
	int vector = lapic_highest(apic, LAPIC_ISR);

	TRACE(apic->vcpu->kvm->module->trace, kvm_eoi, apic->vcpu->id, (uint64_t)(int64_t)vector);
	if (vector < 0)
		return vector;
	clear_vector(apic, LAPIC_ISR, (uint8_t)vector);
	lapic_update_ppr(apic);
	irq_eoi(apic, (uint8_t)vector, lapic_test(apic, LAPIC_TMR, (uint8_t)vector));
	kvm_make_request(KVM_REQ_EVENT, apic->vcpu);
	return vector;
}

bool lapic_accepts_pic(const struct lapic *apic)
{
	uint32_t lint0 = lapic_get(apic, LAPIC_LVT_LINT0);

	return !lapic_hw_enabled(apic) ||
	       (!(lint0 & LAPIC_LVT_MASKED) && (lint0 & LVT_MODE) == LAPIC_EXTINT);
}

/* @irq's vector into IRR; TMR remembers how it was triggered. */
static bool accept_vector(struct lapic *apic, const struct lapic_irq *irq)
{
	if ((irq->trig_level && !irq->level) || !lapic_hw_enabled(apic) || !lapic_sw_enabled(apic))
		return false;
	if (lapic_test(apic, LAPIC_TMR, irq->vector) != irq->trig_level) {
		if (irq->trig_level)
			set_vector(apic, LAPIC_TMR, irq->vector);
		else
			clear_vector(apic, LAPIC_TMR, irq->vector);
	}
	set_vector(apic, LAPIC_IRR, irq->vector);
	return true;
}

bool lapic_accept(struct lapic *apic, const struct lapic_irq *irq)
{
	TRACE(apic->vcpu->kvm->module->trace, kvm_apic_accept_irq, apic->vcpu->id, irq->vector,
	      irq->delivery >> 8 & 7, irq->trig_level);
	switch (irq->delivery) {
	case LAPIC_LOWEST:
		atomic32_add(&apic->arb_prio, 1);
		/* fall through */
	case LAPIC_FIXED:
		if (!accept_vector(apic, irq))
			return false;
		break;
	case LAPIC_REMOTE:
		atomic32_store(&apic->pv_unhalted, 1);
		break;
	case LAPIC_NMI:
		kvm_inject_nmi(apic->vcpu);
		return true;
	case LAPIC_INIT:
		if (irq->trig_level && !irq->level)
			return false;
		atomic32_store(&apic->pending_events, LAPIC_EVENT_INIT);
		break;
	case LAPIC_STARTUP:
		atomic32_store(&apic->sipi_vector, irq->vector);
		atomic32_or(&apic->pending_events, LAPIC_EVENT_SIPI);
		break;
	default:	/* no SMM; ExtINT is a level that the vCPU looks at */
		return false;
	}
	SYNC_POINT(lapic_accepted);
	kvm_make_request(KVM_REQ_EVENT, apic->vcpu);
	kvm_vcpu_kick(apic->vcpu);
	return true;
}

bool lapic_local_deliver(struct lapic *apic, uint32_t lvt)
{
	uint32_t v = lapic_get(apic, lvt);
	struct lapic_irq irq = {
		.vector = (uint8_t)v, .delivery = v & LVT_MODE, .level = true,
		.trig_level = v & LVT_TRIG_LEVEL,
	};

	return lapic_hw_enabled(apic) && !(v & LAPIC_LVT_MASKED) && lapic_accept(apic, &irq);
}

/* Changes what the APIC map is made of. */
void lapic_put_mapped(struct lapic *apic, uint32_t reg, uint32_t value)
{
	lapic_put(apic, reg, value);
	apic_map_changed(irq_of(apic));
}

static void set_version(struct lapic *apic)
{
	uint32_t v = VERSION | (apic->nr_lvt - 1u) << 16;

	if (apic->x2apic_cpuid && !irq_of(apic)->ioapic)
		v |= VERSION_DIRECTED_EOI;
	lapic_put(apic, LAPIC_VERSION, v);
}

uint32_t lapic_lvt_reg(unsigned i)
{
	return i < 6 ? LAPIC_LVT_TIMER + i * 0x10 : LAPIC_LVT_CMCI;
}

void lapic_set_svr(struct lapic *apic, uint32_t value)
{
	bool was = lapic_sw_enabled(apic);

	lapic_put(apic, LAPIC_SVR, value);
	if (was != lapic_sw_enabled(apic))
		apic_map_changed(irq_of(apic));
}

/* SDM vol. 3A 11.12.10.2: cluster and one bit in it. */
static uint32_t x2apic_ldr(uint32_t id)
{
	return (id >> 4) << 16 | 1u << (id & 0xf);
}

static void set_x2apic_id(struct lapic *apic)
{
	lapic_put(apic, LAPIC_ID, lapic_id(apic));
	lapic_put_mapped(apic, LAPIC_LDR, x2apic_ldr(lapic_id(apic)));
}

struct lapic *lapic_create(struct kvm_vcpu *vcpu, const struct guest_tsc *tsc)
{
	struct lapic *apic = aligned_alloc(64, ALIGN_UP(sizeof(*apic), 64));

	if (!apic)
		return NULL;
	memset(apic, 0, sizeof(*apic));
	apic->vcpu = vcpu;
	apic->tsc = tsc;
	apic->nr_lvt = 6;
	atomic32_store_relaxed(&apic->mode, LAPIC_BASE_ENABLE);
	lapic_timer_init(apic);
	return apic;
}

void lapic_destroy(struct lapic *apic)
{
	if (!apic)
		return;
	lapic_timer_stop(apic);
	free(apic);
}

void lapic_reset(struct lapic *apic, bool init, bool extint)
{
	lapic_timer_stop(apic);
	if (!init) {
		atomic32_store_relaxed(&apic->mode, LAPIC_BASE_ENABLE);
		lapic_put_mapped(apic, LAPIC_ID, lapic_id(apic) << 24);
	}
	set_version(apic);
	for (unsigned i = 0; i < apic->nr_lvt; i++)
		lapic_put(apic, lapic_lvt_reg(i), LAPIC_LVT_MASKED);
	lapic_timer_mode_written(apic);
	if (extint)
		lapic_put(apic, LAPIC_LVT_LINT0, LAPIC_EXTINT);
	lapic_put_mapped(apic, LAPIC_DFR, LAPIC_DFR_FLAT);
	lapic_set_svr(apic, 0xff);
	lapic_put(apic, LAPIC_TPR, 0);
	if (!lapic_is_x2(apic))
		lapic_put_mapped(apic, LAPIC_LDR, 0);
	lapic_put(apic, LAPIC_ESR, 0);
	lapic_put(apic, LAPIC_ICR, 0);
	lapic_put(apic, LAPIC_ICR2, 0);
	lapic_put(apic, LAPIC_TDCR, 0);
	lapic_put(apic, LAPIC_TMICT, 0);
	for (uint32_t r = LAPIC_ISR; r < LAPIC_ESR; r += 0x10)
		lapic_put(apic, r, 0);
	lapic_timer_divide_written(apic, false);
	lapic_put(apic, LAPIC_PPR, 0);
	atomic32_store_relaxed(&apic->arb_prio, 0);
	atomic32_store_relaxed(&apic->ioapic_eoi, 0);
	apic_map_update(apic->vcpu->kvm);
}

void lapic_set_cpuid(struct lapic *apic, bool x2apic, bool tsc_deadline)
{
	apic->x2apic_cpuid = x2apic;
	apic->timer.deadline_allowed = tsc_deadline;
	set_version(apic);
}

void lapic_set_cmci(struct lapic *apic, bool cmci)
{
	uint8_t nr = cmci ? 7 : 6;

	if (nr > apic->nr_lvt)
		lapic_put(apic, LAPIC_LVT_CMCI, LAPIC_LVT_MASKED);
	apic->nr_lvt = nr;
	set_version(apic);
}

void lapic_mode_changed(struct lapic *apic, uint64_t was, uint64_t now)
{
	uint64_t changed = was ^ now;

	atomic32_store_relaxed(&apic->mode,
			       (uint32_t)now & (LAPIC_BASE_ENABLE | LAPIC_BASE_X2APIC));
	if (!(changed & (LAPIC_BASE_ENABLE | LAPIC_BASE_X2APIC)))
		return;
	apic_map_changed(irq_of(apic));
	if ((changed & now & LAPIC_BASE_ENABLE))
		lapic_put_mapped(apic, LAPIC_ID, lapic_id(apic) << 24);
	if (changed & LAPIC_BASE_X2APIC) {
		if (now & LAPIC_BASE_X2APIC)
			set_x2apic_id(apic);
		else if (now & LAPIC_BASE_ENABLE)
			lapic_put_mapped(apic, LAPIC_ID, lapic_id(apic) << 24);
	}
	apic_map_update(apic->vcpu->kvm);
}

int lapic_save(const struct lapic *apic, void *page)
{
	uint8_t *at = page;

	memset(page, 0, LAPIC_NR_REGS * 16);
	for (unsigned i = 0; i < LAPIC_NR_REGS; i++) {
		uint32_t v = lapic_get(apic, i << 4);

		memcpy(at + i * 16, &v, sizeof(v));
	}
	*(uint32_t *)(void *)(at + LAPIC_TMCCT) = lapic_timer_count(apic);
	if (lapic_is_x2(apic) && !irq_of(apic)->x2apic_format)
		*(uint32_t *)(void *)(at + LAPIC_ID) = lapic_id(apic) << 24;
	return 0;
}

int lapic_load(struct lapic *apic, const void *page)
{
	bool x2 = lapic_is_x2(apic);
	const uint8_t *at = page;
	uint32_t v[LAPIC_NR_REGS];

	for (unsigned i = 0; i < LAPIC_NR_REGS; i++)
		memcpy(&v[i], at + i * 16, sizeof(v[i]));
	lapic_set_svr(apic, v[LAPIC_SVR >> 4]);
	if (x2 && irq_of(apic)->x2apic_format && v[LAPIC_ID >> 4] != lapic_id(apic)) {
		apic_map_update(apic->vcpu->kvm);
		return -EINVAL;
	}
	lapic_timer_stop(apic);
	for (unsigned i = 0; i < LAPIC_NR_REGS; i++)
		lapic_put(apic, i << 4, v[i]);
	if (x2)
		set_x2apic_id(apic);
	apic_map_changed(irq_of(apic));
	apic_map_update(apic->vcpu->kvm);
	set_version(apic);
	lapic_update_ppr(apic);
	lapic_timer_mode_written(apic);
	lapic_timer_divide_written(apic, false);
	lapic_timer_restart(apic, LAPIC_TMCCT);
	lapic_put(apic, LAPIC_TMCCT, 0);
	atomic32_store_relaxed(&apic->arb_prio, 0);
	kvm_make_request(KVM_REQ_EVENT, apic->vcpu);
	return 0;
}

