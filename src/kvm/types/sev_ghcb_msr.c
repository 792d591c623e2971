/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * sev_ghcb_msr.c - requests that fit into the GHCB MSR.  GHCB specification
 * 2.3.1.  The MSR is the processor's: nobody changes it while KVM looks.
 *
 *   63                                    12 11    0
 *  |  what it is about, or the answer       | which |
 */
#include "base/bits.h"
#include "kvm/types/sev_vcpu.h"
#include "kvm/vcpu/backend.h"
#include "kvm/vcpu/exits.h"

enum ghcb_msr {
	MSR_SEV_INFO_REQ	= 0x002,
	MSR_CPUID_REQ		= 0x004,
	MSR_CPUID_RESP		= 0x005,
	MSR_AP_HOLD_REQ		= 0x006,
	MSR_AP_HOLD_RESP	= 0x007,
	MSR_PREF_GPA_REQ	= 0x010,
	MSR_PREF_GPA_RESP	= 0x011,
	MSR_REG_GPA_REQ		= 0x012,
	MSR_REG_GPA_RESP	= 0x013,
	MSR_PSC_REQ		= 0x014,
	MSR_HV_FEATURES_REQ	= 0x080,
	MSR_HV_FEATURES_RESP	= 0x081,
	MSR_TERM_REQ		= 0x100,
};

#define MSR_INFO_HI		11
#define MSR_INFO_LO		0
#define MSR_DATA_HI		63
#define MSR_DATA_LO		12
#define MSR_CPUID_VALUE_HI	63	/* the function, then the register's value */
#define MSR_CPUID_VALUE_LO	32
#define MSR_CPUID_REG_HI	31
#define MSR_CPUID_REG_LO	30
#define MSR_NO_PREFERENCE	(~0ull >> 12)	/* all bits of the page number */

/* Subleaf 0 only.  The answer keeps the register's number. */
static int cpuid(struct vcpu *v)
{
	static const uint8_t regs[4] = { X86_RAX, X86_RBX, X86_RCX, X86_RDX };
	uint64_t msr = v->svm.ghcb_gpa, value;
	int r;

	v->state.gpr[X86_RAX] = FIELD_GET(MSR_CPUID_VALUE, msr);
	v->state.gpr[X86_RCX] = 0;
	r = exit_cpuid(v);
	if (!r)
		return r;
	value = v->state.gpr[regs[FIELD_GET(MSR_CPUID_REG, msr)]];
	v->svm.ghcb_gpa = FIELD_PUT(MSR_CPUID_VALUE, value) |
			  (msr & FIELD_MASK(MSR_CPUID_REG)) | MSR_CPUID_RESP |
			  (msr & BITS(29, 12));
	return r;
}

static void respond(struct vcpu *v, enum ghcb_msr which, uint64_t data)
{
	v->svm.ghcb_gpa = FIELD_PUT(MSR_DATA, data) | which;
}

/* The answer that no SIPI came; sev_es_deliver_sipi() makes it another. */
static int ap_reset_hold(struct vcpu *v)
{
	int r;

	to_sev_vcpu(&v->base)->ghcb.hold = AP_HOLD_MSR;
	r = exit_ap_reset_hold(v);
	respond(v, MSR_AP_HOLD_RESP, 0);
	return r;
}

void ghcb_msr_sipi(struct vcpu *v)
{
	respond(v, MSR_AP_HOLD_RESP, 1);
}

int ghcb_terminate(struct vcpu *v)
{
	struct kvm_run *run = v->base.run;

	run->exit_reason = KVM_EXIT_SYSTEM_EVENT;
	run->system_event.type = KVM_SYSTEM_EVENT_SEV_TERM;
	run->system_event.ndata = 1;
	run->system_event.data[0] = v->svm.ghcb_gpa;
	return 0;
}

/* Any page number will do: what is there shows at the first request. */
static int register_page(struct vcpu *v)
{
	uint64_t gfn = FIELD_GET(MSR_DATA, v->svm.ghcb_gpa);

	to_sev_vcpu(&v->base)->ghcb.registered = GPA(gfn << PAGE_SHIFT);
	respond(v, MSR_REG_GPA_RESP, gfn);
	return 1;
}

/* What KVM does not know it leaves as it is: the guest sees that it got no answer. */
static int serve(struct kvm_vcpu *vcpu)
{
	struct vcpu *v = to_vcpu(vcpu);

	switch (FIELD_GET(MSR_INFO, v->svm.ghcb_gpa)) {
	case MSR_SEV_INFO_REQ:
		v->svm.ghcb_gpa = sev_ghcb_info(vcpu->kvm);
		return 1;
	case MSR_CPUID_REQ:
		return cpuid(v);
	case MSR_AP_HOLD_REQ:
		return ap_reset_hold(v);
	case MSR_HV_FEATURES_REQ:
		respond(v, MSR_HV_FEATURES_RESP, GHCB_FEATURES);
		return 1;
	case MSR_PREF_GPA_REQ:
		respond(v, MSR_PREF_GPA_RESP, MSR_NO_PREFERENCE);
		return 1;
	case MSR_REG_GPA_REQ:
		return register_page(v);
	case MSR_PSC_REQ:
		return ghcb_psc_msr(v);
	default:
		return 1;
	}
}

/* By its own wish, or since it takes KVM for what it is not. */
static bool is_the_end(const struct kvm *kvm, uint64_t msr)
{
	switch (FIELD_GET(MSR_INFO, msr)) {
	case MSR_TERM_REQ:
		return true;
	case MSR_PREF_GPA_REQ:
	case MSR_REG_GPA_REQ:
	case MSR_PSC_REQ:
		return !sev_snp_guest(kvm);
	default:
		return false;
	}
}

int ghcb_msr_request(struct kvm_vcpu *vcpu)
{
	struct vcpu *v = to_vcpu(vcpu);
	int r;

	VCPU_TRACE(v, kvm_vmgexit_msr_protocol_enter, vcpu->id, v->svm.ghcb_gpa);
	if (is_the_end(vcpu->kvm, v->svm.ghcb_gpa))
		return ghcb_terminate(v);
	r = serve(vcpu);
	VCPU_TRACE(v, kvm_vmgexit_msr_protocol_exit, vcpu->id, v->svm.ghcb_gpa, (uint64_t)r);
	return r;
}
