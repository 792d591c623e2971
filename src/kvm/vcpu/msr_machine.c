/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * msr_machine.c - registers that instructions read by themselves, and the two
 * that hold the processor's modes.
 */
#include "kvm/core/request.h"
#include "kvm/vcpu/msr.h"

#define EFER_CHANGES_TLB	X86_EFER_NX

static enum msr_answer set_efer(struct vcpu *v, uint32_t index, bool host, uint64_t value)
{
	uint64_t old = v->state.efer;

	if (value & ~kvm_efer_supported(v->base.kvm->module))
		return MSR_GP;
	if (!host) {
		if (value & ~vcpu_cpuid_efer_allowed(v))
			return MSR_GP;
		if ((v->state.cr0 & X86_CR0_PG) && ((old ^ value) & X86_EFER_LME))
			return MSR_GP;
	}
	v->state.efer = (value & ~X86_EFER_LMA) | (old & X86_EFER_LMA);
	if ((old ^ value) & EFER_CHANGES_TLB)
		kvm_make_request(KVM_REQ_TLB_FLUSH, &v->base);
	return MSR_OK;
}

bool vcpu_write_efer(struct vcpu *v, uint64_t value)
{
	return set_efer(v, 0xc0000080, false, value) == MSR_OK;
}

static enum msr_answer set_apic_base(struct vcpu *v, uint32_t index, bool host, uint64_t value)
{
	uint64_t mode = LAPIC_BASE_ENABLE | LAPIC_BASE_X2APIC;
	uint64_t was = v->apic_base & mode, now = value & mode;

	if (value & (vcpu_reserved_gpa_bits(v) | 0x2ff))
		return MSR_GP;
	if ((value & LAPIC_BASE_X2APIC) && !vcpu_has_feature(v, CPUID_X2APIC))
		return MSR_GP;
	if (now == LAPIC_BASE_X2APIC)
		return MSR_GP;
	if (!host && ((was == mode && now == LAPIC_BASE_ENABLE) || (was == 0 && now == mode)))
		return MSR_GP;
	if (v->base.lapic)
		lapic_mode_changed(v->base.lapic, v->apic_base, value);
	v->apic_base = value;
	return MSR_OK;
}

/*
 * Made canonical rather than refused.  A processor of AMD has 32 bits of them,
 * and KVM keeps the rest for a guest that believes itself on Intel's.
 */
static uint64_t sysenter_address(const struct vcpu *v, uint64_t value)
{
	value = msr_canonical(v, value);
	if (hw_config(v->base.kvm->module->hw)->vendor == HW_VENDOR_AMD &&
	    !vcpu_is_intel_compatible(v))
		value = (uint32_t)value;
	return value;
}

static enum msr_answer set_sysenter_esp(struct vcpu *v, uint32_t index, bool host, uint64_t value)
{
	v->state.msr.sysenter_esp = sysenter_address(v, value);
	return MSR_OK;
}

static enum msr_answer set_sysenter_eip(struct vcpu *v, uint32_t index, bool host, uint64_t value)
{
	v->state.msr.sysenter_eip = sysenter_address(v, value);
	return MSR_OK;
}

static bool may_use_tsc_aux(const struct vcpu *v, bool host)
{
	return host || vcpu_has_feature(v, CPUID_RDTSCP) || vcpu_has_feature(v, CPUID_RDPID);
}

static enum msr_answer get_tsc_aux(struct vcpu *v, uint32_t index, bool host, uint64_t *value)
{
	*value = v->state.msr.tsc_aux;
	return may_use_tsc_aux(v, host) ? MSR_OK : MSR_GP;
}

/* Intel reserves the upper half, AMD ignores it. */
static enum msr_answer set_tsc_aux(struct vcpu *v, uint32_t index, bool host, uint64_t value)
{
	if (!may_use_tsc_aux(v, host) || (value >> 32 && vcpu_is_intel_compatible(v)))
		return MSR_GP;
	v->state.msr.tsc_aux = (uint32_t)value;
	return MSR_OK;
}

static const struct msr_row rows[] = {
	{ 0x01b, .reset = LAPIC_DEFAULT_BASE | LAPIC_BASE_ENABLE, .place = MSR_PLACE(apic_base),
	  .set = set_apic_base },
	{ 0x174, .place = MSR_PLACE(state.msr.sysenter_cs) },
	{ 0x175, .place = MSR_PLACE(state.msr.sysenter_esp), .set = set_sysenter_esp },
	{ 0x176, .place = MSR_PLACE(state.msr.sysenter_eip), .set = set_sysenter_eip },
	{ 0xda0, .needs = CPUID_XSAVES, .reserved = ~0ull },			/* XSS */
	{ 0xc0000080, .place = MSR_PLACE(state.efer), .set = set_efer },
	{ 0xc0000081, .place = MSR_PLACE(state.msr.star) },
	{ 0xc0000082, .flags = MSR_CANONICAL, .place = MSR_PLACE(state.msr.lstar) },
	{ 0xc0000083, .flags = MSR_CANONICAL, .place = MSR_PLACE(state.msr.cstar) },
	{ 0xc0000084, .place = MSR_PLACE(state.msr.sfmask) },
	{ 0xc0000100, .flags = MSR_CANONICAL, .place = MSR_PLACE(state.seg[X86_FS].base) },
	{ 0xc0000101, .flags = MSR_CANONICAL, .place = MSR_PLACE(state.seg[X86_GS].base) },
	{ 0xc0000102, .flags = MSR_CANONICAL, .place = MSR_PLACE(state.msr.kernel_gs_base) },
	{ 0xc0000103, .place = MSR_PLACE(state.msr.tsc_aux), .get = get_tsc_aux,
	  .set = set_tsc_aux },
};

const struct msr_table msr_machine = { rows, ARRAY_SIZE(rows) };
