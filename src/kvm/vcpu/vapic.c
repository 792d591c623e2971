/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * vapic.c - the TPR as code of the VMM's in the guest sees it: 32-bit guests
 * whose accesses to the TPR it has replaced by accesses to a word in memory.
 * linux-source-6.12 arch/x86/kvm/lapic.c, facts only.
 */
#include <errno.h>

#include "base/bits.h"
#include "kvm/host/cached.h"
#include "kvm/vcpu/irq.h"
#include "kvm/vcpu/vcpu.h"

/*
 * What the word says.  ISR has no more than its priority class.
 *
 *   31      24 23    16 15       12 11   8 7    0
 *  [ IRR max  |   -    | ISR class |  -   | TPR  ]
 */
#define VAPIC_IRR_HI	31
#define VAPIC_IRR_LO	24
#define VAPIC_ISR_HI	15
#define VAPIC_ISR_LO	12
#define VAPIC_TPR_HI	7
#define VAPIC_TPR_LO	0

/* A refused address leaves the last one in use. */
int vcpu_set_vapic(struct vcpu *v, gpa_t gpa)
{
	if (gpa.v && kvm_gfn_to_hva_cache_init(v->base.kvm, &v->vapic, gpa, sizeof(uint32_t)))
		return -EINVAL;
	v->has_vapic = gpa.v;
	return 0;
}

int vcpu_report_tpr(struct vcpu *v, const struct kvm_tpr_access_ctl *ctl)
{
	if (ctl->flags)
		return -EINVAL;
	if (v->base.lapic)	/* else nobody will ever access it */
		lapic_report_tpr(v->base.lapic, ctl->enabled ? &v->state.rip : NULL);
	return 0;
}

static uint32_t highest(const struct lapic *apic, uint32_t bitmap)
{
	int vector = lapic_highest(apic, bitmap);

	return vector < 0 ? 0 : (uint32_t)vector;
}

void vcpu_give_vapic(struct vcpu *v)
{
	const struct lapic *apic = v->base.lapic;
	uint32_t word;

	if (likely(!v->has_vapic) || !lapic_hw_enabled(apic) || !lapic_sw_enabled(apic))
		return;
	word = (uint32_t)(FIELD_PUT(VAPIC_TPR, lapic_get(apic, LAPIC_TPR)) |
			  FIELD_PUT(VAPIC_ISR, highest(apic, LAPIC_ISR) >> 4) |
			  FIELD_PUT(VAPIC_IRR, highest(apic, LAPIC_IRR)));
	/* Nobody is told that the host's memory is gone. */
	if (kvm_write_guest_cached(v->base.kvm, &v->vapic, &word, sizeof(word)))
		return;
}

void vcpu_take_vapic(struct vcpu *v)
{
	uint32_t word;

	if (likely(!v->has_vapic) ||
	    kvm_read_guest_cached(v->base.kvm, &v->vapic, &word, sizeof(word)))
		return;
	lapic_set_tpr(v->base.lapic, (uint8_t)FIELD_GET(VAPIC_TPR, word));
	vcpu_tpr_written(v);
}
