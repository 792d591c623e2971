/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * msr_time.c - registers that are clocks.
 */
#include "kvm/vcpu/msr.h"
#include "os/clock.h"

static enum msr_answer get_tsc(struct vcpu *v, uint32_t index, bool host, uint64_t *value)
{
	*value = os_tsc() + v->tsc.offset;
	return MSR_OK;
}

/* What the guest moves its clock by is told in the adjustment. */
static enum msr_answer set_tsc(struct vcpu *v, uint32_t index, bool host, uint64_t value)
{
	uint64_t offset = value - os_tsc();

	if (!host)
		v->tsc_adjust += offset - v->tsc.offset;
	v->tsc.offset = offset;
	return MSR_OK;
}

/* The guest moves its clock by moving the adjustment. */
static enum msr_answer set_tsc_adjust(struct vcpu *v, uint32_t index, bool host, uint64_t value)
{
	if (!vcpu_has_feature(v, CPUID_TSC_ADJUST))
		return MSR_OK;
	if (!host)
		v->tsc.offset += value - v->tsc_adjust;
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
