/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * msr_time.c - registers that are clocks.
 */
#include "kvm/vcpu/msr.h"
#include "kvm/vcpu/time.h"

static enum msr_answer get_tsc(struct vcpu *v, uint32_t index, bool host, uint64_t *value)
{
	*value = guest_tsc_read(&v->tsc);
	return MSR_OK;
}

/* What the guest moves its clock by is told in the adjustment. */
static enum msr_answer set_tsc(struct vcpu *v, uint32_t index, bool host, uint64_t value)
{
	uint64_t by;

	if (host) {
		vcpu_synchronize_tsc(v, value, true);
		return MSR_OK;
	}
	by = value - guest_tsc_read(&v->tsc);
	v->tsc_adjust += by;
	vcpu_adjust_tsc(v, by);
	return MSR_OK;
}

/* The guest moves its clock by moving the adjustment. */
static enum msr_answer set_tsc_adjust(struct vcpu *v, uint32_t index, bool host, uint64_t value)
{
	if (!vcpu_has_feature(v, CPUID_TSC_ADJUST))
		return MSR_OK;
	if (!host)
		vcpu_adjust_tsc(v, value - v->tsc_adjust);
	v->tsc_adjust = value;
	return MSR_OK;
}

static enum msr_answer get_deadline(struct vcpu *v, uint32_t index, bool host, uint64_t *value)
{
	*value = v->base.lapic ? lapic_get_tsc_deadline(v->base.lapic) : 0;
	return MSR_OK;
}

static enum msr_answer set_deadline(struct vcpu *v, uint32_t index, bool host, uint64_t value)
{
	if (v->base.lapic)
		lapic_set_tsc_deadline(v->base.lapic, value);
	return MSR_OK;
}

static const struct msr_row rows[] = {
	{ 0x010, .get = get_tsc, .set = set_tsc },
	{ 0x6e0, .get = get_deadline, .set = set_deadline },
	{ 0x03b, .place = MSR_PLACE(tsc_adjust), .set = set_tsc_adjust },
};

const struct msr_table msr_time = { rows, ARRAY_SIZE(rows) };
