/* SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause */
/*
 * msr_exit.c - RDMSR and WRMSR of the guest: done, #GP, or asked of the VMM
 * (KVM_CAP_X86_USER_SPACE_MSR).
 */
#include <string.h>

#include "kvm/core/vm_type_ops.h"
#include "kvm/vcpu/exits.h"
#include "kvm/vcpu/msr.h"
#include "kvm/vcpu/protected.h"

static uint32_t reason_of(enum msr_answer a)
{
	switch (a) {
	case MSR_UNKNOWN:
		return KVM_MSR_EXIT_REASON_UNKNOWN;
	case MSR_FILTERED:
		return KVM_MSR_EXIT_REASON_FILTER;
	default:
		return KVM_MSR_EXIT_REASON_INVAL;
	}
}

static void put_edx_eax(struct vcpu *v, uint64_t value)
{
	v->state.gpr[X86_RAX] = (uint32_t)value;
	v->state.gpr[X86_RDX] = value >> 32;
}

/* #GP of a SEV-ES guest is raised by its own handler. */
static int complete_msr(struct vcpu *v, bool refused)
{
	if (!refused || !vcpu_is_es(v))
		return vcpu_complete_insn_gp(v, refused);
	v->base.kvm->ops->refuse_msr(&v->base);
	return 1;
}

/* The VMM has answered; its page is read once. */
static int complete_rdmsr(struct vcpu *v)
{
	bool refused = READ_ONCE(v->base.run->msr.error);

	if (!refused)
		put_edx_eax(v, READ_ONCE(v->base.run->msr.data));
	return complete_msr(v, refused);
}

static int complete_wrmsr(struct vcpu *v)
{
	return complete_msr(v, READ_ONCE(v->base.run->msr.error));
}

/* Does the VMM want to hear of it? */
static bool ask_user(struct vcpu *v, enum msr_answer why, uint32_t exit_reason, uint32_t index,
		     uint64_t data)
{
	struct kvm_run *run = v->base.run;

	if (!(v->base.kvm->caps.user_space_msr & reason_of(why)))
		return false;
	run->exit_reason = exit_reason;
	run->msr.error = 0;
	memset(run->msr.pad, 0, sizeof(run->msr.pad));
	run->msr.reason = reason_of(why);
	run->msr.index = index;
	run->msr.data = data;
	v->complete = exit_reason == KVM_EXIT_X86_RDMSR ? complete_rdmsr : complete_wrmsr;
	return true;
}

int exit_rdmsr(struct vcpu *v)
{
	uint32_t index = (uint32_t)v->state.gpr[X86_RCX];
	uint64_t value;
	enum msr_answer a = vcpu_get_msr(v, index, false, &value);

	VCPU_TRACE(v, kvm_msr, 0, index, a == MSR_OK ? value : 0, a != MSR_OK);
	if (a != MSR_OK && ask_user(v, a, KVM_EXIT_X86_RDMSR, index, 0))
		return 0;
	if (a == MSR_OK)
		put_edx_eax(v, value);
	return complete_msr(v, a != MSR_OK);
}

int exit_wrmsr(struct vcpu *v)
{
	uint32_t index = (uint32_t)v->state.gpr[X86_RCX];
	uint64_t value = (uint32_t)v->state.gpr[X86_RAX] | v->state.gpr[X86_RDX] << 32;
	enum msr_answer a = vcpu_set_msr(v, index, false, value);

	VCPU_TRACE(v, kvm_msr, 1, index, value, a != MSR_OK);
	if (a != MSR_OK && ask_user(v, a, KVM_EXIT_X86_WRMSR, index, value))
		return 0;
	return complete_msr(v, a != MSR_OK);
}
