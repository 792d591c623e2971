/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * pv.c - what KVM and its guest tell each other in shared memory: stolen time,
 * and ends of interrupts without an exit.  virt/kvm/x86/msr.rst.
 */
#include <stddef.h>

#include "softcvm/uapi/kvm_para.h"
#include "kvm/core/request.h"
#include "kvm/host/cached.h"
#include "kvm/irq/irq.h"
#include "kvm/vcpu/cpuid.h"
#include "kvm/vcpu/time.h"
#include "kvm/vcpu/vcpu.h"
#include "os/process.h"

#define EOI_ENABLED	1u	/* in the guest's byte, and in the MSR */

static gpa_t steal_gpa(const struct vcpu *v)
{
	return GPA(v->time.steal_msr & KVM_STEAL_VALID_BITS);
}

/* The translation is of this structure and of the slots that there are; the structure lies in one page. */
static bool steal_is_current(const struct vcpu *v)
{
	const struct gfn_to_hva_cache *ghc = &v->time.steal;

	return ghc->memslot && ghc->gpa.v == steal_gpa(v).v &&
	       ghc->generation == kvm_memslots_generation(v->base.kvm, 0);
}
static_assert(!((sizeof(struct kvm_steal_time) - 1) & KVM_STEAL_VALID_BITS), "in one page");

#define STEAL_READ(v, member, to) (!kvm_read_guest_offset_cached((v)->base.kvm, &(v)->time.steal,	\
		(to), offsetof(struct kvm_steal_time, member), sizeof(*(to))))
#define STEAL_WRITE(v, member, from) (!kvm_write_guest_offset_cached((v)->base.kvm, &(v)->time.steal,	\
		(from), offsetof(struct kvm_steal_time, member), sizeof(*(from))))

/* The guest may ask a sleeping vCPU for a TLB flush instead of sending it an IPI. */
static bool take_preempted(struct vcpu *v)
{
	gpa_t at = GPA(steal_gpa(v).v + offsetof(struct kvm_steal_time, preempted));
	uint8_t old = KVM_VCPU_PREEMPTED, none = 0;
	int r;

	do {
		r = kvm_cmpxchg_guest(v->base.kvm, at, &old, &none, sizeof(old));
	} while (r == KVM_CMPXCHG_LOST);
	if (r != KVM_CMPXCHG_DONE)
		return false;
	if ((old & KVM_VCPU_FLUSH_TLB) && vcpu_pv_has(v, KVM_FEATURE_PV_TLB_FLUSH))
		kvm_make_request(KVM_REQ_TLB_FLUSH, &v->base);
	v->time.preempted = false;
	return true;
}

static bool put_version(struct vcpu *v, uint32_t version)
{
	sync_fence();
	return STEAL_WRITE(v, version, &version);
}

void vcpu_record_steal(struct vcpu *v)
{
	uint64_t delay, steal;
	uint32_t version;

	if (!(v->time.steal_msr & KVM_MSR_ENABLED))
		return;
	if (!steal_is_current(v) &&
	    kvm_gfn_to_hva_cache_init(v->base.kvm, &v->time.steal, steal_gpa(v),
				      sizeof(struct kvm_steal_time)))
		return;
	if (!take_preempted(v) || !STEAL_READ(v, version, &version) || !STEAL_READ(v, steal, &steal))
		return;
	version = (version + 1) | 1;
	if (!put_version(v, version))
		return;
	delay = os_run_delay_ns();
	steal += delay - v->time.steal_last;
	v->time.steal_last = delay;
	if (!STEAL_WRITE(v, steal, &steal))
		return;
	(void)put_version(v, version + 1);
}

/* Where the slots have changed meanwhile nothing is told: the next entry finds them. */
void vcpu_mark_preempted(struct vcpu *v)
{
	const uint8_t preempted = KVM_VCPU_PREEMPTED;

	if (!(v->time.steal_msr & KVM_MSR_ENABLED) || v->time.preempted || !steal_is_current(v))
		return;
	v->time.preempted = STEAL_WRITE(v, preempted, &preempted);
}

int vcpu_set_pv_eoi(struct vcpu *v, uint64_t value)
{
	if (value & KVM_MSR_ENABLED) {
		int r = kvm_gfn_to_hva_cache_init(v->base.kvm, &v->time.eoi,
						  GPA(value & ~(uint64_t)KVM_MSR_ENABLED), 1);

		if (r)
			return r;
	}
	v->time.eoi_msr = value;
	return 0;
}

static bool put_eoi(struct vcpu *v, uint8_t value)
{
	return !kvm_write_guest_cached(v->base.kvm, &v->time.eoi, &value, sizeof(value));
}

/* One interrupt in service, none waiting, and no I/O APIC that has to know. */
void vcpu_offer_pv_eoi(struct vcpu *v)
{
	const struct lapic *apic = v->base.lapic;
	int isr;

	if (!(v->time.eoi_msr & KVM_MSR_ENABLED) || !apic || v->time.eoi_pending)
		return;
	isr = lapic_highest(apic, LAPIC_ISR);
	if (isr < 0 || lapic_highest(apic, LAPIC_IRR) >= 0 ||
	    irq_eoi_is_wanted(apic, (uint8_t)isr))
		return;
	v->time.eoi_pending = put_eoi(v, EOI_ENABLED);
}

/* The bit is gone: the guest has ended its interrupt.  Still there: it is taken back. */
void vcpu_take_pv_eoi(struct vcpu *v)
{
	uint8_t value;

	if (likely(!v->time.eoi_pending))
		return;
	v->time.eoi_pending = false;
	if (!(v->time.eoi_msr & KVM_MSR_ENABLED) ||
	    kvm_read_guest_cached(v->base.kvm, &v->time.eoi, &value, sizeof(value)))
		return;
	if (value & EOI_ENABLED)
		(void)put_eoi(v, 0);
	else
		lapic_set_eoi(v->base.lapic);
}
