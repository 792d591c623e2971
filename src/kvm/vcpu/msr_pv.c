/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * msr_pv.c - KVM's own registers: virt/kvm/x86/msr.rst.  Each is there when its
 * feature is (CPUID 4000_0001h, if KVM_CAP_ENFORCE_PV_FEATURE_CPUID says so).
 */
#include "softcvm/uapi/kvm_para.h"
#include "kvm/core/request.h"
#include "kvm/vcpu/msr.h"
#include "kvm/vcpu/time.h"

#define ASYNC_PF_RESERVED	0x30ull
#define ASYNC_PF_BITS		0x3full
#define ASYNC_PF_IN_USE		(uint64_t)(KVM_ASYNC_PF_ENABLED | KVM_ASYNC_PF_DELIVERY_AS_INT)
#define POLL_CONTROL_BITS	1ull
#define EOI_ALIGNMENT		3ull
#define ASYNC_PF_VECTOR		0xffull

static unsigned feature_of(uint32_t index)
{
	switch (index) {
	case MSR_KVM_WALL_CLOCK: case MSR_KVM_SYSTEM_TIME:
		return KVM_FEATURE_CLOCKSOURCE;
	case MSR_KVM_WALL_CLOCK_NEW: case MSR_KVM_SYSTEM_TIME_NEW:
		return KVM_FEATURE_CLOCKSOURCE2;
	case MSR_KVM_ASYNC_PF_EN:
		return KVM_FEATURE_ASYNC_PF;
	case MSR_KVM_STEAL_TIME:
		return KVM_FEATURE_STEAL_TIME;
	case MSR_KVM_PV_EOI_EN:
		return KVM_FEATURE_PV_EOI;
	case MSR_KVM_POLL_CONTROL:
		return KVM_FEATURE_POLL_CONTROL;
	default:
		return KVM_FEATURE_ASYNC_PF_INT;
	}
}

static enum msr_answer get_pv(struct vcpu *v, uint32_t index, bool host, uint64_t *value)
{
	if (!vcpu_pv_has(v, feature_of(index)))
		return MSR_UNKNOWN;
	switch (index) {
	case MSR_KVM_WALL_CLOCK: case MSR_KVM_WALL_CLOCK_NEW:
		*value = v->base.kvm->time->wall_clock_gpa;
		break;
	case MSR_KVM_SYSTEM_TIME: case MSR_KVM_SYSTEM_TIME_NEW:
		*value = v->time.system_time;
		break;
	case MSR_KVM_ASYNC_PF_EN:
		*value = v->time.async_pf_en;
		break;
	case MSR_KVM_ASYNC_PF_INT:
		*value = v->time.async_pf_int;
		break;
	case MSR_KVM_STEAL_TIME:
		*value = v->time.steal_msr;
		break;
	case MSR_KVM_PV_EOI_EN:
		*value = v->time.eoi_msr;
		break;
	case MSR_KVM_POLL_CONTROL:
		*value = v->time.poll_control;
		break;
	default:
		*value = 0;
	}
	return MSR_OK;
}

/* Asked for its memory, kept, and never used: a page that is not there is waited for. */
static enum msr_answer set_async_pf(struct vcpu *v, uint64_t value)
{
	if (value & ASYNC_PF_RESERVED)
		return MSR_GP;
	if (((value & KVM_ASYNC_PF_DELIVERY_AS_PF_VMEXIT) &&
	     !vcpu_pv_has(v, KVM_FEATURE_ASYNC_PF_VMEXIT)) ||
	    ((value & KVM_ASYNC_PF_DELIVERY_AS_INT) && !vcpu_pv_has(v, KVM_FEATURE_ASYNC_PF_INT)))
		return MSR_GP;
	if (!v->base.lapic)
		return value ? MSR_GP : MSR_OK;
	v->time.async_pf_en = value;
	if ((value & ASYNC_PF_IN_USE) != ASYNC_PF_IN_USE)
		return MSR_OK;
	return kvm_gfn_to_hva_cache_init(v->base.kvm, &v->time.async_pf, GPA(value & ~ASYNC_PF_BITS),
					 sizeof(uint64_t)) ? MSR_GP : MSR_OK;
}

static enum msr_answer set_async_pf_int(struct vcpu *v, uint64_t value)
{
	if (value & ~ASYNC_PF_VECTOR)
		return MSR_GP;
	if (!v->base.lapic)
		return value ? MSR_GP : MSR_OK;
	v->time.async_pf_int = value;
	return MSR_OK;
}

static enum msr_answer set_steal(struct vcpu *v, uint64_t value)
{
	if (value & KVM_STEAL_RESERVED_MASK)
		return MSR_GP;
	v->time.steal_msr = value;
	if (value & KVM_MSR_ENABLED)
		kvm_make_request(KVM_REQ_STEAL_UPDATE, &v->base);
	return MSR_OK;
}

static enum msr_answer set_eoi(struct vcpu *v, uint64_t value)
{
	if ((value & ~(uint64_t)KVM_MSR_ENABLED) & EOI_ALIGNMENT)
		return MSR_GP;
	return vcpu_set_pv_eoi(v, value) ? MSR_GP : MSR_OK;
}

static enum msr_answer set_pv(struct vcpu *v, uint32_t index, bool host, uint64_t value)
{
	if (!vcpu_pv_has(v, feature_of(index)))
		return MSR_UNKNOWN;
	switch (index) {
	case MSR_KVM_WALL_CLOCK: case MSR_KVM_WALL_CLOCK_NEW:
		vcpu_write_wall_clock(v, value);
		return MSR_OK;
	case MSR_KVM_SYSTEM_TIME: case MSR_KVM_SYSTEM_TIME_NEW:
		vcpu_write_system_time(v, value, index == MSR_KVM_SYSTEM_TIME, host);
		return MSR_OK;
	case MSR_KVM_ASYNC_PF_EN:
		return set_async_pf(v, value);
	case MSR_KVM_ASYNC_PF_INT:
		return set_async_pf_int(v, value);
	case MSR_KVM_STEAL_TIME:
		return set_steal(v, value);
	case MSR_KVM_PV_EOI_EN:
		return set_eoi(v, value);
	case MSR_KVM_POLL_CONTROL:
		if (value & ~POLL_CONTROL_BITS)
			return MSR_GP;
		v->time.poll_control = value;
		return MSR_OK;
	default:
		return MSR_OK;
	}
}

static const struct msr_row rows[] = {
	{ MSR_KVM_WALL_CLOCK, MSR_KVM_SYSTEM_TIME, .get = get_pv, .set = set_pv },
	{ MSR_KVM_WALL_CLOCK_NEW, MSR_KVM_ASYNC_PF_ACK, .get = get_pv, .set = set_pv },
};

const struct msr_table msr_pv = { rows, ARRAY_SIZE(rows) };
